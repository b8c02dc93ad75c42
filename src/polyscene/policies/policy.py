"""The shape every policy has: one distribution of the next place, from which slates and propensities follow.

**Propensity** means one thing everywhere: the probability with which the policy puts the item at its place,
*given the items at the places before it* (and given the limits of the slate):

    p_t = P(a_t | a_1, …, a_{t-1}),      P(slate) = Π_t p_t

It is not the marginal probability that the item stands at that place whatever stands before it; `marginal`
estimates that one. What a limit pins has propensity 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from polyscene.core.settings.block import Strict
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.policies.limits import NO_LIMITS, Limits

Probabilities = NDArray[np.float64]

MARGINAL_DRAWS = 256


class PolicySettings(Strict):
    """What `policy` of a scenario may say beside the name."""


class Policy(ABC):
    """Implements `core.contracts.Policy`.

    Scores of -inf are closed: never chosen. A slate is shorter than asked where fewer items are open.

    Args:
        settings: of `Settings`; None: its defaults.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[PolicySettings]] = PolicySettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        self.settings: Any = self.Settings() if settings is None else settings

    @property
    @abstractmethod
    def explores(self) -> bool:
        """Whether chance has a say."""

    @property
    def reads_deviations(self) -> bool:
        """Whether it looks at how uncertain the scores are, which `knowing` tells it before it chooses."""
        return False

    def knowing(self, deviations: FloatArray | None) -> Self:
        """Return the policy for one decision whose scores are uncertain by so much.

        Args:
            deviations: (C,) standard deviations of the scores, in their units; None: nobody knows them. Most
                policies do not look at them.
        """
        return self

    @abstractmethod
    def conditional(self, scores: FloatArray) -> Probabilities:
        """Return (C,) with which probability each candidate is put at the next place; 0 where closed.

        Args:
            scores: (C,) with -inf for what is closed or stands before; at least one is open.
        """

    def choose(
        self,
        scores: FloatArray,
        size: int,
        generator: np.random.Generator | None = None,
        limits: Limits = NO_LIMITS,
    ) -> tuple[LongArray, FloatArray]:
        """Return (k,) places of the candidates in slate order and (k,) their propensities, as defined above.

        Args:
            scores: (C,).
            size: how many at most.
            generator: of chance; may be left out where the policy does not explore.
            limits: what the slate must keep to.

        Raises:
            ValueError: the policy explores, and there is no generator.
        """
        if limits:
            return self._one_by_one(scores, size, generator, limits)
        return self._unlimited(scores, size, generator)

    def _unlimited(
        self, scores: FloatArray, size: int, generator: np.random.Generator | None
    ) -> tuple[LongArray, FloatArray]:
        """Choose without limits; a policy that knows a faster way says it here."""
        return self._one_by_one(scores, size, generator, NO_LIMITS)

    def probability(
        self, scores: FloatArray, slate: IntArray | LongArray, limits: Limits = NO_LIMITS
    ) -> FloatArray:
        """Return (k,) the propensity of each place of a slate; their product is the slate's probability.

        A place behind one that is impossible gets 0. Pinned places get 1 where they hold what is pinned.

        Args:
            scores: (C,).
            slate: (k,) places of the candidates.
            limits: that held when it was drawn.
        """
        propensities = np.zeros(len(slate), np.float32)
        held = limits.held(scores > -np.inf, len(slate))
        for place, candidate in enumerate(slate):
            row = self._row(scores, slate[:place].tolist(), len(slate), held)
            chance = 0.0 if row is None else float(row[int(candidate)])
            if not chance > 0:
                break
            propensities[place] = chance
        return propensities

    def distributions(
        self, scores: FloatArray, slate: IntArray | LongArray, limits: Limits = NO_LIMITS
    ) -> Probabilities:
        """Return (k, C) with which probability each candidate is put at each place, given the places before.

        Unlike `probability` it says so of every candidate; 0 everywhere where nothing can stand.

        Args:
            scores: (C,).
            slate: (k,) places of the candidates that stood there.
            limits: that held when it was drawn.
        """
        table = np.zeros((len(slate), len(scores)))
        if not limits:
            left = scores.copy()
            for place, candidate in enumerate(slate.tolist()):
                if left.max() > -np.inf:
                    table[place] = self.conditional(left)
                left[candidate] = -np.inf
            return table
        held = limits.held(scores > -np.inf, len(slate))
        for place in range(len(slate)):
            row = self._row(scores, slate[:place].tolist(), len(slate), held)
            if row is not None:
                table[place] = row
        return table

    def marginal(
        self,
        scores: FloatArray,
        size: int,
        limits: Limits = NO_LIMITS,
        draws: int = MARGINAL_DRAWS,
        seed: int = 0,
    ) -> Probabilities:
        """Return (k, C) the probability that a candidate stands at a place, whatever stands before it.

        The first row is exact, and all of them where nothing explores. Else the mean over drawn beginnings of
        the conditional distribution of the next place (Rao-Blackwell): unbiased, and its variance is at most
        that of counting how often the candidate stood there, p(1-p)/draws.

            m_t(a) = 1/n Σ_n P(a | a_1ⁿ, …, a_{t-1}ⁿ)

        Args:
            scores: (C,).
            size: k, cut to what can be filled.
            limits: of the slate.
            draws: n, how many beginnings are drawn.
            seed: of the drawing.
        """
        generator = np.random.default_rng(seed)
        total = np.zeros((size, len(scores)))
        repeats = draws if self.explores else 1
        held = limits.held(scores > -np.inf, size)
        for _ in range(repeats):
            slate: list[int] = []
            while len(slate) < size and (row := self._row(scores, slate, size, held)) is not None:
                total[len(slate)] += row
                slate.append(_drawn(row, generator))
        return total[: int((total.sum(axis=1) > 0).sum())] / repeats

    def _one_by_one(
        self, scores: FloatArray, size: int, generator: np.random.Generator | None, limits: Limits
    ) -> tuple[LongArray, FloatArray]:
        """Draw place after place out of what is open there."""
        if generator is None and self.explores:
            raise ValueError(f"expected a generator of chance: the policy '{self.name}' explores, found none")
        slate: list[int] = []
        propensities: list[float] = []
        held = limits.held(scores > -np.inf, size)
        while len(slate) < size and (row := self._row(scores, slate, size, held)) is not None:
            candidate = int(row.argmax()) if generator is None else _drawn(row, generator)
            slate.append(candidate)
            propensities.append(float(row[candidate]))
        return np.array(slate, np.int64), np.array(propensities, np.float32)

    def beginning(self, scores: FloatArray, slate: Sequence[int], size: int, held: Limits) -> float:
        """Return the probability that a slate of that size begins so.

        Args:
            scores: (C,).
            slate: candidates at the first places.
            size: of the whole slate.
            held: limits, as `Limits.held` gives them.
        """
        chance = 1.0
        for place, candidate in enumerate(slate):
            row = self._row(scores, slate[:place], size, held)
            chance *= 0.0 if row is None else float(row[candidate])
            if not chance > 0:
                break
        return chance

    def _row(self, scores: FloatArray, slate: Sequence[int], size: int, held: Limits) -> Probabilities | None:
        """Return (C,) the distribution of the next place; None where nothing can stand there."""
        pinned = held.pins.get(len(slate))
        if pinned is None or pinned in slate:
            open_ = held.open(scores > -np.inf, slate, size)
            if open_.any():
                return self.conditional(np.where(open_, scores, np.float32(-np.inf)))
            pinned = next((pin for pin in held.pins.values() if pin not in slate), None)
        if pinned is None:
            return None
        row = np.zeros(len(scores))
        row[pinned] = 1.0
        return row


def _drawn(row: Probabilities, generator: np.random.Generator) -> int:
    """Return a candidate drawn by its probability; one of probability 0 never."""
    if row.max() == 1.0:  # nothing to draw: chance is spent on choices alone
        return int(row.argmax())
    sums = np.cumsum(row)
    candidate = int(np.searchsorted(sums, generator.random() * sums[-1], side="right"))
    return min(candidate, int(np.flatnonzero(row)[-1]))
