"""What policies share that look at how uncertain the scores are, and what they do where nobody knows it."""

from __future__ import annotations

from copy import copy
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field

from polyscene.core.errors import DataError, Problem
from polyscene.core.types import FloatArray
from polyscene.policies.policy import Policy, PolicySettings, Probabilities


class UncertainSettings(PolicySettings):
    """What every such policy may be told."""

    deviation: float | None = Field(
        None, gt=0, description="taken for every candidate where no signal knows its own; without it: refuse"
    )


class UncertainPolicy(Policy):
    """A policy over scores and their standard deviations.

    `knowing` hands the deviations over, one array for each decision. Where there are none, the setting
    `deviation` stands in for all of them, and without that the policy refuses to choose.
    """

    Settings: ClassVar[type[PolicySettings]] = UncertainSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self._deviations: FloatArray | None = None

    @property
    def reads_deviations(self) -> bool:
        """Whether it looks at how uncertain the scores are: it does."""
        return True

    def knowing(self, deviations: FloatArray | None) -> Self:
        """Return a copy that knows the deviations of one decision.

        Raises:
            ValueError: one is negative or no finite number.
        """
        if deviations is not None and not (np.isfinite(deviations) & (deviations >= 0)).all():
            bad = deviations[~(np.isfinite(deviations) & (deviations >= 0))][0]
            raise ValueError(f"expected finite standard deviations of at least 0, found {bad}")
        known = copy(self)
        known._deviations = deviations
        return known

    def deviations(self, scores: FloatArray) -> Probabilities:
        """Return (C,) the standard deviation of each score.

        Raises:
            DataError: nobody knows them, and no setting stands in.
            ValueError: there are as many deviations as other scores.
        """
        if self._deviations is None:
            return np.full(len(scores), self._stand_in())
        if len(self._deviations) != len(scores):
            expected, actual = len(scores), len(self._deviations)
            raise ValueError(f"expected {expected} standard deviations, one for each score, found {actual}")
        return self._deviations.astype(np.float64)

    def _stand_in(self) -> float:
        deviation: float | None = self.settings.deviation
        if deviation is None:
            raise DataError(
                Problem(
                    f"the policy '{self.name}' cannot choose",
                    "the standard deviation of every score",
                    "no signal that knows how uncertain it is",
                    f'use such a signal, write policy = {{ name = "{self.name}", deviation = 0.1 }} '
                    "to take one for all, or choose 'plackett_luce'",
                )
            )
        return deviation
