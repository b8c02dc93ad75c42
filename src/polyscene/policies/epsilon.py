"""Epsilon-greedy: now and then a place goes to an item drawn from all that remain, all alike."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import BaseModel, Field

from polyscene.core.types import FloatArray, LongArray
from polyscene.policies.greedy import best_of
from polyscene.policies.policy import Policy, PolicySettings, Probabilities


class EpsilonSettings(PolicySettings):
    """`policy = { name = "epsilon", epsilon = 0.05 }`."""

    epsilon: float = Field(0.05, ge=0, le=1, description="share of the places that are drawn")


class Epsilon(Policy):
    """Gives each place, with probability ε, to one of the m items that remain, else to the best of them.

        p(a | before) = ε / m + (1 - ε) · [a is the best that remains]

    The draw may hit the best one too, so its propensity is above 1 - ε. Of equals the first is the best.
    """

    name: ClassVar[str] = "epsilon"
    Settings: ClassVar[type[PolicySettings]] = EpsilonSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.epsilon: float = self.settings.epsilon

    @property
    def explores(self) -> bool:
        """Whether chance has a say."""
        return self.epsilon > 0

    def conditional(self, scores: FloatArray) -> Probabilities:
        """Return (C,) the probabilities of the formula above."""
        open_ = scores > -np.inf
        row = np.where(open_, self.epsilon / open_.sum(), 0.0)
        row[int(np.argmax(scores))] += 1.0 - self.epsilon
        return row

    def _unlimited(
        self, scores: FloatArray, size: int, generator: np.random.Generator | None
    ) -> tuple[LongArray, FloatArray]:
        best = best_of(scores, size)
        if generator is None or not self.explores:
            return super()._unlimited(scores, size, generator) if self.explores else (best, _ones(best))
        return self._drawn_slate(np.flatnonzero(scores > -np.inf), best, generator)

    def _drawn_slate(
        self, open_: LongArray, best: LongArray, generator: np.random.Generator
    ) -> tuple[LongArray, FloatArray]:
        coins = generator.random(len(best)) < self.epsilon
        slate: list[int] = []
        propensities = np.empty(len(best), np.float32)
        for place, drawn in enumerate(coins.tolist()):
            remaining = len(open_) - place
            first = next(candidate for candidate in best.tolist() if candidate not in slate)
            candidate = first
            if drawn:
                row = int(generator.integers(remaining))
                candidate = int(open_[_skipping(row, np.searchsorted(open_, sorted(slate)).tolist())])
            slate.append(candidate)
            propensities[place] = self.epsilon / remaining + (1 - self.epsilon) * (candidate == first)
        return np.array(slate, np.int64), propensities


def _skipping(row: int, taken: list[int]) -> int:
    """Return the place of the row-th that is not taken; `taken` is ascending."""
    for one in taken:
        row += row >= one
    return row


def _ones(places: LongArray) -> FloatArray:
    return np.ones(len(places), np.float32)
