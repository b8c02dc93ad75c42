"""Greedy: the best items in order of their scores; it never explores."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.policies.limits import NO_LIMITS, Limits
from polyscene.policies.policy import Policy, Probabilities


class Greedy(Policy):
    """Puts the best open item at every place, with propensity 1. Of equal scores the first place wins."""

    name: ClassVar[str] = "greedy"

    @property
    def explores(self) -> bool:
        """Whether chance has a say: never."""
        return False

    def conditional(self, scores: FloatArray) -> Probabilities:
        """Return (C,) 1 for the best, else 0."""
        row = np.zeros(len(scores))
        row[int(np.argmax(scores))] = 1.0
        return row

    def _unlimited(
        self, scores: FloatArray, size: int, generator: np.random.Generator | None
    ) -> tuple[LongArray, FloatArray]:
        places = best_of(scores, size)
        return places, np.ones(len(places), np.float32)

    def probability(
        self, scores: FloatArray, slate: IntArray | LongArray, limits: Limits = NO_LIMITS
    ) -> FloatArray:
        """Return (k,) 1 for each place of a slate where this policy puts that item, else 0.

        Unlike a policy of chance it says so of every place by itself: what stands behind a place that it
        would have filled otherwise may still be right.
        """
        places, _ = self.choose(scores, len(slate), None, limits)
        probability = np.zeros(len(slate), np.float32)
        probability[: len(places)] = places == slate[: len(places)]
        return probability


def best_of(scores: FloatArray, size: int) -> LongArray:
    """Return (k,) places of the best of (C,) scores, best first, of equals the first; never -inf."""
    possible = np.flatnonzero(scores > -np.inf)
    if len(possible) > 4 * size:
        least = np.partition(scores[possible], len(possible) - size)[len(possible) - size]
        possible = possible[scores[possible] >= least]
    order = np.argsort(-scores[possible], kind="stable")[:size]
    places: LongArray = possible[order]
    return places
