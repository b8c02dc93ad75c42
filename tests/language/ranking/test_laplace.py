from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, special

from polyscene.language.ranking.laplace import (
    GpClassification,
    expected_probability,
    laplace,
    shrinkage,
    sigmoid,
)


def problem(seed: int, n: int = 5) -> GpClassification:
    draws = np.random.default_rng(seed)
    root = draws.normal(size=(n, n))
    labels = draws.integers(0, 2, (1, n)).astype(float)
    return GpClassification(
        (root @ root.T + 0.1 * np.eye(n))[None], labels, draws.normal(size=(1, n)), np.ones((1, n))
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_mode_is_the_one_a_plain_optimiser_finds(seed: int) -> None:
    case = problem(seed)
    inverse = np.linalg.inv(case.covariance[0])

    def cost(values: np.ndarray) -> float:
        away = values - case.mean[0]
        fit = case.labels[0] * values - np.logaddexp(0.0, values)
        return float(0.5 * away @ inverse @ away - fit.sum())

    expected = optimize.minimize(cost, case.mean[0], tol=1e-10).x
    posterior = laplace(case)
    mode = case.mean[0] + case.covariance[0] @ posterior.gradient[0]
    np.testing.assert_allclose(mode, expected, atol=1e-4)


def test_what_is_predicted_for_the_observed_is_the_gaussian_at_the_mode() -> None:
    case = problem(7)
    posterior = laplace(case)
    mean, covariance = posterior.predict(case.mean, case.covariance, case.covariance)
    curvature = np.linalg.inv(case.covariance[0]) + np.diag(posterior.sqrt_curvature[0] ** 2)
    np.testing.assert_allclose(covariance[0], np.linalg.inv(curvature), atol=1e-8)
    np.testing.assert_allclose(posterior.gradient[0], case.labels[0] - sigmoid(mean[0]), atol=1e-8)


def test_the_evidence_is_near_the_integral() -> None:
    case = GpClassification(np.array([[[1.5]]]), np.array([[1.0]]), np.array([[0.4]]), np.ones((1, 1)))
    exact, _ = integrate.quad(
        lambda f: special.expit(f) * np.exp(-((f - 0.4) ** 2) / 3.0) / np.sqrt(3.0 * np.pi), -20, 20
    )
    assert laplace(case).evidence[0] == pytest.approx(np.log(exact), abs=0.02)


def test_padding_changes_nothing_and_problems_do_not_see_each_other() -> None:
    one, other = problem(1, 4), problem(2, 4)
    observed = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    both = laplace(
        GpClassification(
            np.concatenate([one.covariance, other.covariance]),
            np.concatenate([one.labels, other.labels * observed[1]]),
            np.concatenate([one.mean, other.mean]),
            observed,
        )
    )
    short = laplace(
        GpClassification(
            other.covariance[:, :2, :2], other.labels[:, :2], other.mean[:, :2], observed[1:, :2]
        )
    )
    np.testing.assert_allclose(both.gradient[0], laplace(one).gradient[0], atol=1e-7)
    np.testing.assert_allclose(both.gradient[1], np.r_[short.gradient[0], 0.0, 0.0], atol=1e-7)
    assert both.evidence[1] == pytest.approx(short.evidence[0])


def test_without_labels_the_prior_stays() -> None:
    empty = laplace(
        GpClassification(np.zeros((2, 0, 0)), np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0)))
    )
    mean, covariance = empty.predict(np.full((2, 1), 0.3), np.zeros((2, 1, 0)), np.full((2, 1, 1), 2.0))
    assert (mean == 0.3).all()
    assert (covariance == 2.0).all()
    assert not empty.evidence.any()


def test_strong_priors_do_not_throw_newton_off() -> None:
    n = 30
    labels = (np.arange(n)[None] % 2).astype(float)
    posterior = laplace(
        GpClassification(np.full((1, n, n), 1e4), labels, np.full((1, n), 50.0), np.ones((1, n)))
    )
    mode = 50.0 + 1e4 * posterior.gradient.sum()
    assert mode == pytest.approx(0.0, abs=0.1)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(FloatingPointError, match="NaN vectors"):
        laplace(
            GpClassification(np.full((1, 1, 1), np.nan), np.ones((1, 1)), np.zeros((1, 1)), np.ones((1, 1)))
        )


@pytest.mark.parametrize("mean", [-3.0, 0.0, 0.7])
@pytest.mark.parametrize("variance", [0.0, 1.0, 4.0])
def test_expected_probabilities_are_near_the_integral(mean: float, variance: float) -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    exact = (special.expit(mean + np.sqrt(variance) * nodes) * weights).sum() / weights.sum()
    assert expected_probability(np.array(mean), np.array(variance)) == pytest.approx(exact, abs=0.02)
    assert 0.0 < shrinkage(np.array(variance)) <= 1.0


def test_the_sigmoid_does_not_overflow() -> None:
    np.testing.assert_array_equal(sigmoid(np.array([-1e4, 0.0, 1e4])), [0.0, 0.5, 1.0])
