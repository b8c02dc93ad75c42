from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, special

from polyscene.language.ranking.laplace import Problems, expected_chance, laplace, shrinkage, sigmoid


def problem(seed: int, n: int = 5) -> Problems:
    draws = np.random.default_rng(seed)
    root = draws.normal(size=(n, n))
    answers = draws.integers(0, 2, (1, n)).astype(float)
    return Problems(
        (root @ root.T + 0.1 * np.eye(n))[None], answers, draws.normal(size=(1, n)), np.ones((1, n))
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_mode_is_the_one_a_plain_optimiser_finds(seed: int) -> None:
    given = problem(seed)
    inverse = np.linalg.inv(given.covariance[0])

    def cost(values: np.ndarray) -> float:
        away = values - given.mean[0]
        fit = given.answers[0] * values - np.logaddexp(0.0, values)
        return float(0.5 * away @ inverse @ away - fit.sum())

    wanted = optimize.minimize(cost, given.mean[0], tol=1e-10).x
    posterior = laplace(given)
    found = given.mean[0] + given.covariance[0] @ posterior.slope[0]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_what_is_foretold_of_the_answered_is_the_gaussian_at_the_mode() -> None:
    given = problem(7)
    posterior = laplace(given)
    mean, covariance = posterior.predict(given.mean, given.covariance, given.covariance)
    curvature = np.linalg.inv(given.covariance[0]) + np.diag(posterior.root[0] ** 2)
    np.testing.assert_allclose(covariance[0], np.linalg.inv(curvature), atol=1e-8)
    np.testing.assert_allclose(posterior.slope[0], given.answers[0] - sigmoid(mean[0]), atol=1e-8)


def test_the_evidence_is_near_the_integral() -> None:
    given = Problems(np.array([[[1.5]]]), np.array([[1.0]]), np.array([[0.4]]), np.ones((1, 1)))
    exact, _ = integrate.quad(
        lambda f: special.expit(f) * np.exp(-((f - 0.4) ** 2) / 3.0) / np.sqrt(3.0 * np.pi), -20, 20
    )
    assert laplace(given).evidence[0] == pytest.approx(np.log(exact), abs=0.02)


def test_padding_changes_nothing_and_problems_do_not_see_each_other() -> None:
    one, other = problem(1, 4), problem(2, 4)
    given = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    both = laplace(
        Problems(
            np.concatenate([one.covariance, other.covariance]),
            np.concatenate([one.answers, other.answers * given[1]]),
            np.concatenate([one.mean, other.mean]),
            given,
        )
    )
    short = laplace(
        Problems(other.covariance[:, :2, :2], other.answers[:, :2], other.mean[:, :2], given[1:, :2])
    )
    np.testing.assert_allclose(both.slope[0], laplace(one).slope[0], atol=1e-7)
    np.testing.assert_allclose(both.slope[1], np.r_[short.slope[0], 0.0, 0.0], atol=1e-7)
    assert both.evidence[1] == pytest.approx(short.evidence[0])


def test_without_answers_the_prior_stays() -> None:
    empty = laplace(Problems(np.zeros((2, 0, 0)), np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0))))
    mean, covariance = empty.predict(np.full((2, 1), 0.3), np.zeros((2, 1, 0)), np.full((2, 1, 1), 2.0))
    assert (mean == 0.3).all()
    assert (covariance == 2.0).all()
    assert not empty.evidence.any()


def test_strong_priors_do_not_throw_newton_off() -> None:
    n = 30
    answers = (np.arange(n)[None] % 2).astype(float)
    posterior = laplace(Problems(np.full((1, n, n), 1e4), answers, np.full((1, n), 50.0), np.ones((1, n))))
    found = 50.0 + 1e4 * posterior.slope.sum()
    assert found == pytest.approx(0.0, abs=0.1)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(FloatingPointError, match="NaN vectors"):
        laplace(Problems(np.full((1, 1, 1), np.nan), np.ones((1, 1)), np.zeros((1, 1)), np.ones((1, 1))))


@pytest.mark.parametrize("mean", [-3.0, 0.0, 0.7])
@pytest.mark.parametrize("variance", [0.0, 1.0, 4.0])
def test_expected_chances_are_near_the_integral(mean: float, variance: float) -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    exact = (special.expit(mean + np.sqrt(variance) * nodes) * weights).sum() / weights.sum()
    assert expected_chance(np.array(mean), np.array(variance)) == pytest.approx(exact, abs=0.02)
    assert 0.0 < shrinkage(np.array(variance)) <= 1.0


def test_the_sigmoid_does_not_overflow() -> None:
    np.testing.assert_array_equal(sigmoid(np.array([-1e4, 0.0, 1e4])), [0.0, 0.5, 1.0])
