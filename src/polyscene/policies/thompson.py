"""Thompson sampling from scores and their standard deviations, with the exact chance of every item."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import BaseModel, Field
from scipy.special import ndtr

from polyscene.core.types import FloatArray
from polyscene.policies.policy import PolicySettings, Probabilities
from polyscene.policies.uncertain import UncertainPolicy, UncertainSettings

TAIL = 6.5
"""So many standard deviations away nothing is expected: less than 1e-10."""
NEVER = -23.0
"""The logarithm of 1e-10."""
SMALLEST = 1e-300
STEPS_PER_DEVIATION = 3
LEAST_STEPS, MOST_STEPS = 64, 2048


class ThompsonSettings(UncertainSettings):
    """`policy = { name = "thompson", width = 1.0 }`."""

    width: float = Field(1.0, gt=0, description="what standard deviations are multiplied by before drawing")


class Thompson(UncertainPolicy):
    """Gives each place to the item whose drawn score is the largest of all that remain.

        p(a | before) = P(X_a > X_b for all b that remain) = ∫ φ_a(x) Π_{b ≠ a} Φ_b(x) dx

    X are independent normals with the scores as means and `width` times the deviations as standard
    deviations (Thompson 1933; Chapelle and Li 2011, An empirical evaluation of Thompson sampling). Every
    place is drawn afresh, so the slate keeps to any limits and its propensities are those of the formula. The
    integral is summed over a grid of at most 2,048 steps, and the item is drawn from these very sums: the
    logged propensity is the probability with which it was drawn, to the last digit, and differs from the
    integral by less than 1e-6 where deviations lie within a factor of 100. A smaller one counts as large as
    one step, so that items of which all is known can stand beside others.
    """

    name: ClassVar[str] = "thompson"
    Settings: ClassVar[type[PolicySettings]] = ThompsonSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.width: float = self.settings.width

    @property
    def explores(self) -> bool:
        """Whether chance has a say: always."""
        return True

    def conditional(self, scores: FloatArray) -> Probabilities:
        """Return (C,) the probabilities of the formula above."""
        open_ = np.flatnonzero(scores > -np.inf)
        row = np.zeros(len(scores))
        row[open_] = chances_of_being_largest(
            scores[open_].astype(np.float64), self.width * self.deviations(scores)[open_]
        )
        return row


def chances_of_being_largest(means: Probabilities, deviations: Probabilities) -> Probabilities:
    """Return (C,) the probability that each of C independent normals is the largest; they sum to 1.

    Where nothing is uncertain, the first of the largest gets 1. What cannot be the largest gets 0.

    Args:
        means: (C,), at least one.
        deviations: (C,) standard deviations, 0 or more.
    """
    row = np.zeros(len(means))
    low = float((means - TAIL * deviations).max())
    high = float((means + TAIL * deviations).max())
    if high <= low:
        row[int(means.argmax())] = 1.0
        return row
    deviations = np.maximum(deviations, (high - low) * STEPS_PER_DEVIATION / MOST_STEPS)
    low = _raised(means, deviations, float((means - TAIL * deviations).max()), high)
    possible = np.flatnonzero(means + TAIL * deviations >= low)
    row[possible] = _summed(means[possible], deviations[possible], low, high)
    return row


def _raised(means: Probabilities, deviations: Probabilities, low: float, high: float) -> float:
    """Return the highest of a few points below which the largest of all is not expected."""
    grid = np.linspace(low, high, LEAST_STEPS + 1)
    together = _log_below((grid - means[:, None]) / deviations[:, None]).sum(axis=0)
    return float(grid[max(0, int(np.searchsorted(together, NEVER)) - 1)])


def _summed(means: Probabilities, deviations: Probabilities, low: float, high: float) -> Probabilities:
    """Sum the integral over a grid between two points, fine enough for the smallest deviation."""
    steps = max(LEAST_STEPS, int(np.ceil((high - low) / float(deviations.min()) * STEPS_PER_DEVIATION)))
    scaled = (np.linspace(low, high, steps + 1) - means[:, None]) / deviations[:, None]
    below = _log_below(scaled)  # (C, steps + 1)
    density = np.exp(below.sum(axis=0) - below - scaled**2 / 2)
    sums: Probabilities = density.sum(axis=1) * (deviations.min() / deviations)
    sums /= sums.sum()
    return sums


def _log_below(scaled: Probabilities) -> Probabilities:
    below: Probabilities = np.log(np.maximum(ndtr(scaled), SMALLEST))
    return below
