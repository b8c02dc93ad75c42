"""Yes-or-no answers under a Gaussian prior: the posterior by Laplace's method, and its predictions.

Formulas are those of Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 3.4
(algorithms 3.1 and 3.2). Everything is batched: B independent problems of at most n labels each, padded.
No text is known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

MAX_NEWTON_STEPS = 100
TOLERANCE = 1e-9
MAX_HALVINGS = 40


@dataclass(frozen=True)
class LaplacePosterior:
    """Of B problems with the labels y ∈ {0, 1}, `p(y = 1 | f) = σ(f)` and `f ~ N(mean, K)`.

    Attributes:
        gradient: (B, n) `y - σ(f̂)` at the mode f̂, so that `f̂ = mean + K · gradient`; 0 where padded.
        sqrt_curvature: (B, n) root of the curvature, `W^½ = (σ(f̂) (1 - σ(f̂)))^½`; 0 where padded.
        b_matrix: (B, n, n) `I + W^½ K W^½`.
        evidence: (B,) log marginal likelihood of the labels in nats, by equation 3.32.
    """

    gradient: Values
    sqrt_curvature: Values
    b_matrix: Values
    evidence: Values

    def predict(self, mean: Values, cross: Values, covariance: Values) -> tuple[Values, Values]:
        """Return the posterior of m further values, (B, m) means and (B, m, m) covariances.

        Args:
            mean: (B, m) prior means.
            cross: (B, m, n) prior covariances with the observed ones.
            covariance: (B, m, m) prior covariances among themselves.
        """
        scaled = cross * self.sqrt_curvature[:, None, :]  # (B, m, n)
        return self.posterior_mean(mean, cross), covariance - scaled @ self.solve_cross(cross)

    def posterior_mean(self, mean: Values, cross: Values) -> Values:
        """Return (B, m) posterior means."""
        return np.asarray(mean + np.einsum("bmn,bn->bm", cross, self.gradient))

    def solve_cross(self, cross: Values) -> Values:
        """Return (B, n, m) what the labels take off the covariances: `(I + W^½ K W^½)⁻¹ W^½ crossᵀ`."""
        scaled = cross * self.sqrt_curvature[:, None, :]  # (B, m, n)
        return np.asarray(np.linalg.solve(self.b_matrix, scaled.transpose(0, 2, 1)))


@dataclass(frozen=True)
class GpClassification:
    """B problems of at most n labels.

    A point of the search is given by its dual values (B, n), with `f = mean + K · dual`.

    Attributes:
        covariance: (B, n, n) prior covariances K, positive semidefinite.
        labels: (B, n) 0 or 1.
        mean: (B, n) prior means.
        observed: (B, n) 1 where there is an answer, 0 where the row is padded.
    """

    covariance: Values
    labels: Values
    mean: Values
    observed: Values

    def values(self, dual: Values) -> Values:
        """Return (B, n) log-odds f."""
        return np.asarray(self.mean + np.einsum("bij,bj->bi", self.covariance, dual))

    def log_posterior(self, dual: Values) -> Values:
        """Return (B,) log posteriors up to a constant."""
        values = self.values(dual)
        fit = self.observed * (self.labels * values - np.logaddexp(0.0, values))
        return np.asarray(fit.sum(axis=1) - 0.5 * (dual * (values - self.mean)).sum(axis=1))

    def b_matrix(self, sqrt_curvature: Values) -> Values:
        """Return (B, n, n) `I + W^½ K W^½`, whose eigenvalues are at least 1."""
        scaled: Values = sqrt_curvature[:, :, None] * self.covariance * sqrt_curvature[:, None, :]
        return np.eye(scaled.shape[-1]) + scaled

    def newton_point(self, dual: Values) -> Values:
        """Return where a full step leads, lines 4 to 7 of algorithm 3.1."""
        values = self.values(dual)
        probability = sigmoid(values)
        weight = self.observed * probability * (1.0 - probability)
        sqrt_curvature = np.sqrt(weight)
        target = weight * (values - self.mean) + self.observed * (self.labels - probability)  # (B, n)
        scaled_target = sqrt_curvature * np.einsum("bij,bj->bi", self.covariance, target)
        solved = np.linalg.solve(self.b_matrix(sqrt_curvature), scaled_target[..., None])[..., 0]
        return np.asarray(target - sqrt_curvature * solved)

    def line_search(self, dual: Values, log_posterior: Values) -> tuple[Values, Values]:
        """Return a point no lower than `dual`, whose log posterior is given, and the log posterior there.

        Where the full step leads lower it is halved; where no part of it does, the point is the mode.
        """
        step = self.newton_point(dual) - dual
        share = np.ones_like(log_posterior)
        for _ in range(MAX_HALVINGS):
            candidate = dual + share[:, None] * step
            new_log_posterior = self.log_posterior(candidate)
            lower = new_log_posterior < log_posterior
            if not lower.any():
                break
            share = np.where(lower, share / 2.0, share)
        return np.where(lower[:, None], dual, candidate), np.where(lower, log_posterior, new_log_posterior)


def laplace(problems: GpClassification) -> LaplacePosterior:
    """Find the modes by Newton's method, and the Gaussians that touch the posteriors there.

    Raises:
        FloatingPointError: a prior is not finite.
    """
    if not (np.isfinite(problems.covariance).all() and np.isfinite(problems.mean).all()):
        raise FloatingPointError("expected a finite prior, found NaN or infinity: are there NaN vectors?")
    dual = np.zeros_like(problems.mean)
    log_posterior = problems.log_posterior(dual)
    for _ in range(MAX_NEWTON_STEPS):
        before = log_posterior
        dual, log_posterior = problems.line_search(dual, before)
        if np.all(log_posterior - before < TOLERANCE):
            break
    probability = sigmoid(problems.values(dual))
    sqrt_curvature = np.sqrt(problems.observed * probability * (1.0 - probability))
    b_matrix = problems.b_matrix(sqrt_curvature)
    evidence: Values = np.asarray(log_posterior - 0.5 * np.linalg.slogdet(b_matrix)[1])
    return LaplacePosterior(
        problems.observed * (problems.labels - probability), sqrt_curvature, b_matrix, evidence
    )


def expected_probability(mean: Values, variance: Values) -> Values:
    """Return E[σ(f)] for `f ~ N(mean, variance)`, within .02: `σ(mean · shrinkage(variance))`.

    Source: MacKay, The evidence framework applied to classification networks, 1992, equation 10.
    """
    return sigmoid(mean * shrinkage(variance))


def shrinkage(variance: Values) -> Values:
    """Return by how much log-odds shrink for not being known: `1 / √(1 + π · variance / 8)`."""
    return np.asarray(1.0 / np.sqrt(1.0 + np.pi * np.maximum(variance, 0.0) / 8.0))


def sigmoid(values: Values) -> Values:
    """Return `1 / (1 + exp(-values))` without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))
