"""Chances of the largest of normals: against closed forms, simulation, and what is drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, norm

from polyscene.core.errors import DataError
from polyscene.core.types import FloatArray
from polyscene.policies.limits import Cap, Limits
from polyscene.policies.thompson import Thompson, ThompsonSettings, chances_of_being_largest

SCORES = np.array([0.3, 2.0, -np.inf, 1.1, 0.9], np.float32)
DEVIATIONS = np.array([1.5, 0.2, 9.0, 0.7, 0.01], np.float32)


@pytest.mark.parametrize("gap", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("other", [1.0, 0.1, 0.02, 0.0])
def test_of_two_the_closed_form(gap: float, other: float) -> None:
    row = chances_of_being_largest(np.array([0.0, gap]), np.array([1.0, other]))
    assert row[1] == pytest.approx(norm.cdf(gap / np.hypot(1.0, other)), abs=1e-5)
    assert row.sum() == pytest.approx(1.0, abs=1e-12)


def test_of_many_what_simulation_counts() -> None:
    chance = np.random.default_rng(3)
    means, deviations = chance.normal(size=30), np.exp(chance.normal(size=30))
    draws = means + deviations * chance.standard_normal((200_000, 30))
    counted = np.bincount(draws.argmax(axis=1), minlength=30) / len(draws)
    np.testing.assert_allclose(chances_of_being_largest(means, deviations), counted, atol=0.005)


def test_equals_share_alike_and_a_hundred_times_the_units_change_nothing() -> None:
    means, deviations = np.array([1.0, 1.0, 1.0, -3.0]), np.array([0.5, 0.5, 0.5, 1.0])
    row = chances_of_being_largest(means, deviations)
    np.testing.assert_allclose(row[:3], row[0])
    assert 0 < row[3] < 0.01
    np.testing.assert_allclose(chances_of_being_largest(100 * means + 7, 100 * deviations), row, atol=1e-9)


def test_where_nothing_is_uncertain_the_first_of_the_best_is_certain() -> None:
    row = chances_of_being_largest(np.array([0.0, 2.0, 2.0]), np.zeros(3))
    assert row.tolist() == [0.0, 1.0, 0.0]
    assert chances_of_being_largest(np.array([4.0]), np.array([1.0])).tolist() == [1.0]
    assert chances_of_being_largest(np.array([0.0, 90.0]), np.ones(2)).tolist() == [0.0, 1.0]


@given(
    means=st.lists(st.floats(-50, 50), min_size=2, max_size=8),
    spread=st.floats(0, 30),
    seed=st.integers(0, 50),
)
def test_chances_are_a_distribution_whatever_comes(means: list[float], spread: float, seed: int) -> None:
    deviations = spread * np.random.default_rng(seed).random(len(means)) ** 3
    row = chances_of_being_largest(np.array(means), deviations)
    assert (row >= 0).all()
    assert row.sum() == pytest.approx(1.0)


def _policy(**settings: float) -> Thompson:
    return Thompson(ThompsonSettings(**settings)).knowing(DEVIATIONS)


@pytest.mark.parametrize("limits", [Limits(), Limits({1: 0}, [Cap(np.array([-1, 0, -1, 0, -1]), 1)])])
def test_slates_come_as_often_as_their_propensities_say(limits: Limits) -> None:
    policy, chance = _policy(), np.random.default_rng(1)
    counts: Counter[tuple[int, ...]] = Counter()
    chances: dict[tuple[int, ...], float] = {}
    for _ in range(500):
        slate, propensities = policy.choose(SCORES, 2, chance, limits)
        counts[tuple(slate.tolist())] += 1
        chances[tuple(slate.tolist())] = float(propensities[0]) * float(propensities[1])
    slate = np.array(next(iter(chances)))
    assert np.prod(policy.probability(SCORES, slate, limits)) == pytest.approx(
        chances[tuple(slate)], rel=1e-6
    )
    expected = np.array([chances[slate] for slate in counts])
    assert 0.95 < expected.sum() <= 1 + 1e-6
    observed = np.array(list(counts.values()))
    assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 0.001


def test_width_multiplies_deviations() -> None:
    doubled = Thompson(ThompsonSettings(width=2.0)).knowing(DEVIATIONS).conditional(SCORES)
    np.testing.assert_allclose(doubled, Thompson().knowing(2 * DEVIATIONS).conditional(SCORES), atol=1e-7)
    assert abs(doubled - _policy().conditional(SCORES)).max() > 0.02
    assert doubled[2] == 0.0, "closed"


def test_a_setting_stands_in_for_what_nobody_knows_and_without_it_nothing_is_chosen() -> None:
    policy, chance = Thompson(ThompsonSettings(deviation=0.5)), np.random.default_rng(0)
    same = Thompson().knowing(np.full(5, 0.5, np.float32))
    np.testing.assert_allclose(policy.conditional(SCORES), same.conditional(SCORES))
    with pytest.raises(DataError, match=r"(?s)expected: the standard deviation.*remedy:.*deviation = 0\.1"):
        Thompson().choose(SCORES, 2, chance)
    known: FloatArray = np.zeros(5, np.float32)
    assert policy.knowing(known).conditional(SCORES).tolist() == [0, 1, 0, 0, 0], "what is known comes first"


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
def test_deviations_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="expected finite standard deviations of at least 0"):
        Thompson().knowing(np.array([0.1, bad], np.float32))
    with pytest.raises(ValueError, match="expected 5 standard deviations, one for each score, found 2"):
        Thompson().knowing(np.ones(2, np.float32)).conditional(SCORES)
