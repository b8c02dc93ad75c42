"""Slopes and curvatures are those of the evidence, worked out by quadrature and differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from polyscene.recommenders.posterior.likelihoods import (
    FAR,
    gaussian,
    pairwise_probit,
    pointwise_probit,
    tail_ratio,
)


def log_normal_cdf(z: float) -> float:
    return math.log(0.5 * math.erfc(-z / math.sqrt(2.0)))


def differences(margin: float, variance: float, sign: float = 1.0) -> tuple[float, float]:
    """Return slope and curvature of `log Φ(±margin / √variance)` by central differences."""
    step = 1e-4
    low, middle, high = (
        log_normal_cdf(sign * at / math.sqrt(variance)) for at in (margin - step, margin, margin + step)
    )
    return (high - low) / (2 * step), -(high - 2 * middle + low) / step**2


@pytest.mark.parametrize(("margin", "variance"), [(0.0, 1.0), (2.5, 0.7), (-3.0, 1.9), (-9.0, 4.0)])
def test_a_choice_is_the_derivative_of_its_evidence(margin: float, variance: float) -> None:
    actual = pairwise_probit.py_func(margin, variance)
    np.testing.assert_allclose(actual, differences(margin, variance), rtol=1e-4)


@pytest.mark.parametrize("taken", [True, False])
def test_what_was_shown_is_the_derivative_of_its_evidence(taken: bool) -> None:
    actual = pointwise_probit.py_func(0.4, 1.3, taken)
    np.testing.assert_allclose(actual, differences(0.4, 1.3, 1.0 if taken else -1.0), rtol=1e-4)
    assert (actual[0] > 0) == taken


def test_a_measured_value_is_the_kalman_update() -> None:
    slope, curvature = gaussian.py_func(3.0, 4.0)
    prior = 2.0
    assert prior * slope == pytest.approx(prior / 4.0 * 3.0)
    assert prior * (1 - prior * curvature) == pytest.approx(1 / (1 / prior + 1 / 2.0)), "precisions add up"


def test_the_tail_goes_on_without_a_step_and_far_down_is_its_distance() -> None:
    near, far = tail_ratio.py_func(FAR + 1e-9), tail_ratio.py_func(FAR - 1e-9)
    assert far == pytest.approx(near, rel=1e-4)
    assert tail_ratio.py_func(-200.0) == pytest.approx(200.005, rel=1e-6)
    assert tail_ratio.py_func(40.0) == 0.0


@pytest.mark.parametrize("margin", [-500.0, -8.0, 0.0, 8.0, 500.0])
def test_no_outlier_takes_more_than_all_doubt(margin: float) -> None:
    variance = 1.5
    slope, curvature = pairwise_probit.py_func(margin, variance)
    assert 0.0 <= curvature <= 1.0 / variance + 1e-12
    assert slope >= 0.0


def test_a_choice_moves_biases_to_the_moments_of_the_true_posterior() -> None:
    """Two biases, a grid over both: what remains after the choice is what the formulas say."""
    doubt, noise = np.array([0.3, 0.5]), 1.0
    mean = np.array([-0.4, 0.2])
    slope, curvature = pairwise_probit.py_func(float(mean[0] - mean[1]), float(doubt.sum()) + noise)
    grid = np.linspace(-6, 6, 1201)
    densities = [np.exp(-((grid - m) ** 2) / (2 * v)) for m, v in zip(mean, doubt, strict=True)]
    margins = (grid[:, None] - grid[None, :]) / math.sqrt(noise)
    likelihood = 0.5 * np.vectorize(math.erfc)(-margins / math.sqrt(2.0))
    joint = densities[0][:, None] * densities[1][None, :] * likelihood
    joint /= joint.sum()
    for place, sign in ((0, 1.0), (1, -1.0)):
        marginal = joint.sum(axis=1 - place)
        expected = float(marginal @ grid)
        spread = float(marginal @ (grid - expected) ** 2)
        assert mean[place] + sign * doubt[place] * slope == pytest.approx(expected, abs=1e-6)
        assert doubt[place] * (1 - doubt[place] * curvature) == pytest.approx(spread, abs=1e-6)
