"""Upper confidence bounds: the best items if each were as good as it may well be."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import BaseModel, Field

from polyscene.core.types import FloatArray, LongArray
from polyscene.policies.greedy import best_of
from polyscene.policies.policy import PolicySettings, Probabilities
from polyscene.policies.uncertain import UncertainPolicy, UncertainSettings


class UcbSettings(UncertainSettings):
    """`policy = { name = "ucb", width = 1.0 }`."""

    width: float = Field(1.0, ge=0, description="how many standard deviations are added to a score")


class Ucb(UncertainPolicy):
    """Puts the largest s_a + width · d_a that is open at every place, with propensity 1; of equals the first.

    s are scores and d their standard deviations (Auer, Cesa-Bianchi and Fischer 2002, Finite-time analysis of
    the multiarmed bandit problem; the Gaussian form is Li et al. 2010, A contextual-bandit approach to
    personalized news article recommendation). It tries what is unknown, yet chance has no say: its log cannot
    tell what another policy would have earned. `guarded` with a share below 1 cures that.
    """

    name: ClassVar[str] = "ucb"
    Settings: ClassVar[type[PolicySettings]] = UcbSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.width: float = self.settings.width

    @property
    def explores(self) -> bool:
        """Whether chance has a say: never."""
        return False

    def bounds(self, scores: FloatArray) -> FloatArray:
        """Return (C,) the upper confidence bounds; -inf where closed."""
        upper: FloatArray = (scores + self.width * self.deviations(scores)).astype(np.float32)
        return upper

    def conditional(self, scores: FloatArray) -> Probabilities:
        """Return (C,) 1 for the largest bound, else 0."""
        row = np.zeros(len(scores))
        row[int(np.argmax(self.bounds(scores)))] = 1.0
        return row

    def _unlimited(
        self, scores: FloatArray, size: int, generator: np.random.Generator | None
    ) -> tuple[LongArray, FloatArray]:
        places = best_of(self.bounds(scores), size)
        return places, np.ones(len(places), np.float32)
