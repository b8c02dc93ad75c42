"""α is learned where choices tell it, is nothing where they do not, and grows with evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from polyscene.core.settings.project import Settings
from polyscene.core.types import FloatArray
from polyscene.learning.part_weights import (
    MIN_CHOICES,
    ComparedParts,
    PartWeights,
    fitted,
    part_weights,
)
from polyscene.learning.training_data import TrainingData
from polyscene.representation.description import TEXT
from polyscene.representation.items import unit

MakeData = Callable[..., tuple[TrainingData, Settings]]
N_ITEMS, TOPICS, STEPS = 40, 4, 6
EVALUATION = {"test_share": 1 / STEPS, "valid_share": 1 / (STEPS - 1)}


def topical(n_users: int) -> list[tuple[int, int, int]]:
    """Return people who choose items of one topic; item i is of topic i % TOPICS."""
    draws, rows = np.random.default_rng(3), []
    for user in range(n_users):
        items = TOPICS * draws.permutation(N_ITEMS // TOPICS)[:STEPS] + user % TOPICS
        rows += [(user, int(item), 1_000_000 * (step * n_users + user)) for step, item in enumerate(items)]
    return rows


def noise(seed: int, width: int = 6) -> FloatArray:
    return unit(np.random.default_rng(seed).normal(size=(N_ITEMS, width)).astype(np.float32))


def topics() -> FloatArray:
    rows = np.eye(TOPICS, dtype=np.float32)[np.arange(N_ITEMS) % TOPICS] - np.float32(1 / TOPICS)
    return unit(rows)


@pytest.fixture(scope="module")
def data(make_data: MakeData) -> TrainingData:
    scenarios: dict[str, Any] = {"a": {"repeats": False}}
    rows = {"a": topical(160)}
    return make_data(rows, 160, N_ITEMS, evaluation=EVALUATION, scenarios=scenarios)[0]


def learned(data: TrainingData, parts: Mapping[str, FloatArray]) -> PartWeights:
    return part_weights(data, "a", {TEXT: noise(1)} | dict(parts), 0.8)


def test_the_part_by_which_people_choose_counts_and_the_other_does_not(data: TrainingData) -> None:
    weights = learned(data, {"topic": topics(), "noise": noise(2)})
    assert list(weights.weights) == ["topic"]
    assert weights.weights["topic"] > 1.0
    assert weights.gain.low > 0.5
    assert weights.choices == 160
    assert weights.facts()["weights"] == weights.weights


def test_where_nothing_counts_all_stand_back(data: TrainingData) -> None:
    weights = learned(data, {"noise": noise(2), "other": noise(3)})
    assert weights.weights == {}
    assert weights.choices == 160


def test_what_the_text_says_already_counts_for_little(data: TrainingData) -> None:
    weights = part_weights(data, "a", {TEXT: topics(), "again": topics()}, 0.8).weights
    assert weights.get("again", 0.0) < 0.7
    assert learned(data, {"again": topics()}).weights["again"] > 3 * weights.get("again", 0.0)


def test_few_choices_teach_nothing(make_data: MakeData) -> None:
    few = MIN_CHOICES - 1
    data = make_data({"a": topical(few)}, few, N_ITEMS, evaluation=EVALUATION)[0]
    assert part_weights(data, "a", {TEXT: noise(1), "topic": topics()}, 0.8).weights == {}


def planted(choices: int, effect: float = 2.0) -> ComparedParts:
    """Return choices out of ten by a softmax over one part, the text of which tells nothing."""
    draws = np.random.default_rng(8)
    cosines = draws.uniform(-1, 1, size=(choices, 10, 2)).astype(np.float32)
    for row in cosines:
        logits = effect * row[:, 1]
        chosen = draws.choice(10, p=np.exp(logits) / np.exp(logits).sum())
        row[[0, chosen]] = row[[chosen, 0]]
    return ComparedParts(cosines, np.ones((choices, 10), np.bool_), np.arange(choices))


def test_the_weight_grows_with_evidence_and_comes_out_right() -> None:
    sizes = (1, 10, 100, 2000)
    thetas, deviations = zip(*(fitted(planted(size)) for size in sizes), strict=True)
    assert abs(thetas[0][1]) < 1.0
    assert thetas[-1][1] == pytest.approx(2.0, abs=0.15)
    spread = [one[1] for one in deviations]
    assert spread == sorted(spread, reverse=True)
    assert spread[0] < 1.0  # never less is known than before any choice
    assert spread[-1] == pytest.approx(spread[2] / np.sqrt(20), rel=0.1)


def test_closed_candidates_are_no_alternatives() -> None:
    table = planted(500)
    shut = ComparedParts(table.cosines.copy(), table.open_.copy(), table.people)
    shut.open_[:, 5:] = False
    fewer = ComparedParts(table.cosines[:, :5], table.open_[:, :5], table.people)
    np.testing.assert_allclose(fitted(shut)[0], fitted(fewer)[0])


def test_what_an_item_lacks_neither_helps_nor_hurts_it(data: TrainingData) -> None:
    """A third of the items has no topic: these are taken for what the others are in the mean."""
    gaps = topics()
    gaps[::3] = 0.0
    every, some = (learned(data, {"topic": rows}) for rows in (topics(), gaps))
    assert 0.5 < some.weights["topic"] <= every.weights["topic"]
    assert 0.2 < some.gain.low < every.gain.low
