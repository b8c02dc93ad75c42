"""How fast taste fades by tuned vectors is told by choices that came after what they learned from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from polyscene.core.settings.project import Settings
from polyscene.core.types import FloatArray
from polyscene.learning.content_judge import FoundDecay, content_judge, held_out_decay, judged_choices
from polyscene.learning.training_data import TrainingData
from polyscene.representation.history_decay import MIN_CHOICES

MakeData = Callable[..., tuple[TrainingData, Settings]]
HALF, STEPS = 6, 7
EVALUATION = {"test_share": 1 / STEPS, "valid_share": 1 / (STEPS - 1)}


def habits(n_users: int) -> list[tuple[int, int, int]]:
    """Return what people do: four items of their topic, one of the other, then one of their own again."""
    draws, rows = np.random.default_rng(3), []
    for user in range(n_users):
        own, other = (
            draws.permutation(HALF) + HALF * (user % 2),
            draws.permutation(HALF) + HALF * (1 - user % 2),
        )
        items = [*own[:4], other[0], own[4], other[1]]
        rows += [(user, int(item), 1_000_000 * (step * n_users + user)) for step, item in enumerate(items)]
    return rows


@pytest.fixture(scope="module")
def vectors() -> FloatArray:
    """Items of a topic are close to each other."""
    rows = np.repeat(np.eye(2), HALF, axis=0) + 0.05 * np.random.default_rng(1).normal(size=(2 * HALF, 2))
    unit: FloatArray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def world(make_data: MakeData, n_users: int) -> TrainingData:
    scenarios: dict[str, Any] = {"a": {"repeats": False}}
    return make_data({"a": habits(n_users)}, n_users, evaluation=EVALUATION, scenarios=scenarios)[0]


def test_a_habit_counts_for_more_than_the_last_event(make_data: MakeData, vectors: FloatArray) -> None:
    data = world(make_data, 2 * MIN_CHOICES)
    assert len(judged_choices(data, "a")) == 2 * MIN_CHOICES
    estimate = held_out_decay(data, "a", vectors, 0.3)
    best, usual = (content_judge(data, "a", decay) for decay in (estimate.decay, 0.3))
    assert best is not None
    assert usual is not None
    assert estimate.decay >= 0.65
    assert estimate.gain == pytest.approx(best(vectors) - usual(vectors))
    assert estimate.gain > 0.2


def test_where_none_is_better_the_usual_one_stays(make_data: MakeData, vectors: FloatArray) -> None:
    """Vectors that are all the same tell nothing, whatever the decay."""
    data = world(make_data, MIN_CHOICES)
    assert held_out_decay(data, "a", np.ones_like(vectors), 0.55) == FoundDecay(0.55, 0.0)


def test_few_choices_do_not_tell(make_data: MakeData, vectors: FloatArray) -> None:
    assert held_out_decay(world(make_data, MIN_CHOICES - 1), "a", vectors, 0.3) == FoundDecay(0.3, 0.0)
