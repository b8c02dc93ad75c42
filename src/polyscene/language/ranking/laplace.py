"""Yes-or-no answers under a Gaussian prior: the posterior by Laplace's method, and what it foretells.

Formulas are those of Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 3.4
(algorithms 3.1 and 3.2). Everything is batched: B independent problems of at most n answers each, padded.
No text is known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

STEPS = 100
TOLERANCE = 1e-9
HALVINGS = 40


@dataclass(frozen=True)
class LaplacePosterior:
    """Of B problems with the answers y ∈ {0, 1}, `p(y = 1 | f) = σ(f)` and `f ~ N(mean, K)`.

    Attributes:
        slope: (B, n) `y - σ(f̂)` at the mode f̂, so that `f̂ = mean + K · slope`; 0 where padded.
        root: (B, n) root of the curvature, `W^½ = (σ(f̂) (1 - σ(f̂)))^½`; 0 where padded.
        balance: (B, n, n) `I + W^½ K W^½`.
        evidence: (B,) log marginal likelihood of the answers in nats, by equation 3.32.
    """

    slope: Values
    root: Values
    balance: Values
    evidence: Values

    def predict(self, mean: Values, across: Values, own: Values) -> tuple[Values, Values]:
        """Return what is now believed of m further values, (B, m) means and (B, m, m) covariances.

        Args:
            mean: (B, m) prior means.
            across: (B, m, n) prior covariances with the answered ones.
            own: (B, m, m) prior covariances among themselves.
        """
        scaled = across * self.root[:, None, :]  # (B, m, n)
        return self.expect(mean, across), own - scaled @ self.explain(across)

    def expect(self, mean: Values, across: Values) -> Values:
        """Return (B, m) posterior means."""
        return np.asarray(mean + np.einsum("bmn,bn->bm", across, self.slope))

    def explain(self, across: Values) -> Values:
        """Return (B, n, m) what the answers take off the covariances: `(I + W^½ K W^½)⁻¹ W^½ acrossᵀ`."""
        scaled = across * self.root[:, None, :]  # (B, m, n)
        return np.asarray(np.linalg.solve(self.balance, scaled.transpose(0, 2, 1)))


@dataclass(frozen=True)
class Problems:
    """B problems of at most n answers.

    A point of the search is given by its dual values (B, n), with `f = mean + K · dual`.

    Attributes:
        covariance: (B, n, n) prior covariances K, positive semidefinite.
        answers: (B, n) 0 or 1.
        mean: (B, n) prior means.
        given: (B, n) 1 where there is an answer, 0 where the row is padded.
    """

    covariance: Values
    answers: Values
    mean: Values
    given: Values

    def values(self, dual: Values) -> Values:
        """Return (B, n) log-odds f."""
        return np.asarray(self.mean + np.einsum("bij,bj->bi", self.covariance, dual))

    def height(self, dual: Values) -> Values:
        """Return (B,) log posteriors up to a constant."""
        values = self.values(dual)
        fit = self.given * (self.answers * values - np.logaddexp(0.0, values))
        return np.asarray(fit.sum(axis=1) - 0.5 * (dual * (values - self.mean)).sum(axis=1))

    def balance(self, root: Values) -> Values:
        """Return (B, n, n) `I + W^½ K W^½`, whose eigenvalues are at least 1."""
        scaled: Values = root[:, :, None] * self.covariance * root[:, None, :]
        return np.eye(scaled.shape[-1]) + scaled

    def newton(self, dual: Values) -> Values:
        """Return where a full step leads, lines 4 to 7 of algorithm 3.1."""
        values = self.values(dual)
        chance = sigmoid(values)
        weight = self.given * chance * (1.0 - chance)
        root = np.sqrt(weight)
        aim = weight * (values - self.mean) + self.given * (self.answers - chance)  # (B, n)
        turned = root * np.einsum("bij,bj->bi", self.covariance, aim)
        return np.asarray(aim - root * np.linalg.solve(self.balance(root), turned[..., None])[..., 0])

    def climb(self, dual: Values, height: Values) -> tuple[Values, Values]:
        """Return a point no lower than `dual`, whose height is given, and the height there.

        Where the full step does not climb it is halved; where no part of it does, the point is the mode.
        """
        step = self.newton(dual) - dual
        share = np.ones_like(height)
        for _ in range(HALVINGS):
            found = dual + share[:, None] * step
            risen = self.height(found)
            lower = risen < height
            if not lower.any():
                break
            share = np.where(lower, share / 2.0, share)
        return np.where(lower[:, None], dual, found), np.where(lower, height, risen)


def laplace(problems: Problems) -> LaplacePosterior:
    """Find the modes by Newton's method, and the Gaussians that touch the posteriors there.

    Raises:
        FloatingPointError: a prior is not finite.
    """
    if not (np.isfinite(problems.covariance).all() and np.isfinite(problems.mean).all()):
        raise FloatingPointError("expected a finite prior, found NaN or infinity: are there NaN vectors?")
    dual = np.zeros_like(problems.mean)
    height = problems.height(dual)
    for _ in range(STEPS):
        before = height
        dual, height = problems.climb(dual, before)
        if np.all(height - before < TOLERANCE):
            break
    chance = sigmoid(problems.values(dual))
    root = np.sqrt(problems.given * chance * (1.0 - chance))
    balance = problems.balance(root)
    evidence: Values = np.asarray(height - 0.5 * np.linalg.slogdet(balance)[1])
    return LaplacePosterior(problems.given * (problems.answers - chance), root, balance, evidence)


def expected_chance(mean: Values, variance: Values) -> Values:
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
