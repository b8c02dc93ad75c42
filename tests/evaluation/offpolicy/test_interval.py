"""Bounds against formulas worked out apart, and against scipy."""

from __future__ import annotations

from math import log as ln
from math import sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.estimator import EstimatorSettings
from polyscene.evaluation.offpolicy.interval import (
    Contributions,
    IntervalKind,
    bounds_of,
    effective_sample_size,
)
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values
from polyscene.evaluation.offpolicy.weighting import ClippedIps, ClippedSettings, Ips, Snips


def _bounds(
    values: Values, kind: IntervalKind, owners: NDArray[Any] | None = None, **more: Any
) -> tuple[float, float, float]:
    contributions = Contributions(values, np.zeros((len(values), 0)), **more)
    numbers = np.arange(len(values)) if owners is None else owners.astype(np.int64)
    return bounds_of(contributions, numbers, kind, 0.95, 4000, 3)


@pytest.fixture
def values() -> Values:
    return np.random.default_rng(4).exponential(size=60)


def test_normal_bounds_of_a_mean_are_students(values: Values) -> None:
    value, low, high = _bounds(values, "normal")
    expected = stats.t.interval(0.95, 59, values.mean(), stats.sem(values))
    assert (value, low, high) == pytest.approx((values.mean(), *expected), rel=1e-12)


def test_normal_bounds_of_a_ratio_are_the_delta_methods(values: Values) -> None:
    below = np.random.default_rng(5).uniform(1, 3, 60)
    value, low, high = _bounds(values, "normal", denominator=below)
    covariance = np.cov(values, below)
    ratio, mean = values.mean() / below.mean(), below.mean()
    slope = np.array([1 / mean, -ratio / mean])
    reach = stats.t.ppf(0.975, 59) * sqrt(slope @ covariance @ slope / 60)
    assert (value, low, high) == pytest.approx((ratio, ratio - reach, ratio + reach), rel=1e-12)


def test_copies_in_a_cluster_tell_nothing_more(values: Values) -> None:
    copies, owners = np.repeat(values, 5), np.repeat(np.arange(60), 5)
    assert _bounds(copies, "normal", owners) == pytest.approx(_bounds(values, "normal"), rel=1e-12)
    assert _bounds(copies, "percentile", owners) == pytest.approx(_bounds(values, "percentile"), rel=1e-12)
    alone = _bounds(copies, "normal")
    assert alone[2] - alone[1] < 0.5 * (_bounds(values, "normal")[2] - _bounds(values, "normal")[1])


@pytest.mark.parametrize(("kind", "method"), [("percentile", "percentile"), ("bca", "BCa")])
def test_bootstrap_bounds_are_scipys(values: Values, kind: IntervalKind, method: str) -> None:
    _, low, high = _bounds(values, kind)
    peer = stats.bootstrap((values,), np.mean, n_resamples=20_000, method=method, rng=1).confidence_interval
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.02)


def test_bca_leans_to_the_long_tail(values: Values) -> None:
    plain, corrected = _bounds(values, "percentile"), _bounds(values, "bca")
    assert corrected[1] > plain[1]
    assert corrected[2] > plain[2] + 0.02


def test_the_bootstrap_of_a_constant_is_the_constant() -> None:
    assert _bounds(np.full(9, 2.0), "bca") == (2.0, 2.0, 2.0)


def test_bernstein_bounds_are_those_of_the_theorem() -> None:
    values = np.array([0.0, 2.0, 2.0, 4.0])
    value, low, high = _bounds(values, "bernstein", bounds=(0.0, 5.0))
    risk = ln(4 / 0.05)
    reach = sqrt(2 * (8 / 3) * risk / 4) + 7 * 5 * risk / (3 * 3)
    assert (value, low, high) == pytest.approx((2.0, 2 - reach, 2 + reach), rel=1e-12)


def test_bernstein_bounds_widen_with_the_largest_cluster() -> None:
    values, owners = np.array([0.0, 2.0, 2.0, 4.0]), np.array([0, 0, 0, 1])
    _, low, high = _bounds(values, "bernstein", owners, bounds=(0.0, 5.0))
    risk = ln(4 / 0.05)
    reach = sqrt(2 * 0.0 * risk / 2) + 7 * (15 * 2 / 4) * risk / 3  # both clusters sum to 4
    assert (high - low) / 2 == pytest.approx(reach, rel=1e-12)


def test_bernstein_needs_a_range(log: LoggedDecisions, target: Values) -> None:
    for estimator in (Ips, Snips):
        with pytest.raises(ArgumentError, match="known range"):
            estimator(EstimatorSettings(interval="bernstein"))(log, target)
    bounded = EstimatorSettings(interval="bernstein", reward_range=(0, 1), max_weight=8)
    wide = Ips(bounded)(log, target)
    clipped = ClippedIps(ClippedSettings(interval="bernstein", reward_range=(0, 1), clip=4))(log, target)
    assert wide.high - wide.low > clipped.high - clipped.low > 0
    assert "empirical Bernstein bounds over 4 clusters" in wide.method


def test_one_cluster_has_no_bounds(values: Values) -> None:
    value, low, high = _bounds(values, "normal", np.zeros(60))
    assert value == values.mean()
    assert np.isnan([low, high]).all()


def test_the_effective_sample_size_is_kishs() -> None:
    assert effective_sample_size(np.ones((7, 1))) == 7
    assert effective_sample_size(np.array([[1.0, 1.0], [3.0, 1.0]])) == 16 / 10
    assert effective_sample_size(np.zeros((3, 1))) == 0
    assert effective_sample_size(np.zeros((5, 0))) == 5


def test_an_interval_says_how_it_was_made(log: LoggedDecisions, target: Values) -> None:
    interval = Ips(EstimatorSettings(interval="percentile", level=0.9, resamples=50))(log, target)
    assert (interval.n, interval.clusters, interval.level, interval.estimator) == (4, 4, 0.9, "ips")
    method = "mean of weight times reward; percentile bootstrap, 50 resamples over 4 clusters"
    assert interval.method == method
    assert interval.effective_sample_size == 6.5**2 / (4 + 0.25 + 16)
    assert interval.low <= interval.value <= interval.high
