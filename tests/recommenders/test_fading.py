"""People who go on where they just were, people who come back to what they like, and too few people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.types import FloatArray
from polyscene.recommenders.fading import DECAYS, ENOUGH, USUAL, fading, latest_choices
from polyscene.recommenders.signal import Evidence
from polyscene.representation.items import unit

TOPICS, EACH = 4, 6
PEOPLE = 200
MakeEvidence = Callable[..., Evidence]


@pytest.fixture
def vectors() -> FloatArray:
    """Six items on each of four topics."""
    noise = np.random.default_rng(3).normal(size=(TOPICS * EACH, 8)) * 0.05
    return unit((np.eye(8)[np.arange(TOPICS * EACH) // EACH] + noise).astype(np.float32))


def told(
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
    assert fading(make_evidence(told(last_counts), len(vectors)), vectors) == min(DECAYS)


def test_where_habits_return_taste_fades_slowly(vectors: FloatArray, make_evidence: MakeEvidence) -> None:
    assert fading(make_evidence(told(habit_counts), len(vectors)), vectors) >= USUAL


@pytest.mark.parametrize("many", [0, ENOUGH - 1])
def test_few_people_tell_nothing(vectors: FloatArray, make_evidence: MakeEvidence, many: int) -> None:
    assert fading(make_evidence(told(last_counts, many), len(vectors)), vectors) == USUAL


def test_items_without_text_tell_nothing(vectors: FloatArray, make_evidence: MakeEvidence) -> None:
    assert fading(make_evidence(told(last_counts), len(vectors)), np.zeros_like(vectors)) == USUAL


def test_choices_are_the_latest_where_there_is_a_clock(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(told(last_counts), TOPICS * EACH)
    chosen, history = latest_choices(evidence, 3)
    last = evidence.events.item[[-11, -6, -1]]
    np.testing.assert_array_equal(chosen, last)
    assert history.lengths.tolist() == [4, 4, 4]
    assert history.times.max() == 1000 * (PEOPLE - 1) + 3


def test_choices_are_anybodys_where_times_only_order(make_evidence: MakeEvidence) -> None:
    rows = [(user, item, time) for user, item, time in told(last_counts)]
    rows = [(user, item, time % 1000 + user // 100) for user, item, time in rows]  # the second half is later
    evidence = replace(make_evidence(rows, TOPICS * EACH), clock="sequence")
    one, again = (latest_choices(evidence, 50)[1] for _ in range(2))
    np.testing.assert_array_equal(one.items, again.items)
    assert len(one) == 50
    assert set(one.times[one.ages == 0].tolist()) == {3, 4}, "of both halves"
