"""What every user did in one scenario, in order, while more keeps happening."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import LATEST, Histories, Timeline
from polyscene.data.schema import EventLog

MIN_ROOM = 8
"""Who did something gets room for so many events more, at least."""
Scalar = TypeVar("Scalar", bound=np.generic)


class Neighbourhood(NamedTuple):
    """What a user did before an event and after it, oldest first: items and weights, and past times."""

    past: IntArray
    past_weights: FloatArray
    later: IntArray
    later_weights: FloatArray
    past_times: LongArray


_NO_ITEMS, _NO_WEIGHTS = np.zeros(0, np.int32), np.zeros(0, np.float32)
NOTHING_AROUND = Neighbourhood(_NO_ITEMS, _NO_WEIGHTS, _NO_ITEMS, _NO_WEIGHTS, np.zeros(0, np.int64))


class _Grown:
    """The events of a user who did something since the start, oldest first.

    What was read from it stays as it was: later events stand behind it, late ones in arrays of their own.
    """

    __slots__ = ("_items", "_latest", "_length", "_room", "_times", "_weights")

    def __init__(self, times: LongArray, items: IntArray, weights: FloatArray) -> None:
        self._times, self._items, self._weights = times, items, weights
        self._length = self._room = len(times)
        self._latest = int(times[-1]) if len(times) else -LATEST

    def add(self, time: int, item: int, weight: float) -> Neighbourhood:
        """Take in an event; of simultaneous ones the last that came is the latest."""
        length = self._length
        place = length
        if time < self._latest:
            place = int(np.searchsorted(self._times[:length], time, side="right"))
        else:
            self._latest = time
        if place < length or length == self._room:
            self._reserve(place)
        items, weights = self._items, self._weights
        self._times[place] = time
        items[place] = item
        weights[place] = weight
        self._length = length + 1
        if place == length:
            times = self._times[:place]
            return Neighbourhood(items[:place], weights[:place], _NO_ITEMS, _NO_WEIGHTS, times)
        later = slice(place + 1, length + 1)
        return Neighbourhood(
            items[:place], weights[:place], items[later], weights[later], self._times[:place]
        )

    def _reserve(self, place: int) -> None:
        """Copy everything into wider arrays, with a gap at a place."""
        length = self._length
        self._room = wider = max(length * 3 // 2, length + MIN_ROOM)

        def moved(array: NDArray[Scalar]) -> NDArray[Scalar]:
            copy = np.empty(wider, array.dtype)
            copy[:place] = array[:place]
            if place < length:
                copy[place + 1 : length + 1] = array[place:length]
            return copy

        self._times, self._items = moved(self._times), moved(self._items)
        self._weights = moved(self._weights)

    def latest(self, length: int | None) -> Histories:
        """Return the latest events, at most so many; None: all."""
        first = 0 if length is None else max(self._length - length, 0)
        rows = slice(first, self._length)
        offsets = np.array([0, self._length - first])
        return Histories(offsets, self._items[rows], self._times[rows], self._weights[rows])


class LiveTimeline:
    """One scenario's log by user. Events of weight 0 are no part of anybody's history.

    Args:
        log: what happened so far.
        n_users: of the numbering; users beyond it may come.
        only_had: hold the events of weight 0 that say that somebody has had an item, and no others.
    """

    def __init__(self, log: EventLog, n_users: int, only_had: bool = False) -> None:
        self._start, self._grown = Timeline(log, n_users, only_had), dict[int, _Grown]()
        self._n_users = n_users

    def add(self, user: int, item: int, time: int, weight: float) -> Neighbourhood:
        """Take in an event; of simultaneous ones the last that came is the latest."""
        grown = self._grown.get(user)
        if grown is None:
            grown = self._grown[user] = _Grown(*self._start.columns(user if user < self._n_users else -1))
        return grown.add(time, item, weight)

    def forget(self, user: int) -> None:
        """Let a user have done nothing."""
        self._grown[user] = _Grown(*self._start.columns(-1))

    def history(self, user: int, length: int | None) -> Histories:
        """Return one user's latest events, at most so many; None: all. -1 is an unknown user."""
        grown = self._grown.get(user)
        return self._from_start(user, length) if grown is None else grown.latest(length)

    def histories(self, users: IntArray, length: int | None) -> Histories:
        """Return (B,) users' latest events, at most so many of each; None: all. -1 is an unknown user."""
        start = np.where(users < self._n_users, users, -1).astype(np.int32)
        rows = self._start.before(start, np.full(len(users), LATEST), length)
        grown = [row for row, user in enumerate(users.tolist()) if user in self._grown]
        if not grown:
            return rows
        parts = [rows.take(row, row + 1) for row in range(len(users))]
        for row in grown:
            parts[row] = self.history(int(users[row]), length)
        return Histories(
            np.concatenate([[0], np.cumsum([len(part.items) for part in parts])]),
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.weights for part in parts]),
        )

    def _from_start(self, user: int, length: int | None = None) -> Histories:
        return self._start.latest(user if user < self._n_users else -1, length)
