"""A share of the traffic explores, all of the rest is greedy, and every propensity is that of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field, field_validator

from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.policies.greedy import Greedy
from polyscene.policies.limits import NO_LIMITS, Limits
from polyscene.policies.policy import Policy, PolicySettings, Probabilities
from polyscene.policies.registry import choice_of, policy_of


class GuardedSettings(PolicySettings):
    """`policy = { name = "guarded", share = 0.05, explorer = { name = "thompson", deviation = 0.1 } }`."""

    share: float = Field(0.05, ge=0, le=1, description="share of the slates that the explorer draws")
    explorer: PolicyChoice = Field(PolicyChoice(name="plackett_luce"), description="what draws them")

    @field_validator("explorer")
    @classmethod
    def _with_all_it_is_told(cls, explorer: PolicyChoice) -> PolicyChoice:
        """Write out what was left to defaults, so that a log says it."""
        return PolicyChoice(**choice_of(policy_of(explorer)))


class Guarded(Policy):
    """Lets the explorer draw a share of the slates, and puts the best in their order in all others.

    One coin is tossed for a slate. What is logged is the propensity of the mixture, not of the side the coin
    fell on: with e_t and g_t the propensities of the explorer and of greedy,

        p_t = (ε Π_{j≤t} e_j + (1-ε) Π_{j≤t} g_j) / (ε Π_{j<t} e_j + (1-ε) Π_{j<t} g_j)

    so their product is the probability of the slate, and the log can be valued whichever side drew it.
    """

    name: ClassVar[str] = "guarded"
    Settings: ClassVar[type[PolicySettings]] = GuardedSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.share: float = self.settings.share
        self.explorer: Policy = policy_of(self.settings.explorer)
        self._greedy = Greedy()

    @property
    def explores(self) -> bool:
        """Whether chance has a say."""
        return self.share > 0 and (self.share < 1 or self.explorer.explores)

    @property
    def reads_deviations(self) -> bool:
        """Whether the explorer looks at how uncertain the scores are."""
        return self.share > 0 and self.explorer.reads_deviations

    def knowing(self, deviations: FloatArray | None) -> Self:
        """Return a copy whose explorer knows the deviations of one decision."""
        known = copy(self)
        known.explorer = self.explorer.knowing(deviations)
        return known

    def conditional(self, scores: FloatArray) -> Probabilities:
        """Return (C,) the probabilities of the first place."""
        row = np.zeros(len(scores))
        for weight, side in self._sides():
            row += weight * side.conditional(scores)
        return row

    def choose(
        self,
        scores: FloatArray,
        size: int,
        generator: np.random.Generator | None = None,
        limits: Limits = NO_LIMITS,
    ) -> tuple[LongArray, FloatArray]:
        """Return (k,) places and (k,) the propensities of the mixture; see `Policy.choose`.

        Raises:
            ValueError: chance has a say, and there is no generator.
        """
        if generator is None and self.explores:
            raise ValueError(f"expected a generator of chance: the policy '{self.name}' explores, found none")
        drawn = self.share > 0 and (generator is None or bool(generator.random() < self.share))
        side: Policy = self.explorer if drawn else self._greedy
        places, _ = side.choose(scores, size, generator, limits)
        return places, self.probability(scores, places, limits)

    def probability(
        self, scores: FloatArray, slate: IntArray | LongArray, limits: Limits = NO_LIMITS
    ) -> FloatArray:
        """Return (k,) the propensity of each place of a slate under the mixture; see `Policy.probability`."""
        joint = np.zeros(len(slate) + 1)
        for weight, side in self._sides():
            each = side.probability(scores, slate, limits).astype(np.float64)
            joint += weight * np.cumprod(np.append(1.0, each))
        before = np.where(joint[:-1] > 0, joint[:-1], 1.0)
        return (joint[1:] / before).astype(np.float32)

    def _row(self, scores: FloatArray, slate: Sequence[int], size: int, held: Limits) -> Probabilities | None:
        total, row = 0.0, np.zeros(len(scores))
        for weight, side in self._sides():
            likely = weight * side.beginning(scores, slate, size, held)
            next_ = side._row(scores, slate, size, held) if likely > 0 else None
            if next_ is not None:
                total, row = total + likely, row + likely * next_
        return row / total if total > 0 else None

    def _sides(self) -> list[tuple[float, Policy]]:
        sides: list[tuple[float, Any]] = [(self.share, self.explorer), (1.0 - self.share, self._greedy)]
        return [(weight, side) for weight, side in sides if weight > 0]
