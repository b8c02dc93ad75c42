"""Recency: the newest items first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel

from polyscene.core.arrays import Arrays
from polyscene.core.clock import HOUR
from polyscene.core.growing import GrowingArray, Largest
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.queries import Queries
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.scores import Scores, SharedScores
from polyscene.recommenders.signal import Evidence, Need, Signal
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences

TOP_SHARE, MIN_TOP = 0.2, 10
"""That an item is new is a reason up to this share of the catalogue, or this place."""
OLDEST = 24.0 * 365 * 50  # hours; stands for "always been there"


class Recency(Signal):
    """`-log(1 + age in hours)` at the moment of the request.

    An item that says when it became available is judged by that, another one by its first event; an item
    with neither counts as very old.
    Items that are not there yet count as brand new; whether they may be shown is not this signal's affair.

    Live: equal to a fit on all events.
    """

    name: ClassVar[str] = "recency"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.MOMENTS})
    sentences: ClassVar[Sentences] = Sentences("It is new.")
    tells_facts: ClassVar[bool] = True

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self._moments, self._order = True, Largest()
        self._since: GrowingArray[np.int64] = GrowingArray(np.zeros(0, np.int64))
        self._dated: GrowingArray[np.bool_] = GrowingArray(np.zeros(0, np.bool_))

    def fit(self, evidence: Evidence) -> Self:
        """Note when each item appeared."""
        self._since, self._dated = GrowingArray(evidence.born), GrowingArray(evidence.since != UNKNOWN_TIME)
        self._moments, self._order = evidence.clock == "time", Largest()
        return self

    def prepare(self, queries: Queries) -> Scores:
        """Score by age; without moments nobody knows an age, and all are equal."""
        since, now = self._since.array, queries.time[:, None].astype(np.float64)
        if len(now) and np.all(now == now[0]):
            now = now[:1]

        def scored(items: LongArray) -> FloatArray:
            if not self._moments:
                return np.zeros(items.shape, np.float32)
            hours = (now - since[items]) / HOUR
            return -np.log1p(np.minimum(np.maximum(hours, 0.0), OLDEST)).astype(np.float32)

        return SharedScores(len(queries), self._order, since, scored)

    def fact(self, item: int) -> str | None:
        """Return since when the item is there, where few are newer; None where many are, or nobody knows."""
        since = self._since.array
        if not self._moments or since[item] == UNKNOWN_TIME:
            return None
        newer = np.count_nonzero(since > since[item])
        if newer > max(len(since) * TOP_SHARE, MIN_TOP):
            return None
        day = np.datetime64(int(since[item]), "us").astype("datetime64[D]")
        rest = "nothing is newer" if not newer else f"only {newer:,} of {len(since):,} items are newer"
        return f"It is new, here since {day}: {rest}."

    def observe(self, event: Observation) -> None:
        """Let an item that does not say when it appeared have appeared with its first event."""
        since, item = self._since.array.item(event.item), event.item
        if (since == UNKNOWN_TIME or event.time < since) and not self._dated.array.item(item):
            self._since.writable()[item] = event.time
            self._order.reset()

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Note when new items appeared."""
        new = rows >= len(self._since)
        dated = ~new & (since != UNKNOWN_TIME)
        self._since.put(rows[dated], since[dated])
        self._dated.put(rows[dated], np.ones(int(dated.sum()), np.bool_))
        self._since.extend(since[new])
        self._dated.extend(since[new] != UNKNOWN_TIME)
        self._order.reset()

    def state(self) -> Arrays:
        """Return when each item appeared, and whether it says so itself."""
        return {"since": self._since.array, "dated": self._dated.array, "moments": np.array(self._moments)}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take the moments back."""
        self._since, self._dated = GrowingArray(state["since"]), GrowingArray(state["dated"].astype(np.bool_))
        self._moments, self._order = bool(state["moments"]), Largest()
        return self
