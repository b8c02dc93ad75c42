"""Popularity with time decay: what everybody chose lately."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from polyscene.core.arrays import Arrays
from polyscene.core.clock import DAY
from polyscene.core.growing import GrowingArray, Largest
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.scores import Scores, SharedScores
from polyscene.recommenders.signal import Evidence, Signal, SignalSettings
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences

MIN_EVENTS = 100
"""With fewer, no half-life can be told from another."""
TOP_SHARE, MIN_TOP = 0.2, 10
"""That an item is popular is a reason up to this share of the catalogue, or this place."""
MAX_DOUBLINGS = 256.0
"""Counts are written anew before they have grown by two to this power."""


class PopularitySettings(SignalSettings):
    """`[signals.popularity]`: see `Popularity`."""

    half_lives: tuple[float, ...] = Field(
        (0.5, 2.0, 7.0, 30.0, 120.0, 1000.0), min_length=1, description="days; the likeliest of them is kept"
    )
    latest: float = Field(0.1, gt=0, lt=1, description="share of the events by which half-lives are compared")


class Popularity(Signal):
    """`log(1 + Σ_events weight · 2^(-(t_end - t) / half_life))` per item, the same for every user.

    The half-life is chosen inside the training events: the one under which the latest tenth of them is
    most likely. Sequence numbers have no common clock, so there nothing decays.

    Live: equal to a fit on all events with the half-life of the last fit.
    """

    name: ClassVar[str] = "popularity"
    sentences: ClassVar[Sentences] = Sentences("Many people chose it.")
    tells_facts: ClassVar[bool] = True
    Settings = PopularitySettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.half_life, self._start, self._end = np.inf, 0.0, 0.0
        self._counts: GrowingArray[np.float64] = GrowingArray(np.zeros(0))
        self._order = Largest()

    def fit(self, evidence: Evidence) -> Self:
        """Count the events of every item."""
        events = evidence.positive
        days = events.time / DAY
        self.half_life = np.inf
        if evidence.clock == "time" and len(events) >= MIN_EVENTS:
            cut = int(len(events) * (1 - self.settings.latest))
            likelihoods = [
                _likelihood(events.item, events.weight, days, cut, half_life, evidence.n_items)
                for half_life in self.settings.half_lives
            ]
            self.half_life = self.settings.half_lives[int(np.argmax(likelihoods))]
        counts = _decayed(events.item, events.weight, days, self.half_life, evidence.n_items)
        self._start = self._end = float(days.max()) if len(days) else 0.0
        self._counts, self._order = GrowingArray(counts), Largest()
        return self

    def prepare(self, queries: Queries) -> Scores:
        """Return the same scores for everybody."""
        counts = self._counts.array
        factor = 2.0 ** ((self._start - self._end) / self.half_life)

        def scored(items: LongArray) -> FloatArray:
            scores: FloatArray = np.log1p(counts[items] * factor).astype(np.float32)
            return scores

        return SharedScores(len(queries), self._order, counts, scored)

    def fact(self, item: int) -> str | None:
        """Return how few items are chosen more often; None where many are, or nobody chose it."""
        counts = self._counts.array
        if not counts[item] > 0:
            return None
        more = np.count_nonzero(counts > counts[item])
        when = "" if np.isinf(self.half_life) else " lately"
        if more > max(len(counts) * TOP_SHARE, MIN_TOP):
            return None
        if not more:
            return f"Nothing is chosen more often{when}."
        return (
            f"Only {more:,} of {len(counts):,} items {'is' if more == 1 else 'are'} chosen more often{when}."
        )

    def observe(self, event: Observation) -> None:
        """Count the event."""
        weight = event.weight
        if self.half_life != math.inf:
            day = event.time / DAY
            if day > self._end:
                self._end = day
                if (day - self._start) / self.half_life > MAX_DOUBLINGS:
                    self._rebase()
            weight *= 2.0 ** ((day - self._start) / self.half_life)
        self._counts.writable()[event.item] += weight
        self._order.changed(event.item)

    def _rebase(self) -> None:
        """Let counts tell what they are worth at the present end; their order stays."""
        counts = self._counts.writable()
        counts *= 2.0 ** ((self._start - self._end) / self.half_life)
        self._start = self._end

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Take in new items, which nobody has chosen."""
        self._counts.extend(np.zeros(max(int(rows.max(initial=-1)) + 1 - len(self._counts), 0)))

    def state(self) -> Arrays:
        """Return the counts, the half-life and the days between which they are told."""
        moments = np.array([self.half_life, self._start, self._end])
        return {"counts": self._counts.array, "moments": moments}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take the counts back."""
        self.half_life, self._start, self._end = (float(value) for value in state["moments"])
        self._counts, self._order = GrowingArray(state["counts"]), Largest()
        return self


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
