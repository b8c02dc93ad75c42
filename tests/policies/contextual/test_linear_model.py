from __future__ import annotations

import numpy as np
import pytest

from polyscene.policies.contextual.linear_model import LinearModel

CHANCE = np.random.default_rng(4)
X, R, W = CHANCE.normal(size=(40, 3)), CHANCE.normal(size=40), CHANCE.random(40)
ASKED = CHANCE.normal(size=(5, 3))


def test_block_by_block_it_is_ridge_regression_on_everything() -> None:
    model = LinearModel(3, ridge=2.0, noise=0.7)
    for start in range(0, 40, 8):
        rows = slice(start, start + 8)
        model.update(X[rows], R[rows], W[rows])
    precision = 2.0 * np.eye(3) + X.T @ (W[:, None] * X)
    np.testing.assert_allclose(model.mean(ASKED), ASKED @ np.linalg.solve(precision, X.T @ (W * R)))
    covariance = 0.49 * np.linalg.inv(precision)
    np.testing.assert_allclose(model.deviation(ASKED) ** 2, np.diag(ASKED @ covariance @ ASKED.T))
    draws = model.draws(ASKED, np.random.default_rng(0).standard_normal((40_000, 3)))
    np.testing.assert_allclose(np.cov(draws.T), ASKED @ covariance @ ASKED.T, atol=0.02)
    np.testing.assert_allclose(draws.mean(axis=0), model.mean(ASKED), atol=0.02)


def test_what_is_long_ago_fades_to_the_prior() -> None:
    model, none = LinearModel(3, ridge=2.0, noise=1.0, memory=0.5), np.zeros(0)
    model.update(X, R, W)
    before = model.precision.copy()
    model.update(np.zeros((0, 3)), none, none)
    np.testing.assert_allclose(model.precision, 0.5 * before + np.eye(3))
    for _ in range(60):
        model.update(np.zeros((0, 3)), none, none)
    np.testing.assert_allclose(model.precision, 2.0 * np.eye(3), atol=1e-9)
    assert abs(model.weights).max() < 1e-12


def test_a_state_is_taken_back_to_the_last_digit() -> None:
    model = LinearModel(3, ridge=2.0, noise=1.0)
    model.update(X, R, W)
    again = LinearModel(3, ridge=2.0, noise=1.0).restore(model.state())
    np.testing.assert_array_equal(again.mean(ASKED), model.mean(ASKED))
    model.update(X, R, W)
    assert again.mean(ASKED).tolist() != pytest.approx(model.mean(ASKED).tolist())
