"""What every registered estimator has to keep to, those of plug-ins too."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.errors import DataError
from polyscene.evaluation.offpolicy.estimator import ESTIMATORS, Estimator
from polyscene.evaluation.offpolicy.interval import Interval
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values

ITEMS = 5
RATES = np.array([0.1, 0.2, 0.3, 0.4, 0.5])


@pytest.fixture(params=list(ESTIMATORS))
def kind(request: pytest.FixtureRequest) -> type[Estimator]:
    return ESTIMATORS[request.param]


def _log(kind: type[Estimator], seed: int, scale: float = 1.0) -> LoggedDecisions:
    """Return 3,000 decisions of uniform slates, in which a place earns by its item alone."""
    draws, places = np.random.default_rng(seed), 2 if kind.slates else 1
    actions = draws.permuted(np.tile(np.arange(ITEMS), (3000, 1)), axis=1)[:, :places]
    rewards = scale * (draws.random(actions.shape) < RATES[actions])
    chances = np.broadcast_to(1.0 / (ITEMS - np.arange(places)), actions.shape)
    marginals = np.full(actions.shape, 1.0 / ITEMS)
    return LoggedDecisions(actions, chances, rewards, ITEMS, marginals=marginals)


def _target(kind: type[Estimator], log: LoggedDecisions) -> Values:
    """Return a Plackett-Luce policy that likes what earns more, as the estimator reads it."""
    weights = np.array([1.0, 1.0, 1.0, 2.0, 3.0])
    first = weights / weights.sum()
    table = np.tile(first, (len(log), log.places, 1))
    for place in range(1, log.places):
        if kind.reads == "marginal":
            table[:, place] = (first * (np.sum(first / (1 - first)) - first / (1 - first)))[None, :]
        else:
            np.put_along_axis(table[:, place], log.actions[:, :place], 0.0, axis=1)
    return np.asarray(table / table.sum(axis=2, keepdims=True))


def _value(kind: type[Estimator], seed: int = 0, scale: float = 1.0) -> Interval:
    log = _log(kind, seed, scale)
    return kind()(log, _target(kind, log))


def test_it_comes_near_the_truth_and_says_how(kind: type[Estimator]) -> None:
    first = np.array([1.0, 1.0, 1.0, 2.0, 3.0]) / 8
    second = first * (np.sum(first / (1 - first)) - first / (1 - first))
    truth = float((first + second) @ RATES) if kind.slates else float(first @ RATES)
    interval = _value(kind)
    assert interval.value == pytest.approx(truth, rel=0.1)
    assert interval.low < interval.value < interval.high
    assert interval.estimator == kind.name
    assert (interval.n, interval.clusters) == (3000, 3000)
    assert 0 < interval.effective_sample_size <= 3000
    assert interval.method


def test_the_same_log_gives_the_same_interval(kind: type[Estimator]) -> None:
    assert _value(kind) == _value(kind)
    assert _value(kind) != _value(kind, seed=1)


def test_it_scales_with_the_rewards(kind: type[Estimator]) -> None:
    one, ten = _value(kind), _value(kind, scale=10.0)
    assert (ten.value, ten.low, ten.high) == pytest.approx((10 * one.value, 10 * one.low, 10 * one.high))


def test_a_target_that_is_no_policy_is_refused(kind: type[Estimator]) -> None:
    log = _log(kind, 0)
    with pytest.raises(DataError, match="no probabilities"):
        kind()(log, 0.5 * _target(kind, log))
