from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from polyscene.language.ranking.bayesian_logistic import BayesianLogistic


def data(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    rows = draws.normal(size=(n, 3))
    return rows, (rows @ [2.0, -1.0, 0.0] + draws.logistic(size=n) > 0).astype(float)


def test_the_posterior_mean_is_penalised_logistic_regression() -> None:
    rows, answers = data(80)
    found = BayesianLogistic.prior(np.zeros(3), np.full(3, 0.5)).after(rows, answers)
    wanted = LogisticRegression(C=0.25, fit_intercept=False, tol=1e-8).fit(rows, answers).coef_[0]
    np.testing.assert_allclose(found.mean, wanted, atol=1e-4)


def test_labels_in_two_parts_teach_nearly_what_they_teach_at_once() -> None:
    rows, answers = data(400)
    prior = BayesianLogistic.prior(np.zeros(3), np.ones(3))
    once = prior.after(rows, answers)
    twice = prior.after(rows[:200], answers[:200]).after(rows[200:], answers[200:])
    np.testing.assert_allclose(twice.mean, once.mean, atol=0.1)
    assert np.all(np.diag(once.covariance) < np.diag(prior.after(rows[:200], answers[:200]).covariance))


def test_without_labels_the_prior_stays() -> None:
    prior = BayesianLogistic.prior(np.array([0.3, 2.0]), np.array([0.1, 1.0]))
    found = prior.after(np.zeros((0, 2)), np.zeros(0))
    np.testing.assert_allclose(found.mean, prior.mean)
    np.testing.assert_allclose(found.covariance, prior.covariance)


def test_separable_labels_stay_finite_and_unsure_weights_shrink_chances() -> None:
    rows = np.array([[1.0], [-1.0], [2.0]])
    found = BayesianLogistic.prior(np.zeros(1), np.array([10.0])).after(rows, np.array([1.0, 0.0, 1.0]))
    assert np.isfinite(found.mean).all()
    plain = 1.0 / (1.0 + np.exp(-found.logits(rows)))
    assert np.all(np.abs(found.chance(rows) - 0.5) < np.abs(plain - 0.5))
