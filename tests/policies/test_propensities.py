"""What a policy says of its chances is what it does: counted, summed, and in its limits."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.types import FloatArray
from polyscene.policies.greedy import Greedy
from polyscene.policies.limits import NO_LIMITS, Cap, Limits, Quota
from polyscene.policies.policy import Policy
from polyscene.policies.registry import choice_of, policy_of

SCORES = np.array([0.3, 2.0, -np.inf, 1.1, 0.9], np.float32)
ODD = np.array([0, 1, -1, 1, 0], np.int64)
CHOICES: dict[str, dict[str, Any]] = {
    "greedy": {"name": "greedy"},
    "epsilon": {"name": "epsilon", "epsilon": 0.4},
    "always drawn": {"name": "epsilon", "epsilon": 1.0},
    "plackett_luce": {"name": "plackett_luce", "temperature": 0.7},
    "ucb": {"name": "ucb", "deviation": 0.2, "width": 2.0},
    "learned": {"name": "learned", "score": 1.5, "rank": 0.4, "first": 0.3},
    "guarded": {
        "name": "guarded",
        "share": 0.6,
        "explorer": {"name": "plackett_luce", "temperature": 0.7},
    },
}
LIMITS: dict[str, Limits] = {
    "none": NO_LIMITS,
    "pin": Limits({1: 0}),
    "cap": Limits(caps=[Cap(ODD, 1)]),
    "quota": Limits(quotas=[Quota(np.array([True, False, True, False, True]), 2)]),
    "all": Limits({0: 4}, [Cap(ODD, 2)], [Quota(np.array([True, False, False, True, False]), 1)]),
}
DRAWS = 1200


@pytest.fixture(params=list(CHOICES))
def policy(request: pytest.FixtureRequest) -> Policy:
    return policy_of(PolicyChoice(**CHOICES[request.param]))


@pytest.mark.parametrize("limits", LIMITS.values(), ids=list(LIMITS))
@pytest.mark.parametrize("size", [1, 2, 3])
def test_slates_come_as_often_as_the_product_of_their_propensities_says(
    policy: Policy, limits: Limits, size: int
) -> None:
    draws, count = np.random.default_rng(5), DRAWS if policy.explores else 10
    counts: Counter[tuple[int, ...]] = Counter()
    records: dict[tuple[int, ...], FloatArray] = {}
    for _ in range(count):
        slate, propensities = policy.choose(SCORES, size, draws, limits)
        key = tuple(slate.tolist())
        counts[key] += 1
        assert records.setdefault(key, propensities).tolist() == propensities.tolist()
    for key, propensities in records.items():
        np.testing.assert_allclose(policy.probability(SCORES, np.array(key), limits), propensities, rtol=1e-6)
    chances = {
        slate: float(np.prod(policy.probability(SCORES, np.array(slate), limits), dtype=np.float64))
        for slate in itertools.permutations(range(len(SCORES)), len(next(iter(counts))))
    }
    if policy.explores:  # greedy tells of every place by itself
        assert sum(chances.values()) == pytest.approx(1.0, abs=1e-6)
    possible = [slate for slate, chance in chances.items() if chance > 0]
    assert set(counts) <= set(possible)
    expected = np.array([chances[slate] * count for slate in counts])
    if len(counts) > 1:
        observed = np.array(list(counts.values()))
        assert expected.sum() > 0.98 * count, "slates that should come do not"
        assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 0.001
    else:
        assert expected[0] == pytest.approx(count)


@pytest.mark.parametrize("limits", LIMITS.values(), ids=list(LIMITS))
def test_the_marginal_is_the_sum_over_all_slates(policy: Policy, limits: Limits) -> None:
    size = 2
    expected = np.zeros((size, len(SCORES)))
    for slate in itertools.permutations(range(len(SCORES)), size):
        chance = float(np.prod(policy.probability(SCORES, np.array(slate), limits), dtype=np.float64))
        expected[np.arange(size), slate] += chance
    marginal = policy.marginal(SCORES, size, limits, draws=800)
    np.testing.assert_allclose(marginal[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(marginal, expected, atol=0.05)
    np.testing.assert_allclose(marginal.sum(axis=1), 1.0)


def test_the_marginal_ends_where_nothing_is_left() -> None:
    assert Greedy().marginal(SCORES, 9).argmax(axis=1).tolist() == [1, 3, 4, 0]


@given(
    scores=st.lists(st.sampled_from([-np.inf, -3.0, 0.0, 0.5, 8.0]), max_size=12),
    size=st.integers(1, 6),
    name=st.sampled_from(list(CHOICES)),
    seed=st.integers(0, 99),
)
def test_closed_items_never_and_no_item_twice(scores: list[float], size: int, name: str, seed: int) -> None:
    array, policy = np.array(scores, np.float32), policy_of(PolicyChoice(**CHOICES[name]))
    slate, propensities = policy.choose(array, size, np.random.default_rng(seed))
    open_ = np.flatnonzero(array > -np.inf)
    assert len(slate) == len(propensities) == min(size, len(open_))
    assert set(slate.tolist()) <= set(open_.tolist())
    assert len(set(slate.tolist())) == len(slate)
    assert np.all((propensities > 0) & (propensities <= 1))
    if len(slate):
        row = policy.conditional(array)
        assert row.sum() == pytest.approx(1.0)
        assert not row[array == -np.inf].any()
        assert row[slate[0]] == pytest.approx(propensities[0], rel=1e-6)
    again, _ = policy.choose(array, size, np.random.default_rng(seed))
    assert again.tolist() == slate.tolist()


@given(scores=st.lists(st.floats(-5, 5), min_size=1, max_size=30), seed=st.integers(0, 9))
def test_without_chance_they_are_greedy(scores: list[float], seed: int) -> None:
    array: FloatArray = np.round(np.array(scores), 2).astype(np.float32)
    array += np.arange(len(array), dtype=np.float32) * np.float32(1e-4)  # no equals
    for choice in ({"name": "epsilon", "epsilon": 0.0}, {"name": "plackett_luce", "temperature": 1e-6}):
        slate, propensities = policy_of(PolicyChoice(**choice)).choose(array, 4, np.random.default_rng(seed))
        assert slate.tolist() == Greedy().choose(array, 4)[0].tolist()
        assert propensities.tolist() == [1.0] * len(slate)


def test_a_place_behind_an_impossible_one_has_no_chance() -> None:
    policy = policy_of(PolicyChoice(**CHOICES["plackett_luce"]))
    assert policy.probability(SCORES, np.array([1, 2, 0])).tolist()[1:] == [0.0, 0.0]
    assert policy.probability(SCORES, np.array([1, 1])).tolist()[1] == 0.0


def test_propensities_keep_their_digits_where_one_item_outweighs_all() -> None:
    scores = np.array([900.0, 1.0, 0.0], np.float32)
    policy = policy_of(PolicyChoice(name="plackett_luce", temperature=1.0))
    slate, propensities = policy.choose(scores, 3, np.random.default_rng(0))
    assert propensities[0] == 1.0
    assert propensities[1] == pytest.approx(1 / (1 + np.exp(scores[slate[2]] - scores[slate[1]])), rel=1e-6)
    assert propensities[2] == 1.0


def test_who_explores_needs_chance() -> None:
    for name in ("epsilon", "plackett_luce"):
        with pytest.raises(ValueError, match=f"policy '{name}' explores"):
            policy_of(PolicyChoice(**CHOICES[name])).choose(SCORES, 2)
    assert not policy_of(PolicyChoice(name="epsilon", epsilon=0)).explores


def test_a_choice_can_be_written_down_and_read_again() -> None:
    for values in CHOICES.values():
        assert choice_of(policy_of(PolicyChoice(**values))) == values
    usual = policy_of(PolicyChoice.model_validate("epsilon"))
    assert choice_of(usual) == {"name": "epsilon", "epsilon": 0.05}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "luck"}, "one of greedy, epsilon, plackett_luce, ucb, thompson, guarded"),
        ({"name": "epsilon", "epsilon": 2}, "'epsilon': expected a number less than or equal to 1, found 2"),
        (
            {"name": "epsilon", "temperature": 1},
            r"'temperature': there is no .*'epsilon' takes epsilon",
        ),
        ({"name": "greedy", "x": 1}, "'greedy' takes nothing more"),
        ({"name": "plackett_luce", "temperature": 0}, "greater than 0"),
    ],
)
def test_a_choice_that_cannot_be_used_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PolicyChoice(**values)


def test_pins_stand_in_their_places_and_count_in_caps() -> None:
    limits = Limits({2: 4, 0: 0, 9: 3, 1: 2}, [Cap(np.array([0, 0, 0, 1, 0]), 3)])
    slate, propensities = Greedy().choose(SCORES, 4, None, limits)
    assert slate.tolist() == [0, 1, 4, 3], "2 is closed, 9 has no room; of group 0 three"
    assert propensities.tolist() == [1.0] * 4


def test_pins_move_up_where_nothing_else_is_left() -> None:
    scores = np.array([1.0, 2.0, 3.0], np.float32)
    slate, _ = Greedy().choose(scores, 3, None, Limits({1: 0, 2: 1}, [Cap(np.array([1, 1, 0]), 0)]))
    assert slate.tolist() == [0, 1]


def test_quotas_take_the_last_places_and_no_more_than_there_is() -> None:
    scores: FloatArray = np.arange(6, dtype=np.float32)
    low, lowest = np.arange(6) < 2, np.arange(6) == 0
    assert Greedy().choose(scores, 3, None, Limits(quotas=[Quota(low, 2)]))[0].tolist() == [5, 1, 0]
    assert Greedy().choose(scores, 3, None, Limits(quotas=[Quota(low, 9)]))[0].tolist() == [5, 1, 0]
    both = Limits(quotas=[Quota(low, 1), Quota(lowest, 1)])
    assert Greedy().choose(scores, 3, None, both)[0].tolist() == [5, 1, 0]
    capped = Limits(caps=[Cap(np.where(low, 0, -1), 1)], quotas=[Quota(low, 2)])
    assert Greedy().choose(scores, 3, None, capped)[0].tolist() == [5, 1, 4]
