"""What a signal may be able to do beside scoring: learn from single events, forget a user, draw from beliefs.

Each is a protocol that a signal follows by having its methods.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries


@dataclass(slots=True)
class Observation:
    """One event, as a live signal takes it in, in codes.

    Attributes:
        past, past_weights: what the user had done here before it, oldest first, and how much each counts.
        later, later_weights: what the user had done here after it, where the event comes late.
        past_times: when each event of `past` was; None: not told.
        action: what happened, by its name in the log; None: not told.
        value: what it measured; NaN where nothing.
    """

    user: int
    item: int
    time: int
    weight: float
    past: IntArray
    past_weights: FloatArray
    later: IntArray
    later_weights: FloatArray
    past_times: LongArray | None = None
    action: str | None = None
    value: float = math.nan

    @classmethod
    def alone(cls, user: int, item: int, time: int, weight: float) -> Self:
        """Return the event of a user who has done nothing else here."""
        items, weights = np.zeros(0, np.int32), np.zeros(0, np.float32)
        return cls(user, item, time, weight, items, weights, items, weights)


@runtime_checkable
class Updates(Protocol):
    """A signal that learns from single events; its docstring says how it then differs from a fit on all."""

    def observe(self, event: Observation) -> None:
        """Take in one event."""
        ...


@runtime_checkable
class Notices(Protocol):
    """A signal that learns also from events that count for nothing, such as what was passed over."""

    def notice(self, event: Observation) -> None:
        """Take in one event of weight 0; what else its user has done is not told."""
        ...


@runtime_checkable
class Forgets(Protocol):
    """A signal that keeps something about each user."""

    def forget(self, user: int) -> None:
        """Know no more of a user than of a stranger; what they taught of items stays learned."""
        ...


@runtime_checkable
class ErasesUsers(Protocol):
    """A signal whose file holds what single users did, which goes with them."""

    @staticmethod
    def erased(state: Arrays, users: IntArray) -> Arrays:
        """Return a state from `state` without what it holds of some users."""
        ...


@runtime_checkable
class Uncertain(Protocol):
    """A signal that knows how sure it is of its scores."""

    def draw(
        self, queries: Queries, candidates: IntArray | LongArray | None, chance: np.random.Generator
    ) -> FloatArray:
        """Return (B, C) scores drawn from what it believes; None: (B, n_items), of the whole catalogue."""
        ...

    def deviation(self, queries: Queries, candidates: IntArray | LongArray | None = None) -> FloatArray:
        """Return (B, C) standard deviations of its scores; None: (B, n_items), of the whole catalogue."""
        ...


@runtime_checkable
class Extends(Protocol):
    """A signal that keeps something per item, and takes in new and changed ones."""

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Take in items that are in the item space already.

        Args:
            rows: (m,) codes, ascending; those beyond what the signal knows are new, others changed text.
            since: (m,) when each became available; UNKNOWN_TIME where not said.
        """
        ...
