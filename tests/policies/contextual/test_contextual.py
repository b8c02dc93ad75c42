"""Policies that learn: chances, learning, states, and what a slate tells them."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.policies.contextual.contextual import CONTEXTUAL_POLICIES, ContextualPolicy
from polyscene.policies.contextual.feedback import cascade, positions
from polyscene.policies.contextual.lin_thompson import LinThompson, LinThompsonSettings
from polyscene.policies.contextual.lin_ucb import LinUcb, LinUcbSettings
from polyscene.policies.contextual.members import Members
from polyscene.policies.limits import Limits
from polyscene.policies.thompson import chances_of_being_largest

FEATURES = np.random.default_rng(8).normal(size=(6, 3))
THETA = np.array([0.4, -0.3, 0.2])


@pytest.fixture(params=list(CONTEXTUAL_POLICIES))
def policy(request: pytest.FixtureRequest) -> ContextualPolicy:
    return CONTEXTUAL_POLICIES[request.param](3)


def _taught(policy: ContextualPolicy, blocks: int = 30) -> ContextualPolicy:
    chance = np.random.default_rng(5)
    for _ in range(blocks):
        features = chance.normal(size=(20, 3))
        policy.update(features, features @ THETA + 0.1 * chance.normal(size=20))
    return policy


def test_there_are_three() -> None:
    assert list(CONTEXTUAL_POLICIES) == ["lin_ucb", "lin_thompson", "ensemble"]


def test_it_learns_what_is_best_and_its_propensities_are_its_own(policy: ContextualPolicy) -> None:
    _taught(policy)
    slate, propensities = policy.choose(FEATURES, 3, np.random.default_rng(0))
    order = np.argsort(-(FEATURES @ THETA))
    assert slate[0] == order[0]
    np.testing.assert_allclose(policy.probability(FEATURES, slate), propensities)
    pinned, certain = policy.choose(FEATURES, 2, np.random.default_rng(0), Limits({0: int(order[-1])}))
    assert pinned.tolist() == [order[-1], order[0]]
    assert certain[0] == 1.0


def test_what_nobody_knows_is_tried(policy: ContextualPolicy) -> None:
    policy.update(np.tile([1.0, 0.0, 0.0], (200, 1)), np.full(200, 0.1))
    both = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    chance = np.random.default_rng(2)
    tried = [policy.choose(both, 1, chance)[0][0] for _ in range(50)]
    assert sum(tried) > 10


def test_a_state_goes_on_as_if_nothing_had_been(policy: ContextualPolicy) -> None:
    _taught(policy, 3)
    again = type(policy)(3).restore(policy.state())
    for one in (policy, again):
        one.update(FEATURES, FEATURES @ THETA)
    scores, others = (one.policy_for(FEATURES)[1] for one in (policy, again))
    np.testing.assert_array_equal(scores, others)


def test_shapes_that_do_not_fit_are_refused(policy: ContextualPolicy) -> None:
    with pytest.raises(ValueError, match=r"expected features of shape \(n, 3\), found \(6, 2\)"):
        policy.choose(FEATURES[:, :2], 1)
    with pytest.raises(ValueError, match="found 6, 5 and 5"):
        policy.update(FEATURES, np.zeros(5))


def test_thompson_estimates_its_chances_within_the_error_that_it_states() -> None:
    policy = LinThompson(3, LinThompsonSettings(draws=4096))
    features = np.eye(3)  # uncorrelated: the chances have a closed form
    policy.update(np.eye(3)[[0, 0, 0, 1]], np.array([0.3, 0.1, 0.4, 0.2]))
    members, scores = policy.policy_for(features)
    row = members.conditional(scores)
    exact = chances_of_being_largest(policy.model.mean(features), policy.model.deviation(features))
    assert isinstance(members, Members)
    errors = members.error(row.astype(np.float32))
    assert (abs(row - exact) < 3.5 * errors).all()
    assert errors.max() < 0.5 / np.sqrt(4096) + 1e-9
    assert LinThompson(3).policy_for(features)[0].conditional(scores).tolist() != row.tolist()


def test_ucb_adds_its_width() -> None:
    policy = LinUcb(3, LinUcbSettings(width=60.0, noise=0.1))
    policy.update(np.tile([1.0, 0.0, 0.0], (9, 1)), np.full(9, 1.0))
    both = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    # 0.9 + w · 0.1 / √10 against 0 + w · 0.1 · 0.5: as large where w is 48.97
    assert policy.choose(both, 2)[0].tolist() == [1, 0]
    narrow = LinUcb(3, LinUcbSettings(width=40.0, noise=0.1)).restore(policy.state())
    assert narrow.choose(both, 2)[0].tolist() == [0, 1]


def test_a_cascade_is_read_down_to_the_first_click() -> None:
    slate, clicked = np.array([4, 0, 2]), np.array([0, 1, 1], np.float32)
    features, rewards, weights = cascade(FEATURES, slate, clicked)
    np.testing.assert_array_equal(features, FEATURES[[4, 0]])
    assert (rewards.tolist(), weights.tolist()) == ([0, 1], [1, 1])
    assert len(cascade(FEATURES, slate, np.zeros(3, np.float32))[1]) == 3


def test_a_place_that_few_look_at_tells_little() -> None:
    slate, clicked = np.array([4, 0]), np.array([0, 1], np.float32)
    features, rewards, _ = positions(FEATURES, slate, clicked, np.array([1.0, 0.25, 0.1]))
    np.testing.assert_allclose(features, [FEATURES[4], 0.25 * FEATURES[0]])
    assert rewards.tolist() == [0, 1]
    chance, policy, theta = np.random.default_rng(1), LinUcb(3), np.array([0.1, 0.6, 0.3])
    kinds, seen = np.eye(3), np.array([1.0, 0.25])
    for _ in range(1000):
        slate = chance.permutation(3)[:2]
        clicks = (chance.random(2) < seen * theta[slate]).astype(np.float32)
        policy.update(*positions(kinds, slate, clicks, seen))
    np.testing.assert_allclose(policy.model.weights, theta, atol=0.05)
