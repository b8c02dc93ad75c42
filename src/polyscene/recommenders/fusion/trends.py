"""What goes on lately, as facts for a fusion that learns from signals that live.

How much an item was chosen at several half-lives, how long ago it was chosen last, and how many items are
newer; when each user did something last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.clock import DAY, HOUR, MINUTE
from polyscene.core.compiled import kernels, short_zeros
from polyscene.core.growing import GrowingArray
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.data.schema import UNKNOWN_TIME, EventLog
from polyscene.recommenders.links import KERNELS

GAIN = 20.0
"""How much of an event is already something: by the logarithm of 1 + so many times the heat."""
USER_TRENDS = 2
FEW = 3.0
"""With so many events half of what history says is believed."""
NOWHERE = -1
"""The place of an item of which nobody knows since when it is there: before all others."""
LONG_AGO = 50 * 365 * DAY
"""Stands for "never"."""


class Trends:
    """What each item's events of late amount to.

    An item's heat at half-life h is `Σ_events weight · 2^(-(t - t_event) / h)`; kept as of its last event.

    Live: equal to what all events give at once.

    Args:
        half_lives: (H,) in days.
        heat: (n, H) as of each item's last event.
        last: (n,) when that was; UNKNOWN_TIME: never.
    """

    def __init__(self, half_lives: Sequence[float], heat: NDArray[np.float64], last: LongArray) -> None:
        self.half_lives = tuple(half_lives)
        self._rates = -1.0 / (DAY * np.array(self.half_lives))
        self._heat: GrowingArray[np.float64] = GrowingArray(heat)
        self._last: GrowingArray[np.int64] = GrowingArray(last)

    @classmethod
    def of(cls, half_lives: Sequence[float], events: EventLog, n_items: int) -> Self:
        """Sum up the events that count."""
        last = np.full(n_items, UNKNOWN_TIME)
        np.maximum.at(last, events.item, events.time)
        days = (last[events.item] - events.time) / DAY
        columns = [np.bincount(events.item, events.weight * np.exp2(-days / h), n_items) for h in half_lives]
        return cls(half_lives, np.stack(columns, axis=1).astype(np.float64), last)

    @property
    def width(self) -> int:
        """Return how many facts there are about each pair."""
        return len(self.half_lives) + 1

    def observe(self, item: int, time: int, weight: float) -> None:
        """Count one event."""
        heat, last = self._heat, self._last
        places = heat.address(np.float64), last.address(np.int64)
        kernels(KERNELS).warm(*places, len(last), self._rates, item, time, weight)

    def extend(self, more: int) -> None:
        """Take in new items, of which nothing is known."""
        self._heat.extend(np.zeros((more, len(self.half_lives))))
        self._last.extend(np.full(more, UNKNOWN_TIME))

    def facts(self, time: LongArray, candidates: IntArray | LongArray | None) -> FloatArray:
        """Return (B or 1, C, H + 1) log heats, and log hours since the last event, at (B,) moments.

        Args:
            candidates: (B, C); None: all items.
        """
        at_once = len(time) > 0 and bool(np.all(time == time[0]))
        if at_once and (candidates is None or len(time) > 1):
            whole = self._at(time[:1, None], self._last.array[None], self._heat.array[None])
            return whole if candidates is None else whole[0][candidates]
        rows = slice(None) if candidates is None else candidates
        last, heat = self._last.array[rows], self._heat.array[rows]
        return self._at(
            time[:, None], last if last.ndim == 2 else last[None], heat if heat.ndim == 3 else heat[None]
        )

    def _at(self, time: LongArray, last: LongArray, heat: NDArray[np.float64]) -> FloatArray:
        known = last != UNKNOWN_TIME
        elapsed = np.where(known, np.maximum(time - last, 0), LONG_AGO).astype(np.float32)
        facts = np.empty((*elapsed.shape, self.width), np.float32)
        for place, rate in enumerate(self._rates.tolist()):
            warm = heat[..., place].astype(np.float32) * np.exp2(np.float32(rate) * elapsed)
            facts[..., place] = np.log(np.float32(1.0) + np.float32(GAIN) * warm)
        facts[..., -1] = np.log(np.float32(1.0) + elapsed / np.float32(HOUR))
        return facts

    def state(self) -> Arrays:
        """Return everything that `restore` needs."""
        return {
            "half_lives": np.array(self.half_lives),
            "heat": self._heat.array,
            "last": self._last.array,
        }

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(state["half_lives"].tolist(), state["heat"], state["last"])


class Births:
    """How many items are newer than each, or as new.

    Args:
        born: (n,) since when each is there; UNKNOWN_TIME: nobody knows.
    """

    def __init__(self, born: LongArray) -> None:
        self._set(born)

    def _set(self, born: LongArray) -> None:
        known = born != UNKNOWN_TIME
        self._order: GrowingArray[np.int64] = GrowingArray(np.sort(born[known]))
        place = np.searchsorted(self._order.array, born, side="left")
        self._place: GrowingArray[np.int64] = GrowingArray(np.where(known, place, NOWHERE))

    def changed(self, item: int, born: LongArray) -> None:
        """Note that an item appeared, or appeared earlier than was thought."""
        order = self._order.array
        if self._place.array[item] != NOWHERE or (len(order) and born[item] < order[-1]):
            self._set(born)
            return
        self._place.writable()[item] = np.searchsorted(order, born[item], side="left")
        self._order.extend(born[item : item + 1])

    def extend(self, born: LongArray, moved: bool = False) -> None:
        """Take in the items at the end that are not known yet.

        Args:
            born: (n,) of all items.
            moved: whether known ones appeared at another time than was thought.
        """
        new = born[len(self._place) :]
        times, order = np.sort(new[new != UNKNOWN_TIME]), self._order.array
        if moved or (len(times) and len(order) and times[0] < order[-1]):
            self._set(born)
            return
        self._order.extend(times)
        place = np.searchsorted(self._order.array, new, side="left")
        self._place.extend(np.where(new != UNKNOWN_TIME, place, NOWHERE))

    def newer(self, time: LongArray, candidates: IntArray | LongArray | None) -> FloatArray:
        """Return (B, C) log of one more than how many other items appeared since each did.

        Args:
            time: (B,) moments; what appears after them is not there yet.
            candidates: (B, C); None: all items.
        """
        present = np.searchsorted(self._order.array, time, side="right")[:, None]
        place = self._place.array[None] if candidates is None else self._place.array[candidates]
        newer: FloatArray = np.log(np.maximum(present - place, 1).astype(np.float32))
        return newer


def user_trends(queries: Queries) -> FloatArray:
    """Return (B, 2) how far a history is to be believed, and log minutes since its last event."""
    history = queries.history
    lengths = history.lengths
    trends = np.empty((len(queries), USER_TRENDS), np.float32)
    trends[:, 0] = lengths / (lengths + FEW)
    last = np.full(len(queries), -LONG_AGO)
    some = lengths > 0
    last[some] = history.times[history.offsets[1:][some] - 1]
    since = np.where(some, np.maximum(queries.time - last, 0), LONG_AGO)
    trends[:, 1] = np.log1p(since / MINUTE)
    return trends


def had_lately(queries: Queries, n_items: int, candidates: IntArray | LongArray | None) -> FloatArray:
    """Return (B, C) how lately each user had an item, `1 / (1 + log hours)`; 0: never.

    Args:
        candidates: (B, C); None: all items.
    """
    history = queries.history
    hours = np.maximum(queries.time[history.rows] - history.times, 0) / HOUR
    lately = (1.0 / (1.0 + np.log1p(hours))).astype(np.float32)
    if len(queries) == 1 and candidates is not None:
        alone = short_zeros(n_items)
        np.maximum.at(alone, history.items, lately)
        facts: FloatArray = alone[candidates]
        alone[history.items] = 0.0
        return facts
    had = np.zeros((len(queries), n_items), np.float32)
    np.maximum.at(had, (history.rows, history.items), lately)
    return had if candidates is None else np.take_along_axis(had, candidates, axis=1)
