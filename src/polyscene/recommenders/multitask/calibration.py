"""What a network's numbers are worth: a probability that holds, a value in its unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import FloatArray
from polyscene.recommenders.multitask.tasks import Task

ROUNDS = 50
MIN_CALIBRATED = 20
"""With fewer held-out examples numbers are taken as they are."""
FLOOR = 1e-12
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Calibrator:
    """`z' = slope · z + offset`, measured on examples that the network has not learned from.

    Attributes:
        slope, offset: of a log-odds, of a standardised value; of classes the slope alone counts.
    """

    slope: float = 1.0
    offset: float = 0.0

    @property
    def numbers(self) -> tuple[float, float]:
        """Both."""
        return self.slope, self.offset

    @classmethod
    def of(cls, task: Task, outputs: FloatArray, labels: FloatArray) -> Self:
        """Measure on (n, K) outputs and (n,) labels, as a task is learned; see `yes_no` and `of_values`."""
        z, y = outputs.astype(np.float64), labels.astype(np.float64)
        if len(y) < MIN_CALIBRATED or task.orders:
            return cls()
        if task.measures:
            return cls.of_values(z[:, 0], y)
        if task.loss == "classes":
            return cls(_temperature(z, y.astype(np.int64)))
        return cls.yes_no(z[:, 0], y)

    @classmethod
    def yes_no(cls, z: Values, y: Values) -> Self:
        """Fit `P(y = 1) = σ(slope · z + offset)` by Newton's method, targets drawn in from 0 and 1.

        Source: J. Platt, Probabilistic outputs for support vector machines, 1999, with the targets
        `(n₊ + 1) / (n₊ + 2)` and `1 / (n₋ + 2)`; H.-T. Lin et al., Machine Learning 68, 2007.
        """
        positive = y.sum()
        target = np.where(y > 0, (positive + 1) / (positive + 2), 1 / (len(y) - positive + 2))
        x = np.column_stack([z, np.ones(len(z))])
        fit = np.array([1.0, 0.0])
        loss = _log_loss(x @ fit, target)
        for _ in range(ROUNDS):
            p = 1.0 / (1.0 + np.exp(-np.clip(x @ fit, -50, 50)))
            curvature = x.T @ (x * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2)
            step = np.linalg.solve(curvature, x.T @ (target - p))
            while _log_loss(x @ (fit + step), target) > loss + FLOOR and np.abs(step).max() > FLOOR:
                step /= 2
            fit = fit + step
            loss = _log_loss(x @ fit, target)
            if np.abs(step).max() < 1e-9:
                break
        return cls(float(fit[0]), float(fit[1]))

    @classmethod
    def of_values(cls, z: Values, y: Values) -> Self:
        """Fit `y = slope · z + offset` by least squares; where z does not vary, the mean alone."""
        spread = float(((z - z.mean()) ** 2).sum())
        slope = float(((z - z.mean()) * (y - y.mean())).sum()) / spread if spread > FLOOR else 0.0
        return cls(slope, float(y.mean() - slope * z.mean()))

    def predicted(self, task: Task, outputs: FloatArray) -> FloatArray:
        """Return what (…, K) outputs mean: a probability, a value, or the mean value of classes."""
        if task.loss == "classes":
            z = self.slope * outputs.astype(np.float64)
            e = np.exp(z - z.max(axis=-1, keepdims=True))
            shares = e / e.sum(axis=-1, keepdims=True)
            return np.asarray(shares @ np.array(task.classes))
        z = self.slope * outputs[..., 0].astype(np.float64) + self.offset
        if task.measures:
            return task.measured(z.astype(np.float32))
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z + task.odds, -50, 50))))


def _log_loss(z: Values, target: Values) -> float:
    return float((np.logaddexp(0.0, z) - target * z).sum())


def _temperature(z: Values, y: NDArray[np.int64]) -> float:
    """Return the factor of (n, K) outputs under which the (n,) classes are most likely, by a fine search."""
    factors = np.geomspace(0.05, 5.0, 200)
    rows = np.arange(len(y))
    losses = []
    for factor in factors:
        scaled = factor * z
        most = scaled.max(axis=1)
        losses.append((np.log(np.exp(scaled - most[:, None]).sum(axis=1)) + most - scaled[rows, y]).mean())
    return float(factors[int(np.argmin(losses))])
