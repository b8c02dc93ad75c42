"""A few weights under a Gaussian prior: logistic regression that sixteen labels cannot hurt.

The exact posterior is approximated by Laplace's method (Bishop, Pattern Recognition and Machine Learning,
2006, section 4.5). No text is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyscene.language.ranking.laplace import expected_probability, sigmoid

Values = NDArray[np.float64]

MAX_NEWTON_STEPS = 100
TOLERANCE = 1e-9
MAX_HALVINGS = 30


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

    def posterior(self, features: Values, labels: Values) -> Self:
        """Return the posterior after n labels; without any, the prior.

        Args:
            features: (n, d).
            labels: (n,) in [0, 1]; a number between counts as that share of both.
        """
        precision: Values = np.asarray(np.linalg.inv(self.covariance))  # (d, d)
        weights, log_posterior = self.mean, self._log_posterior(features, labels, precision, self.mean)
        for _ in range(MAX_NEWTON_STEPS):
            step = self._step(features, labels, precision, weights)
            for _ in range(MAX_HALVINGS):
                new_log_posterior = self._log_posterior(features, labels, precision, weights + step)
                if new_log_posterior >= log_posterior:
                    break
                step = step / 2.0
            else:
                break
            weights, gain, log_posterior = (
                weights + step,
                new_log_posterior - log_posterior,
                new_log_posterior,
            )
            if gain < TOLERANCE:
                break
        curvature = _curvature(features, sigmoid(features @ weights), precision)
        return type(self)(weights, np.asarray(np.linalg.inv(curvature)))

    def logits(self, features: Values) -> Values:
        """Return (n,) expected log-odds of (n, d) features."""
        return np.asarray(features @ self.mean)

    def probability(self, features: Values) -> Values:
        """Return (n,) probabilities, averaged over the weights."""
        variance = np.einsum("nd,de,ne->n", features, self.covariance, features)
        return expected_probability(self.logits(features), variance)

    def _log_posterior(self, features: Values, labels: Values, precision: Values, weights: Values) -> float:
        values, offset = features @ weights, weights - self.mean
        fit = labels * values - np.logaddexp(0.0, values)
        return float(fit.sum() - 0.5 * offset @ precision @ offset)

    def _step(self, features: Values, labels: Values, precision: Values, weights: Values) -> Values:
        probability = sigmoid(features @ weights)
        gradient = features.T @ (labels - probability) - precision @ (weights - self.mean)  # (d,)
        return np.asarray(np.linalg.solve(_curvature(features, probability, precision), gradient))


def _curvature(features: Values, probability: Values, precision: Values) -> Values:
    """Return (d, d) minus the second derivative of the log posterior."""
    return np.asarray((features.T * (probability * (1.0 - probability))) @ features + precision)
