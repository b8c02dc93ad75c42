"""Greedy: the best items in order of their scores; it never explores."""

from __future__ import annotations

import numpy as np

from polyscene.core.types import FloatArray, IntArray, LongArray


class Greedy:
    """Implements `core.contracts.Policy`; its propensities are 1. Of equal scores the first place wins."""

    def choose(
        self, scores: FloatArray, size: int, generator: np.random.Generator | None = None
    ) -> tuple[LongArray, FloatArray]:
        """Return (k,) places of the best of (C,) scores, best first, and (k,) ones; -inf is never chosen."""
        possible = np.flatnonzero(scores > -np.inf)
        if len(possible) > 4 * size:
            least = np.partition(scores[possible], len(possible) - size)[len(possible) - size]
            possible = possible[scores[possible] >= least]
        order = np.argsort(-scores[possible], kind="stable")[:size]
        places: LongArray = possible[order]
        return places, np.ones(len(places), np.float32)

    def probability(self, scores: FloatArray, slate: IntArray | LongArray) -> FloatArray:
        """Return (k,) 1 for each place of a slate where this policy puts that item, else 0."""
        places, _ = self.choose(scores, len(slate))
        probability = np.zeros(len(slate), np.float32)
        probability[: len(places)] = places == slate[: len(places)]
        return probability
