"""A few weights under a Gaussian prior: logistic regression that sixteen labels cannot hurt.

The exact posterior is approximated by Laplace's method (Bishop, Pattern Recognition and Machine Learning,
2006, section 4.5). No text is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyscene.language.ranking.laplace import expected_chance, sigmoid

Values = NDArray[np.float64]

STEPS = 100
TOLERANCE = 1e-9
HALVINGS = 30


@dataclass(frozen=True)
class BayesianLogistic:
    """`p(y = 1 | x) = σ(xᵀw)`, `w ~ N(mean, covariance)`.

    Attributes:
        mean: (d,).
        covariance: (d, d).
    """

    mean: Values
    covariance: Values

    @classmethod
    def prior(cls, mean: Values, deviation: Values) -> Self:
        """Return independent weights with the given means and positive standard deviations, (d,) each."""
        return cls(np.asarray(mean, np.float64), np.diag(np.asarray(deviation, np.float64) ** 2))

    def after(self, features: Values, answers: Values) -> Self:
        """Return the posterior after n answers; without any, the prior.

        Args:
            features: (n, d).
            answers: (n,) in [0, 1]; a number between counts as that share of both.
        """
        precision: Values = np.asarray(np.linalg.inv(self.covariance))  # (d, d)
        weights, height = self.mean, self._height(features, answers, precision, self.mean)
        for _ in range(STEPS):
            step = self._step(features, answers, precision, weights)
            for _ in range(HALVINGS):
                risen = self._height(features, answers, precision, weights + step)
                if risen >= height:
                    break
                step = step / 2.0
            else:
                break
            weights, gain, height = weights + step, risen - height, risen
            if gain < TOLERANCE:
                break
        curvature = _curvature(features, sigmoid(features @ weights), precision)
        return type(self)(weights, np.asarray(np.linalg.inv(curvature)))

    def logits(self, features: Values) -> Values:
        """Return (n,) expected log-odds of (n, d) features."""
        return np.asarray(features @ self.mean)

    def chance(self, features: Values) -> Values:
        """Return (n,) probabilities, averaged over the weights."""
        variance = np.einsum("nd,de,ne->n", features, self.covariance, features)
        return expected_chance(self.logits(features), variance)

    def _height(self, features: Values, answers: Values, precision: Values, weights: Values) -> float:
        values, away = features @ weights, weights - self.mean
        fit = answers * values - np.logaddexp(0.0, values)
        return float(fit.sum() - 0.5 * away @ precision @ away)

    def _step(self, features: Values, answers: Values, precision: Values, weights: Values) -> Values:
        chance = sigmoid(features @ weights)
        slope = features.T @ (answers - chance) - precision @ (weights - self.mean)  # (d,)
        return np.asarray(np.linalg.solve(_curvature(features, chance, precision), slope))


def _curvature(features: Values, chance: Values, precision: Values) -> Values:
    """Return (d, d) minus the second derivative of the log posterior."""
    return np.asarray((features.T * (chance * (1.0 - chance))) @ features + precision)
