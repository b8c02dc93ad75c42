"""Popularity with time decay: what everybody chose lately."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.clock import DAY
from polyscene.core.types import FloatArray, IntArray
from polyscene.data.queries import Queries
from polyscene.recommenders.signal import Evidence, Signal

HALF_LIVES = (0.5, 2.0, 7.0, 30.0, 120.0, 1000.0)
"""Days; the one that best foretells the last tenth of the training events is kept."""


class Popularity(Signal):
    """`log(1 + Σ_events weight · 2^(-(t_end - t) / half_life))` per item, the same for every user.

    The half-life is chosen inside the training events: the one under which the latest tenth of them is
    most likely. Sequence numbers have no common clock, so there nothing decays.
    """

    name: ClassVar[str] = "popularity"

    def __init__(self, scores: FloatArray | None = None, half_life: float = np.inf) -> None:
        self.scores = np.zeros(0, np.float32) if scores is None else scores
        self.half_life = half_life

    def fit(self, evidence: Evidence) -> Self:
        """Count the events of every item."""
        events = evidence.positive
        days = events.time / DAY
        self.half_life = np.inf
        if evidence.clock == "time" and len(events) >= 100:
            cut = int(len(events) * 0.9)
            likelihoods = [
                _likelihood(events.item, events.weight, days, cut, half_life, evidence.n_items)
                for half_life in HALF_LIVES
            ]
            self.half_life = HALF_LIVES[int(np.argmax(likelihoods))]
        counts = _decayed(events.item, events.weight, days, self.half_life, evidence.n_items)
        self.scores = np.log1p(counts).astype(np.float32)
        return self

    def score(self, queries: Queries) -> FloatArray:
        """Return the same row for everybody."""
        return np.tile(self.scores, (len(queries), 1))

    def score_candidates(self, queries: Queries, candidates: IntArray) -> FloatArray:
        """Return the candidates' popularity."""
        return self.scores[candidates]

    def state(self) -> Arrays:
        """Return the scores and the half-life."""
        return {"scores": self.scores, "half_life": np.array(self.half_life)}

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(state["scores"], float(state["half_life"]))


def _decayed(
    item: IntArray, weight: FloatArray, days: NDArray[np.float64], half_life: float, n_items: int
) -> NDArray[np.float64]:
    end = days.max(initial=-np.inf)
    return np.bincount(item, weight * np.exp2((days - end) / half_life), n_items).astype(np.float64)


def _likelihood(
    item: IntArray, weight: FloatArray, days: NDArray[np.float64], cut: int, half_life: float, n_items: int
) -> float:
    """Return the mean log-probability of the events after `cut`, counts before it smoothed by 0.1."""
    counts = _decayed(item[:cut], weight[:cut], days[:cut], half_life, n_items) + 0.1
    return float(np.mean(np.log(counts[item[cut:]] / counts.sum())))
