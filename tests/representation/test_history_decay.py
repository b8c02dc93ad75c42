"""People who go on where they just were, people who come back to what they like, and too few people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.types import FloatArray
from polyscene.data.queries import Histories
from polyscene.recommenders.signal import Evidence
from polyscene.representation import history_decay as module
from polyscene.representation.history_decay import (
    BLOCK,
    DECAYS,
    DEFAULT_DECAY,
    MIN_CHOICES,
    history_decay,
)
from polyscene.representation.history_decay import _worth as decay_worth
from polyscene.representation.items import unit

TOPICS, EACH = 4, 6
PEOPLE = 200
MakeEvidence = Callable[..., Evidence]


@pytest.fixture
def vectors() -> FloatArray:
    """Six items on each of four topics."""
    noise = np.random.default_rng(3).normal(size=(TOPICS * EACH, 8)) * 0.05
    return unit((np.eye(8)[np.arange(TOPICS * EACH) // EACH] + noise).astype(np.float32))


def choices_of(
    plot: Callable[[np.random.Generator], list[int]], people: int = PEOPLE
) -> list[tuple[int, int, int]]:
    """Let each person choose other items of a plot of topics, one moment after the other."""
    draws = np.random.default_rng(0)
    rows = []
    for user in range(people):
        order = draws.permutation(EACH)
        for time, topic in enumerate(plot(draws)):
            rows.append((user, topic * EACH + int(order[time % EACH]), 1000 * user + time))
    return rows


def last_counts(draws: np.random.Generator) -> list[int]:
    old, new = draws.choice(TOPICS, 2, replace=False).tolist()
    return [old, old, old, new, new]


def habit_counts(draws: np.random.Generator) -> list[int]:
    old, new = draws.choice(TOPICS, 2, replace=False).tolist()
    return [old, old, old, new, old]


def test_where_the_last_event_foretells_the_next_taste_fades_fast(
    vectors: FloatArray, make_evidence: MakeEvidence
) -> None:
    assert make_evidence(choices_of(last_counts), len(vectors), vectors=vectors).decay == min(DECAYS)


def test_where_habits_return_taste_fades_slowly(vectors: FloatArray, make_evidence: MakeEvidence) -> None:
    assert make_evidence(choices_of(habit_counts), len(vectors), vectors=vectors).decay == max(DECAYS)


@pytest.mark.parametrize("many", [0, (MIN_CHOICES - 1) // 4])  # four of the five have a past
def test_few_people_tell_nothing(vectors: FloatArray, make_evidence: MakeEvidence, many: int) -> None:
    assert make_evidence(choices_of(last_counts, many), len(vectors), vectors=vectors).decay == DEFAULT_DECAY


def test_items_without_text_tell_nothing(vectors: FloatArray, make_evidence: MakeEvidence) -> None:
    assert (
        make_evidence(choices_of(last_counts), len(vectors), vectors=np.zeros_like(vectors)).decay
        == DEFAULT_DECAY
    )


def test_the_latest_choices_tell_where_there_is_a_clock(
    vectors: FloatArray, make_evidence: MakeEvidence
) -> None:
    old = choices_of(habit_counts, 3000)
    new = [(user + 3000, item, time + 10**9) for user, item, time in choices_of(last_counts, 900)]
    evidence = make_evidence(old + new, len(vectors), vectors=vectors)
    assert evidence.decay == min(DECAYS)
    assert replace(evidence, clock="sequence").decay > min(DECAYS), "all of it tells"


@pytest.mark.parametrize(("choices", "expected"), [([0, 0, 0, 1, 0], 0.65), ([0, 2, 1, 3], min(DECAYS))])
def test_what_was_had_stands_in_the_way_where_people_come_back(
    make_evidence: MakeEvidence, choices: list[int], expected: float
) -> None:
    """After thrice one item and once another, the first stands before it where d + d² + d³ > 1.

    Were the other one no rival, every decay would be as good, as it is where nobody comes back.
    """
    items = 24
    rows = [
        (user, (user + step) % items, 1000 * user + time)
        for user in range(PEOPLE)
        for time, step in enumerate(choices)
    ]
    log = make_evidence(rows, items).positive
    assert history_decay(log, PEOPLE, "time", np.eye(items, dtype=np.float32), 0) == expected


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("copies", [1, 5])
def test_what_a_sample_rules_out_changes_nothing(
    once: bool, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = np.random.default_rng(2)
    n_items, n_choices = 700, 3 * BLOCK + 40
    vectors = unit(draws.normal(size=(n_items, 16)).astype(np.float32))
    vectors[: 20 * copies] = np.repeat(vectors[:20], copies, axis=0)
    vectors[::90] = 0.0
    rows = draws.integers(0, n_items, (n_choices, 4))
    near = vectors @ vectors[rows[:, 0]].T
    chosen = np.where(draws.random(n_choices) < 0.5, near.argsort(axis=0)[-3], rows[:, 1]).astype(np.int32)
    history = Histories.of(rows[:, [2, 3, 0]].tolist())
    quick = [decay_worth(chosen, history, vectors, decay, once) for decay in DECAYS]
    monkeypatch.setattr(module, "_ranks_of_contenders", lambda *arguments: None)
    assert quick == [decay_worth(chosen, history, vectors, decay, once) for decay in DECAYS]
    assert max(quick) > 0.02
