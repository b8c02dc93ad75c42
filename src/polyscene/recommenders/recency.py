"""Recency: the newest items first."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.clock import HOUR
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.signal import Evidence, Signal

OLDEST = 24.0 * 365 * 50  # hours; stands for "always been there"


class Recency(Signal):
    """`-log(1 + age in hours)` at the moment of the request.

    An item that says when it became available is judged by that, another one by its first event; an item
    with neither counts as very old.
    Items that are not there yet count as brand new; whether they may be shown is not this signal's affair.
    """

    name: ClassVar[str] = "recency"

    def __init__(self, since: LongArray | None = None, moments: bool = True) -> None:
        self.since = np.zeros(0, np.int64) if since is None else since
        self.moments = moments

    def fit(self, evidence: Evidence) -> Self:
        """Note when each item appeared."""
        self.since = evidence.born
        self.moments = evidence.clock == "time"
        return self

    def score(self, queries: Queries) -> FloatArray:
        """Score by age; without moments nobody knows an age, and all are equal."""
        return self._by_age(queries, np.broadcast_to(self.since, (len(queries), len(self.since))))

    def score_candidates(self, queries: Queries, candidates: IntArray) -> FloatArray:
        """Score the candidates by age."""
        return self._by_age(queries, self.since[candidates])

    def _by_age(self, queries: Queries, since: LongArray) -> FloatArray:
        if not self.moments:
            return np.zeros(since.shape, np.float32)
        hours = (queries.time[:, None].astype(np.float64) - since) / HOUR
        return -np.log1p(np.clip(hours, 0.0, OLDEST)).astype(np.float32)

    def state(self) -> Arrays:
        """Return when each item appeared."""
        return {"since": self.since, "moments": np.array(self.moments)}

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(state["since"], bool(state["moments"]))
