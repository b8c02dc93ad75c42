"""A Bayesian linear model of rewards that learns from every block, and may forget what is long ago."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays

Floats = NDArray[np.float64]


class LinearModel:
    """Rewards as r = θᵀx + noise, θ normal before anything is seen.

        A ← γ A + (1-γ) λ I + Σ w x xᵀ,   b ← γ b + Σ w r x,   θ ~ N(A⁻¹ b, σ² A⁻¹)

    With γ = 1 this is ridge regression, updated exactly; below 1, old rewards fade by γ with every block
    while the prior stays (Russac, Vernade and Cappé 2019, Weighted linear bandits for non-stationary
    environments, with one matrix in place of their two).

    Args:
        dimension: d of the features.
        ridge: λ.
        noise: σ, the standard deviation of a reward.
        memory: γ.
    """

    def __init__(self, dimension: int, ridge: float, noise: float, memory: float = 1.0) -> None:
        self.ridge, self.noise, self.memory = ridge, noise, memory
        self.precision: Floats = ridge * np.eye(dimension)
        self.target: Floats = np.zeros(dimension)
        self._solve()

    def update(self, features: Floats, rewards: Floats, weights: Floats) -> None:
        """Learn from a block.

        Args:
            features: (m, d).
            rewards: (m,).
            weights: (m,) how much each counts.
        """
        weighted = weights[:, None] * features
        prior = (1.0 - self.memory) * self.ridge * np.eye(len(self.target))
        self.precision = self.memory * self.precision + prior + features.T @ weighted
        self.target = self.memory * self.target + weighted.T @ rewards
        self._solve()

    def mean(self, features: Floats) -> Floats:
        """Return (C,) the expected rewards of (C, d) features."""
        mean: Floats = features @ self.weights
        return mean

    def deviation(self, features: Floats) -> Floats:
        """Return (C,) the standard deviations of the expected rewards."""
        whitened = np.linalg.solve(self._root, features.T)  # (d, C)
        deviation: Floats = self.noise * np.sqrt(np.einsum("dc,dc->c", whitened, whitened))
        return deviation

    def draws(self, features: Floats, normals: Floats) -> Floats:
        """Return (M, C) expected rewards under M draws of θ.

        Args:
            features: (C, d).
            normals: (M, d) standard normal numbers.
        """
        thetas = self.weights + self.noise * np.linalg.solve(self._root.T, normals.T).T  # (M, d)
        rewards: Floats = thetas @ features.T
        return rewards

    def state(self) -> Arrays:
        """Return what `restore` needs."""
        return {"precision": self.precision, "target": self.target}

    def restore(self, state: Arrays) -> Self:
        """Take back a state and return self."""
        self.precision, self.target = state["precision"].copy(), state["target"].copy()
        self._solve()
        return self

    def _solve(self) -> None:
        self._root: Floats = np.asarray(np.linalg.cholesky(self.precision), np.float64)
        self.weights: Floats = np.asarray(np.linalg.solve(self.precision, self.target), np.float64)
