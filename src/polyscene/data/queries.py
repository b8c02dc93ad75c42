"""Who asks, when, and what they had done by then: the batches that signals score.

A history is what a deployed system would know at that moment: strictly earlier events only, so that the
items of one basket never see each other. It does not score anything and does not know the target.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np

from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.schema import EventLog

HISTORY_LENGTH = 50
"""Only the latest events of a user are looked at, where old ones do not bar anything."""

LATEST = np.iinfo(np.int64).max
"""A moment after everything that is known."""


@dataclass(frozen=True)
class Histories:
    """What B users did, oldest first, as compressed rows.

    Attributes:
        offsets: (B + 1,) row r's events are `offsets[r]:offsets[r + 1]`.
        items: (m,) item codes of one scenario.
        times: (m,) when, by that scenario's clock.
        weights: (m,) how much each event counts.
    """

    offsets: LongArray
    items: IntArray
    times: LongArray
    weights: FloatArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> LongArray:
        """Return (B,) how many events each row has."""
        return np.diff(self.offsets)

    @cached_property
    def rows(self) -> LongArray:
        """Return (m,) the row each event belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def ages(self) -> LongArray:
        """Return (m,) how many events of the same row came later: 0 for the last one."""
        return np.repeat(self.offsets[1:], self.lengths) - 1 - np.arange(len(self.items))

    def take(self, start: int, stop: int) -> Self:
        """Return the rows start to stop."""
        lo, hi = int(self.offsets[start]), int(self.offsets[stop])
        return type(self)(
            self.offsets[start : stop + 1] - lo, self.items[lo:hi], self.times[lo:hi], self.weights[lo:hi]
        )

    def pick(self, rows: LongArray) -> Self:
        """Return the named rows, in their order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return type(self)(offsets, self.items[at], self.times[at], self.weights[at])

    def without(self, events: BoolArray) -> Self:
        """Return the same rows without the (m,) events that are True."""
        kept = ~events
        offsets = np.concatenate([[0], np.cumsum(np.bincount(self.rows[kept], minlength=len(self)))])
        return type(self)(offsets, self.items[kept], self.times[kept], self.weights[kept])

    def emptied(self, rows: BoolArray) -> Self:
        """Return the same, of which the (B,) rows that are True hold nothing any more."""
        return self.without(np.repeat(rows, self.lengths))

    def joined(self, other: Self) -> Self:
        """Return as many rows that hold the events of both, one's own first."""
        order = np.argsort(np.concatenate([self.rows, other.rows]), kind="stable")
        return type(self)(
            self.offsets + other.offsets,
            np.concatenate([self.items, other.items])[order],
            np.concatenate([self.times, other.times])[order],
            np.concatenate([self.weights, other.weights])[order],
        )

    @classmethod
    def of(cls, rows: list[list[int]]) -> Self:
        """Build histories of weight 1 from item codes, oldest first; times are positions."""
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        items = np.array([item for row in rows for item in row], dtype=np.int32)
        times = np.array([place for row in rows for place in range(len(row))], dtype=np.int64)
        return cls(np.concatenate([[0], np.cumsum(lengths)]), items, times, np.ones(len(items), np.float32))


@dataclass(frozen=True)
class Queries:
    """A batch of B requests for one scenario.

    Attributes:
        user: (B,) codes in the project's numbering.
        time: (B,) the moment of each request, by the scenario's clock.
        history: what each user did in this scenario before that moment.
        elsewhere: the same for the other scenarios, by name; a scenario whose clock cannot be compared
            gives the user's training events in no meaningful order.
        had: what each user had here before that moment and that is no part of the history, since nothing is
            learned from it, such as what got a low grade; None: nothing.
    """

    user: IntArray
    time: LongArray
    history: Histories
    elsewhere: Mapping[str, Histories] = field(default_factory=dict)
    had: Histories | None = None

    def __len__(self) -> int:
        return len(self.user)

    def take(self, start: int, stop: int) -> Self:
        """Return the requests start to stop."""
        return type(self)(
            self.user[start:stop],
            self.time[start:stop],
            self.history.take(start, stop),
            {name: rows.take(start, stop) for name, rows in self.elsewhere.items()},
            None if self.had is None else self.had.take(start, stop),
        )

    def seen(self) -> tuple[LongArray, IntArray]:
        """Return (m,) rows and (m,) items: everything that each user had, the history among it."""
        past, had = self.history, self.had
        rows = past.rows if had is None else np.concatenate([past.rows, had.rows])
        return rows, self.items_had()

    def items_had(self) -> IntArray:
        """Return (m,) items: everything that was had, by whichever of the users."""
        had = self.had
        return self.history.items if had is None else np.concatenate([self.history.items, had.items])

    def pick(self, rows: LongArray) -> Self:
        """Return the named requests, in their order."""
        return type(self)(
            self.user[rows],
            self.time[rows],
            self.history.pick(rows),
            {name: past.pick(rows) for name, past in self.elsewhere.items()},
            None if self.had is None else self.had.pick(rows),
        )

    def blocks(self, size: int) -> Iterator[tuple[slice, Self]]:
        """Cut the batch into blocks of at most `size` requests."""
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            yield slice(start, stop), self.take(start, stop)

    def moments(self, size: int) -> Iterator[tuple[slice, Self]]:
        """Cut a batch that is ordered by time into blocks of one moment, of at most `size` requests."""
        later = 1 + np.flatnonzero(np.diff(self.time))
        for first, last in itertools.pairwise([0, *later.tolist(), len(self)]):
            for start in range(first, last, size):
                stop = min(start + size, last)
                yield slice(start, stop), self.take(start, stop)


