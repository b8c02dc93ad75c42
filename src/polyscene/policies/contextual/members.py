"""A choice by the members of a crowd: each place goes to what one of them, drawn by lot, thinks best."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import FloatArray
from polyscene.policies.policy import Policy, Probabilities


class Members(Policy):
    """Gives each place to the best remaining candidate of a member drawn from all, all alike.

        p(a | before) = 1/M Σ_m [a is the best that remains to member m]

    Exact given the members. Where these are M draws from a posterior, p is the share of M draws that Thompson
    sampling estimates its chance with: unbiased, with standard error √(p(1-p)/M); see `error`.

    Args:
        scores: (M, C) what each member thinks of each candidate.
    """

    name: ClassVar[str] = "members"

    def __init__(self, scores: NDArray[np.float64]) -> None:
        super().__init__()
        self._scores = scores

    @property
    def explores(self) -> bool:
        """Whether chance has a say: unless there is one member alone."""
        return len(self._scores) > 1

    def conditional(self, scores: FloatArray) -> Probabilities:
        """Return (C,) the shares of the formula above; of `scores` it counts only what is closed."""
        open_ = np.flatnonzero(scores > -np.inf)
        best = open_[self._scores[:, open_].argmax(axis=1)]
        row: Probabilities = np.bincount(best, minlength=len(scores)) / len(self._scores)
        return row

    def error(self, propensities: FloatArray) -> Probabilities:
        """Return (k,) the standard errors of propensities as estimates of those of endless draws."""
        error: Probabilities = np.sqrt(propensities * (1.0 - propensities) / len(self._scores))
        return error
