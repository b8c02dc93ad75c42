"""A shop window where the greedy policy loses: what is clicked at once drives people away."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.log import Values
from polyscene.evaluation.offpolicy.sessions import (
    LinearQ,
    Method,
    Sessions,
    fitted_q,
    session_difference,
    session_value,
)

STEPS, DISCOUNT = 6, 0.95
BAIT, FARE = 0, 1
REWARD = np.array([[0.8, 0.5], [0.2, 0.05]])
"""Of a fresh and of an annoyed visitor: bait earns more in either mood."""
ANNOYS = np.array([0.7, 0.05])
"""The chance that an action annoys who is fresh; the annoyed stay so."""


def _values(policy: Values) -> Values:
    """Return (2,) what a policy (2, 2), by mood, truly earns from either mood on, by backward induction."""
    value = np.zeros(2)
    for _ in range(STEPS):
        fresh = REWARD[0] + DISCOUNT * ((1 - ANNOYS) * value[0] + ANNOYS * value[1])
        annoyed = REWARD[1] + DISCOUNT * value[1]
        value = np.array([policy[0] @ fresh, policy[1] @ annoyed])
    return value


BAITS, FARES = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])


def _log(n: int, seed: int) -> Sessions:
    """Return sessions of a policy that tosses a fair coin; features: the mood and the steps that are left."""
    chance = np.random.default_rng(seed)
    mood = np.zeros((n, STEPS), np.int64)
    actions = (chance.random((n, STEPS)) > 0.5).astype(np.int64)
    rewards = np.zeros((n, STEPS))
    for step in range(STEPS):
        rewards[:, step] = chance.random(n) < REWARD[mood[:, step], actions[:, step]]
        if step + 1 < STEPS:
            annoyed = chance.random(n) < ANNOYS[actions[:, step]]
            mood[:, step + 1] = mood[:, step] | annoyed
    left = np.tile(np.arange(STEPS)[::-1], (n, 1))
    features = np.stack([mood, left, mood * left], axis=2).astype(np.float64)
    return Sessions(features, actions, np.full((n, STEPS), 0.5), rewards, 2)


def _by_mood(policy: Values, sessions: Sessions) -> Values:
    return np.asarray(policy[sessions.features[:, :, 0].astype(int)])


@pytest.fixture(scope="module")
def log() -> Sessions:
    return _log(4000, 3)


def test_looking_one_step_ahead_loses_and_looking_further_does_not(log: Sessions) -> None:
    fresh = np.array([0.0, STEPS - 1.0, 0.0])
    near, far = fitted_q(log, 0.0), fitted_q(log, DISCOUNT)
    assert near.greedy(fresh).argmax() == BAIT
    assert far.greedy(fresh).argmax() == FARE
    assert _values(FARES)[0] > _values(BAITS)[0] + 0.4, "or the world is not the one that is meant"
    policies = far.greedy(log.features), near.greedy(log.features)
    difference = session_difference(log, *policies, DISCOUNT)
    assert difference.verdict == "better"
    assert difference.low < _values(FARES)[0] - _values(BAITS)[0] + 0.1
    assert session_difference(log, *policies, 0.0).verdict == "worse"


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("policy", [BAITS, FARES])
def test_the_value_of_a_policy_lies_in_its_interval(log: Sessions, policy: Values, method: Method) -> None:
    interval = session_value(log, _by_mood(policy, log), DISCOUNT, method, level=0.99)
    truth = _values(policy)[0]
    assert interval.low < truth < interval.high
    assert interval.high - interval.low < 0.9
    assert interval.value == pytest.approx(truth, abs=0.2)
    assert interval.clusters == 4000


def test_a_model_makes_the_interval_narrower(log: Sessions) -> None:
    target = _by_mood(FARES, log)
    modelled, plain = (session_value(log, target, DISCOUNT, one) for one in ("doubly_robust", "per_decision"))
    assert modelled.high - modelled.low < 0.8 * (plain.high - plain.low)


def test_the_policy_of_the_log_earns_what_the_log_earned(log: Sessions) -> None:
    target = np.tile([0.5, 0.5], (*log.actions.shape, 1))
    returns = (DISCOUNT ** np.arange(STEPS) * log.rewards).sum(axis=1)
    assert session_value(log, target, DISCOUNT, "per_decision").value == pytest.approx(returns.mean())
    assert session_value(log, target, DISCOUNT, "weighted").value == pytest.approx(returns.mean())


def test_fitted_q_is_right_in_a_chain_that_can_be_summed() -> None:
    n, places = 200, np.tile(np.eye(3)[None], (200, 1, 1))
    rewards = np.tile([1.0, 2.0, 3.0], (n, 1))
    sessions = Sessions(places, np.zeros((n, 3), np.int64), np.ones((n, 3)), rewards, 1)
    for target in (None, np.ones((n, 3, 1))):
        values = fitted_q(sessions, 0.5, target).values(np.eye(3))[:, 0]
        np.testing.assert_allclose(values, [2.75, 3.5, 3.0], atol=1e-3)
    assert LinearQ(np.array([[0.0, 1.0], [1.0, 0.0]])).greedy(np.array([2.0])).tolist() == [1, 0]
    assert LinearQ(np.array([[0.0, 1.0], [1.0, 0.0]])).greedy(np.array([0.5])).tolist() == [0, 1]


def test_short_sessions_count_only_their_steps() -> None:
    actions = np.array([[0, 1], [1, -1]])
    rewards = np.array([[1.0, 1.0], [1.0, 99.0]])
    sessions = Sessions(np.zeros((2, 2, 1)), actions, np.full((2, 2), 0.5), rewards, 2)
    target = np.tile([0.5, 0.5], (2, 2, 1))
    assert session_value(sessions, target, 1.0, "per_decision").value == pytest.approx(1.5)
    with pytest.raises(ArgumentError, match="without gaps"):
        Sessions(np.zeros((1, 2, 1)), np.array([[-1, 0]]), np.ones((1, 2)), np.zeros((1, 2)), 2)
    with pytest.raises(ArgumentError, match="propensities"):
        Sessions(np.zeros((1, 1, 1)), np.array([[0]]), np.zeros((1, 1)), np.zeros((1, 1)), 2)
    with pytest.raises(ArgumentError, match="discount"):
        fitted_q(sessions, 1.5)
    with pytest.raises(ArgumentError, match="every step"):
        session_value(sessions, target[:, :1], 1.0)
