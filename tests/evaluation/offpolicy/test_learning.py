"""A policy is learned where the best one is known, and is used only where others than its teachers say so."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.learning import LearningSettings, _Decisions, _Objective, learn_policy
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values

TRUTH = np.array([2.0, -1.0])
"""Logits of a click: of an action's two features."""


def _world(
    n: int, seed: int = 0, actions: int = 4, worth: float = 1.0
) -> tuple[LoggedDecisions, Values, Values]:
    """Return a log of a policy that likes the first actions, features, and the true chances of clicks."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(n, actions, 2))
    clicks = 1 / (1 + np.exp(1.5 - worth * features @ TRUTH))
    logging = np.linspace(2, 1, actions) / np.linspace(2, 1, actions).sum()
    shown = chance.choice(actions, n, p=logging)
    rewards = chance.random(n) < clicks[np.arange(n), shown]
    users = chance.integers(0, n // 5, n)
    log = LoggedDecisions.single(shown, logging[shown], rewards, actions, clusters=users)
    return log, features, clicks


@pytest.mark.parametrize("reward", ["doubly_robust", "ips", "snips"])
def test_the_best_direction_is_found_and_its_worth_foretold(reward: str) -> None:
    log, features, clicks = _world(6000)
    policy = learn_policy(log, features, LearningSettings(reward=reward, clip=50.0))
    cosine = policy.weights @ TRUTH / np.linalg.norm(policy.weights) / np.linalg.norm(TRUTH)
    assert cosine > 0.98
    truth = float((policy.probabilities(features) * clicks).sum(axis=1).mean())
    assert policy.may_be_used
    assert policy.value.low < truth < policy.value.high
    assert truth > 0.9 * clicks.max(axis=1).mean()
    assert policy.difference.low > 0.1
    assert policy.value.value - policy.against == pytest.approx(policy.difference.value)


def test_what_earns_nothing_more_is_not_used() -> None:
    log, features, _ = _world(1500, worth=0.0)
    policy = learn_policy(log, features)
    assert not policy.may_be_used
    assert policy.difference.low < 0


def test_trust_keeps_it_near_the_log_and_entropy_near_chance() -> None:
    log, features, _ = _world(1500)
    free = learn_policy(log, features, LearningSettings(trust=1e-4)).weights
    near = learn_policy(log, features, LearningSettings(trust=50.0)).weights
    drawn = learn_policy(log, features, LearningSettings(trust=1e-4, entropy=50.0)).weights
    assert np.linalg.norm(free) > 2
    assert np.linalg.norm(near) < 0.1, "the log knows nothing of the features"
    assert np.linalg.norm(drawn) < 0.1


@pytest.mark.parametrize("reward", ["doubly_robust", "ips", "snips"])
def test_the_gradient_is_that_of_the_loss(reward: str) -> None:
    log, features, _ = _world(60)
    open_ = np.ones((60, 4), np.bool_)
    open_[log.actions[:, 0] != 2, 2] = False
    settings = LearningSettings(reward=reward, clip=1.7, entropy=0.3)
    objective = _Objective(_Decisions.of(log, features, open_, np.arange(60)), 0.2, settings)
    at, step = np.array([0.4, -0.3]), 1e-6
    for number in range(2):
        ahead, behind = at.copy(), at.copy()
        ahead[number] += step
        behind[number] -= step
        slope = (objective.loss(ahead)[0] - objective.loss(behind)[0]) / (2 * step)
        assert objective.loss(at)[1][number] == pytest.approx(slope, abs=1e-6)


def test_what_was_closed_is_never_chosen() -> None:
    log, features, _ = _world(600)
    open_ = np.ones((600, 4), np.bool_)
    open_[log.actions[:, 0] != 2, 2] = False
    policy = learn_policy(log, features, LearningSettings(trust=0.01), open_)
    chances = policy.probabilities(features, open_)
    assert (chances[~open_] == 0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1)


def test_what_does_not_fit_is_refused() -> None:
    log, features, _ = _world(60)
    with pytest.raises(ArgumentError, match="features"):
        learn_policy(log, features[:, :3])
    with pytest.raises(ArgumentError, match="open"):
        learn_policy(log, features, open_=np.zeros((60, 4), np.bool_))
    few = LoggedDecisions.single([0, 1] * 9, [0.5] * 18, [0] * 18, 2, clusters=[0, 1] * 9)
    with pytest.raises(ArgumentError, match="at least 10 clusters"):
        learn_policy(few, np.zeros((18, 2, 1)))
