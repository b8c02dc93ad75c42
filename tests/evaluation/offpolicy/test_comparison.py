"""What two policies would have earned, where it is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from polyscene.core.errors import ArgumentError, UnknownIdError
from polyscene.evaluation.offpolicy.comparison import MAX_TABLE, compare, difference_of
from polyscene.evaluation.offpolicy.interval import Contributions
from polyscene.evaluation.offpolicy.shown import Joined, ShownSlate
from polyscene.policies.epsilon import Epsilon, EpsilonSettings
from polyscene.policies.greedy import Greedy
from polyscene.policies.plackett_luce import PlackettLuce, PlackettLuceSettings
from polyscene.policies.policy import Policy

CLICKS = np.array([0.1, 0.5, 0.2, 0.05])
"""Of four items, by their place among the candidates; their scores know little of it."""
SCORES = np.array([1.0, 0.8, 0.6, 0.2], np.float32)
EXAMINED = np.array([1.0, 0.5])


def _softmax(temperature: float) -> PlackettLuce:
    return PlackettLuce(PlackettLuceSettings(temperature=temperature))


def _log(policy: Policy, n: int, size: int, seed: int = 0) -> Joined:
    generator = np.random.default_rng(seed)
    slates, rewards = [], []
    for number in range(n):
        scores = SCORES[generator.permutation(4)] if size == 0 else SCORES
        places, propensities = policy.choose(scores, size, generator)
        slates.append(
            ShownSlate(
                f"{number}",
                number,
                f"u{number % 400}",
                "shop",
                tuple("abcd"[place] for place in places),
                places,
                propensities,
                scores,
                policy,
            )
        )
        rewards.append((generator.random(size) < CLICKS[places] * EXAMINED[:size]).astype(np.int64))
    return Joined(tuple(slates), tuple(rewards), {})


def _value(policy: Policy, size: int) -> float:
    """Return what a policy truly earns: over its first place, and the second given the first."""
    first = policy.conditional(SCORES)
    value = float(first @ CLICKS)
    for place in range(4 if size == 2 else 0):
        if first[place] > 0:
            rest = np.where(np.arange(4) == place, -np.inf, SCORES).astype(np.float32)
            value += float(first[place] * (policy.conditional(rest) @ CLICKS) * EXAMINED[1])
    return value


@pytest.fixture(scope="module")
def pairs() -> Joined:
    return _log(_softmax(0.5), 1500, 2)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("interval", ["normal", "percentile"])
def test_values_and_their_difference_lie_where_the_truth_is(
    size: int, interval: Literal["normal", "percentile"]
) -> None:
    policy, against = _softmax(0.3), Epsilon(EpsilonSettings(epsilon=0.5))
    comparison = compare(_log(_softmax(0.5), 1500, size), policy, against, interval=interval)
    truths = _value(policy, size), _value(against, size)
    assert len(comparison.estimates) == 3
    assert comparison.supported
    assert not comparison.left_out
    for one in comparison.estimates:
        assert one.policy.low < truths[0] < one.policy.high
        assert one.against.low < truths[1] < one.against.high
        assert one.difference.low < truths[0] - truths[1] < one.difference.high
        assert one.difference.value == pytest.approx(one.policy.value - one.against.value, abs=1e-12)


def test_the_difference_of_pairs_is_known_better_than_both_values(pairs: Joined) -> None:
    comparison = compare(pairs, _softmax(0.48), _softmax(0.5))
    answer = comparison.answer
    assert answer.estimator == "cascade_dr"
    apart = answer.difference.high - answer.difference.low
    assert apart < 0.3 * (answer.policy.high - answer.policy.low)


def test_a_policy_against_itself_differs_by_nothing(pairs: Joined) -> None:
    comparison = compare(pairs, _softmax(0.5), None)
    for one in comparison.estimates:
        assert one.difference.value == pytest.approx(0, abs=1e-6)
    assert comparison.answer.difference.verdict == "undecided"
    mean = np.mean([row.sum() for row in pairs.rewards])
    weighted = {one.estimator: one.against.value for one in comparison.estimates}
    assert weighted["slate_ips"] == pytest.approx(mean, abs=1e-12)
    assert comparison.earned == pytest.approx(mean)


def test_a_clear_winner_is_called_so(pairs: Joined) -> None:
    flat, sharp = _softmax(5.0), Greedy()
    comparison = compare(pairs, sharp, flat)
    truth = _value(sharp, 2) - _value(flat, 2)
    assert comparison.answer.difference.low < truth < comparison.answer.difference.high
    assert compare(pairs, flat, sharp).answer.difference.value == pytest.approx(
        -comparison.answer.difference.value
    )


def test_a_log_that_never_explored_supports_no_other_policy() -> None:
    comparison = compare(_log(Greedy(), 500, 2), _softmax(0.5), None)
    assert not comparison.supported
    support = comparison.support["policy"]
    assert support.untried > 0.5
    assert "never tried in the log" in support.warnings[0]
    assert comparison.support["against"].warnings == ()
    assert comparison.support["against"].untried == 0.0
    assert comparison.plain()["verdict"] == "unsupported"


def test_effective_sample_size_and_largest_weight_are_those_of_slates() -> None:
    joined = _log(_softmax(0.5), 300, 2)
    target = _softmax(0.1)
    weights = np.array(
        [(target.probability(one.scores, one.places) / one.propensities).prod() for one in joined.slates]
    )
    support = compare(joined, target, None).support["policy"]
    assert support.effective_sample_size == pytest.approx(
        weights.sum() ** 2 / np.square(weights).sum(), rel=1e-4
    )
    assert support.largest_weight == pytest.approx(weights.max(), rel=1e-4)


def test_propensities_that_the_logged_policy_does_not_have_are_warned_of(pairs: Joined) -> None:
    flat = np.full(2, 0.25, np.float32)
    wrong = Joined(tuple(replace(one, propensities=flat) for one in pairs.slates[:300]), pairs.rewards[:300])
    assert "not those that the logged policy has" in compare(wrong, _softmax(0.4)).warnings[0]
    assert compare(pairs, _softmax(0.4)).warnings == ()


def test_a_policy_may_choose_by_the_scores_of_another_model(pairs: Joined) -> None:
    better = np.log(CLICKS).astype(np.float32)
    policy = _softmax(1.0)
    first = CLICKS / CLICKS.sum()
    truth = float(first @ CLICKS)
    for place in range(4):
        rest = np.where(np.arange(4) == place, 0, CLICKS)
        truth += float(first[place] * (rest / rest.sum()) @ CLICKS * EXAMINED[1])
    comparison = compare(pairs, policy, None, rescored=[better] * len(pairs.slates))
    assert comparison.answer.policy.low < truth < comparison.answer.policy.high
    assert comparison.answer.against.value == pytest.approx(comparison.earned, abs=0.05)


def test_estimators_that_cannot_answer_say_why(pairs: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("cascade_dr", "independent_ips", "doubly_robust", "slate_ips")
    monkeypatch.setattr("polyscene.evaluation.offpolicy.comparison.MAX_TABLE", 100)
    comparison = compare(pairs, _softmax(0.4), estimators=names)
    assert MAX_TABLE > 100
    assert [one.estimator for one in comparison.estimates] == ["slate_ips"]
    assert "judge a shorter part" in comparison.left_out["cascade_dr"]
    assert "marginal" in comparison.left_out["independent_ips"]
    assert set(comparison.left_out) == {*names} - {"slate_ips"}
    with pytest.raises(ArgumentError, match="independent_ips: it reads marginal"):
        compare(pairs, _softmax(0.4), estimators=["independent_ips"])
    with pytest.raises(UnknownIdError):
        compare(pairs, _softmax(0.4), estimators=["oracle"])
    with pytest.raises(ArgumentError, match="found none"):
        compare(Joined((), ()), Greedy())


def test_slates_of_other_lengths_stand_beside_each_other(pairs: Joined) -> None:
    short = _log(_softmax(0.5), 200, 1, seed=3)
    both = Joined((*pairs.slates[:600], *short.slates), (*pairs.rewards[:600], *short.rewards))
    comparison = compare(both, _softmax(0.5), None)
    assert comparison.places == 2
    mean = np.mean([row.sum() for row in both.rewards])
    assert comparison.earned == pytest.approx(mean)
    assert all(one.difference.value == pytest.approx(0, abs=1e-6) for one in comparison.estimates)


def test_the_difference_is_that_of_the_influences() -> None:
    generator = np.random.default_rng(1)
    n = 2000
    rewards, weights = generator.random(n), generator.random(n) + 0.5
    first = Contributions(rewards * weights, weights[:, None], weights)
    second = Contributions(rewards, weights[:, None])
    owners = np.arange(n)
    exact = difference_of(first, second, owners)
    drawn = difference_of(first, second, owners, interval="percentile")
    assert exact.value == pytest.approx((rewards * weights).sum() / weights.sum() - rewards.mean())
    assert drawn.low == pytest.approx(exact.low, abs=2e-3)
    assert drawn.high == pytest.approx(exact.high, abs=2e-3)
    alone = difference_of(first, second, np.zeros(n, np.int64))
    assert np.isnan(alone.low)
    assert alone.verdict == "undecided"
    assert exact.low < exact.value < exact.high