@dataclass(frozen=True)
class Choices:
    """Requests whose answer is known: `target` (B,) holds the item that was chosen."""

    queries: Queries
    target: IntArray

    def __len__(self) -> int:
        return len(self.target)

    def pick(self, rows: LongArray) -> Self:
        """Return the named choices, in their order."""
        return type(self)(self.queries.pick(rows), self.target[rows])


class Timeline:
    """One scenario's log, arranged so that any user's past can be cut out at any moment.

    Events of weight 0 are no part of anybody's history.

    Args:
        only_had: arrange, in place of what counts, the events of weight 0 that say that somebody has had an
            item.
    """

    def __init__(self, log: EventLog, n_users: int, only_had: bool = False) -> None:
        kept = log.only_had() if only_had else log.take(log.weight > 0)
        order = np.lexsort((kept.time, kept.user))
        self._items, self._times = kept.item[order], kept.time[order]
        self._weights = kept.weight[order]
        n_rows = max(n_users, 1)  # one empty row for unknown users, where nobody is known
        self._starts = np.zeros(n_rows + 1, np.int64)
        np.cumsum(np.bincount(kept.user, minlength=n_rows), out=self._starts[1:])

    def before(self, user: IntArray, time: LongArray, length: int | None = HISTORY_LENGTH) -> Histories:
        """Return each user's latest events strictly before each time; -1 is an unknown user.

        Args:
            length: how many at most; None gives all of them.
        """
        known = user >= 0
        code = np.where(known, user, 0)
        first = self._starts[code]
        stop = np.where(known, self._bisect(first, self._starts[code + 1], time), first)
        start = first if length is None else np.maximum(first, stop - length)
        return self._cut(start, stop)

    def lists(self, user: int) -> tuple[list[int], list[int], list[float]]:
        """Return times, items and weights of one user's events, oldest first."""
        rows = slice(int(self._starts[user]), int(self._starts[user + 1]))
        return self._times[rows].tolist(), self._items[rows].tolist(), self._weights[rows].tolist()

    def columns(self, user: int) -> tuple[LongArray, IntArray, FloatArray]:
        """Return times, items and weights of one user's events, oldest first; -1 is an unknown user."""
        start, stop = self._starts[user : user + 2].tolist() if user >= 0 else (0, 0)
        return self._times[start:stop], self._items[start:stop], self._weights[start:stop]

    def latest(self, user: int, length: int | None = HISTORY_LENGTH) -> Histories:
        """Return one user's latest events, at most so many; None: all. -1 is an unknown user."""
        start, stop = (int(self._starts[user]), int(self._starts[user + 1])) if user >= 0 else (0, 0)
        first = start if length is None else max(start, stop - length)
        offsets = np.array([0, stop - first])
        rows = slice(first, stop)
        return Histories(offsets, self._items[rows], self._times[rows], self._weights[rows])

    def _bisect(self, low: LongArray, high: LongArray, time: LongArray) -> LongArray:
        """Return, for each range of the sorted log, where its first event at or after `time` lies."""
        low, high = low.copy(), high.copy()
        while np.any(low < high):
            open_ = low < high
            middle = (low + high) // 2
            earlier = open_ & (self._times[np.minimum(middle, len(self._times) - 1)] < time)
            low = np.where(earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return low

    def _cut(self, start: LongArray, stop: LongArray) -> Histories:
        lengths = stop - start
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], lengths)
        return Histories(offsets, self._items[at], self._times[at], self._weights[at])
