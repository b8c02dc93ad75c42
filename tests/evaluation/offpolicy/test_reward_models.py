"""Reward models learn what can be learned, and never from what they predict."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values
from polyscene.evaluation.offpolicy.modelled import Direct, DoublyRobust, ModelledSettings
from polyscene.evaluation.offpolicy.reward_models import (
    REWARD_MODELS,
    Logistic,
    Ridge,
    Tabular,
    cross_fitted,
    fold_rows,
)


def _rates(contexts: Values) -> Values:
    """Return (n, 3): a common slope and one of the third action's own."""
    logits = contexts @ np.array([[0.0, 0.0, 1.5], [1.0, 1.0, 1.0]]) + np.array([-1.0, 0.0, 1.0])
    return np.asarray(1 / (1 + np.exp(-logits)))


@pytest.fixture(scope="module")
def clicks() -> LoggedDecisions:
    draws = np.random.default_rng(2)
    contexts = draws.normal(size=(6000, 2))
    actions = draws.integers(0, 3, 6000)
    rewards = draws.random(6000) < _rates(contexts)[np.arange(6000), actions]
    return LoggedDecisions.single(actions, np.full(6000, 1 / 3), rewards, 3, contexts=contexts)


def test_a_table_is_the_mean_drawn_to_that_of_the_position() -> None:
    positions = [0, 0, 0, 1, 1]
    log = LoggedDecisions.single(
        [0, 0, 1, 0, 1], [0.5] * 5, [1.0, 0.0, 1.0, 1.0, 1.0], 3, positions=positions
    )
    rows = np.arange(5)
    table = Tabular().fit(log, rows).predict(log, rows)
    prior = 2 / 3
    first = [(1 + 20 * prior) / 22, (1 + 20 * prior) / 21, prior]
    np.testing.assert_allclose(table[0, 0], first)
    np.testing.assert_allclose(table[4, 0], [1.0, 1.0, 1.0])


def test_ridge_learns_a_slope_of_each_action() -> None:
    draws = np.random.default_rng(0)
    contexts = draws.normal(size=(4000, 1))
    actions = draws.integers(0, 2, 4000)
    slopes = np.array([2.0, -1.0])
    rewards = 3 + slopes[actions] * contexts[:, 0]
    log = LoggedDecisions.single(actions, np.full(4000, 0.5), rewards, 2, contexts=contexts)
    rows = np.arange(4000)
    predictions = Ridge().fit(log, rows).predict(log, rows)[:, 0]
    np.testing.assert_allclose(predictions, 3 + contexts * slopes, atol=0.1)


@pytest.mark.parametrize(("name", "error"), [("tabular", 0.25), ("ridge", 0.08), ("logistic", 0.12)])
def test_models_come_near_the_rates(clicks: LoggedDecisions, name: str, error: float) -> None:
    assert clicks.contexts is not None
    predictions = cross_fitted(REWARD_MODELS[name](), clicks)[:, 0]
    assert np.abs(predictions - _rates(clicks.contexts)).mean() < error


def test_logistic_is_sklearns(clicks: LoggedDecisions) -> None:
    from sklearn.linear_model import LogisticRegression

    assert clicks.contexts is not None
    rows = np.arange(len(clicks))
    scaled = (clicks.contexts - clicks.contexts.mean(axis=0)) / clicks.contexts.std(axis=0)
    features = np.column_stack([scaled, np.eye(3)[clicks.actions[:, 0]]])
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(features, clicks.rewards[:, 0])
    ours = clicks.at_logged(Logistic().fit(clicks, rows).predict(clicks, rows))[:, 0]
    np.testing.assert_allclose(ours, peer.predict_proba(features)[:, 1], atol=1e-3)


def test_logistic_refuses_what_is_no_share() -> None:
    log = LoggedDecisions.single([0, 1], [0.5, 0.5], [0.0, 5.0], 2)
    with pytest.raises(ArgumentError, match="take 'ridge'"):
        DoublyRobust(ModelledSettings(reward_model="logistic"))(log, np.full((2, 2), 0.5))


def test_nobody_is_predicted_by_what_learned_from_them() -> None:
    """Each user's rewards are a number of their own; no prediction moves when a user's own rewards do."""
    users = np.repeat(np.arange(10), 4)
    rewards = np.random.default_rng(1).random(40)
    chances = np.full(40, 0.5)
    log = LoggedDecisions.single(users % 2, chances, rewards, 2, clusters=users)
    changed = np.where(users == 3, 100.0, rewards)
    other = LoggedDecisions.single(users % 2, chances, changed, 2, clusters=users)
    before, after = cross_fitted(Tabular(), log), cross_fitted(Tabular(), other)
    np.testing.assert_array_equal(before[users == 3], after[users == 3])
    assert (before != after).any()


def test_folds_part_all_rows_and_no_cluster() -> None:
    users = np.repeat(np.arange(7), 3)
    parts = fold_rows(users, seed=1)
    assert sorted(np.concatenate([inside for _, inside in parts]).tolist()) == list(range(21))
    assert len(parts) == 5
    for outside, inside in parts:
        assert not set(users[outside]) & set(users[inside])
        assert len(outside) + len(inside) == 21


def test_one_cluster_cannot_be_parted() -> None:
    log = LoggedDecisions.single([0, 1], [0.5, 0.5], [0.0, 1.0], 2, clusters=["u", "u"])
    with pytest.raises(ArgumentError, match="at least 2 clusters"):
        Direct()(log, np.full((2, 2), 0.5))


def test_a_better_model_makes_the_interval_narrower(clicks: LoggedDecisions) -> None:
    target = np.tile([0.1, 0.1, 0.8], (len(clicks), 1))
    plain, better = (
        DoublyRobust(ModelledSettings(reward_model=name))(clicks, target) for name in ("tabular", "ridge")
    )
    assert better.high - better.low < 0.95 * (plain.high - plain.low)
    assert "ridge reward model, cross-fitted" in better.method
