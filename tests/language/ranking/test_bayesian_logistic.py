from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from polyscene.language.ranking.bayesian_logistic import BayesianLogistic


def data(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    rows = draws.normal(size=(n, 3))
    return rows, (rows @ [2.0, -1.0, 0.0] + draws.logistic(size=n) > 0).astype(float)


def test_the_posterior_mean_is_penalised_logistic_regression() -> None:
    rows, labels = data(80)
    fitted = BayesianLogistic.prior(np.zeros(3), np.full(3, 0.5)).posterior(rows, labels)
    expected = LogisticRegression(C=0.25, fit_intercept=False, tol=1e-8).fit(rows, labels).coef_[0]
    np.testing.assert_allclose(fitted.mean, expected, atol=1e-4)


def test_labels_in_two_parts_teach_nearly_what_they_teach_at_once() -> None:
    rows, labels = data(400)
    prior = BayesianLogistic.prior(np.zeros(3), np.ones(3))
    once = prior.posterior(rows, labels)
    twice = prior.posterior(rows[:200], labels[:200]).posterior(rows[200:], labels[200:])
    np.testing.assert_allclose(twice.mean, once.mean, atol=0.1)
    assert np.all(np.diag(once.covariance) < np.diag(prior.posterior(rows[:200], labels[:200]).covariance))


def test_without_labels_the_prior_stays() -> None:
    prior = BayesianLogistic.prior(np.array([0.3, 2.0]), np.array([0.1, 1.0]))
    fitted = prior.posterior(np.zeros((0, 2)), np.zeros(0))
    np.testing.assert_allclose(fitted.mean, prior.mean)
    np.testing.assert_allclose(fitted.covariance, prior.covariance)


def test_separable_labels_stay_finite_and_unsure_weights_shrink_probabilities() -> None:
    rows = np.array([[1.0], [-1.0], [2.0]])
    fitted = BayesianLogistic.prior(np.zeros(1), np.array([10.0])).posterior(rows, np.array([1.0, 0.0, 1.0]))
    assert np.isfinite(fitted.mean).all()
    plain = 1.0 / (1.0 + np.exp(-fitted.logits(rows)))
    assert np.all(np.abs(fitted.probability(rows) - 0.5) < np.abs(plain - 0.5))
