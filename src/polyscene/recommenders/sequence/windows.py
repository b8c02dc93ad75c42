"""What a sequence network learns from: pieces of people's histories, and what was chosen after each place.

Events of one moment do not see each other: a choice is predicted from what lies strictly before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import LATEST, Histories, Timeline
from polyscene.data.schema import EventLog


@dataclass(frozen=True)
class Windows:
    """Pieces of histories, and the choices that followed places in them.

    Attributes:
        offsets: (W + 1,) window w's items are `items[offsets[w]:offsets[w + 1]]`, oldest first.
        items: (m,) codes.
        row, place: (T,) the window of each choice, ascending, and the last item in it that lies before the
            choice.
        target: (T,) what was chosen.
        weight: (T,) how much each choice counts.
        user: (W,) whose history it is.
        times, until: (m,) when each event was, and when its user's next later one came; LATEST: none did.
        elsewhere: what the users did in other scenarios before they left the window, by name.
    """

    offsets: LongArray
    items: IntArray
    row: LongArray
    place: LongArray
    target: IntArray
    weight: FloatArray
    user: IntArray
    times: LongArray
    until: LongArray
    elsewhere: Mapping[str, Histories] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    @cached_property
    def lengths(self) -> LongArray:
        """Return (W,) how many items each window has."""
        return np.diff(self.offsets)

    @cached_property
    def choice_offsets(self) -> LongArray:
        """Return (W + 1,) window w's choices are `choice_offsets[w]:choice_offsets[w + 1]`."""
        return np.searchsorted(self.row, np.arange(len(self.offsets)))

    def pick(self, rows: LongArray) -> Self:
        """Return the named windows and their choices."""
        items, counts = _ranges(self.offsets, rows)
        choices, taught = _ranges(self.choice_offsets, rows)
        return type(self)(
            np.concatenate([[0], np.cumsum(counts)]),
            self.items[items],
            np.repeat(np.arange(len(rows)), taught),
            self.place[choices],
            self.target[choices],
            self.weight[choices],
            self.user[rows],
            self.times[items],
            self.until[items],
            {name: histories.pick(rows) for name, histories in self.elsewhere.items()},
        )

    def hearing(self, others: Mapping[str, tuple[Timeline, bool]]) -> Self:
        """Return the same windows with what the users did in other scenarios.

        Args:
            others: each with whether its clock can be compared; where it cannot, all of it is known.
        """
        left = self.until[self.offsets[1:] - 1]
        always = np.full(len(left), LATEST)
        elsewhere = {
            name: timeline.before(self.user, left if comparable else always)
            for name, (timeline, comparable) in others.items()
        }
        return replace(self, elsewhere=elsewhere)

    def padded(self, values: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return (W, L) of (m,) values, of the items by default, 0 behind the end: that is not looked at."""
        values = self.items if values is None else values
        longest = int(self.lengths.max(initial=1))
        table = np.zeros((len(self.lengths), longest), values.dtype)
        table[np.arange(longest) < self.lengths[:, None]] = values
        return table


def _ranges(offsets: LongArray, rows: LongArray) -> tuple[LongArray, LongArray]:
    """Return where the entries of the named compressed rows lie, and how many each has."""
    lengths = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(lengths)
    places = np.arange(ends[-1] if len(ends) else 0)
    return places + np.repeat(offsets[rows] - ends + lengths, lengths), lengths


@dataclass(frozen=True)
class Choosing:
    """A log by user and time, with what lay before each event.

    Attributes:
        user, item, weight, time: (n,) by user, oldest first.
        before: (n,) the latest event of the same user at a strictly earlier time; -1: none.
        start: (n,) the first event of the same user.
        until: (n,) when the next event of the same user at a strictly later time was; LATEST: none was.
    """

    user: IntArray
    item: IntArray
    weight: FloatArray
    time: LongArray
    before: LongArray
    start: LongArray
    until: LongArray

    @classmethod
    def of(cls, events: EventLog) -> Self:
        """Arrange a log of events that count."""
        order = np.lexsort((events.time, events.user))
        user, time = events.user[order], events.time[order]
        rows = np.arange(len(order))
        new_user = np.diff(user, prepend=-1) != 0
        new_moment = new_user | (np.diff(time, prepend=0) != 0)
        start = np.maximum.accumulate(np.where(new_user, rows, 0))
        moment = np.maximum.accumulate(np.where(new_moment, rows, 0))
        before = np.where(moment > start, moment - 1, -1)
        later = np.searchsorted(np.flatnonzero(new_moment), rows, side="right")
        opening = np.append(np.flatnonzero(new_moment), len(rows))[later]  # the next moment's first event
        same = np.append(~new_user, False)[opening]
        until = np.where(same, np.append(time, LATEST)[opening], LATEST)
        return cls(user, events.item[order], events.weight[order], time, before, start, until)

    @property
    def predictable(self) -> BoolArray:
        """Return (n,) whether anything lies before an event."""
        return self.before >= 0

    def latest(self, most: int) -> BoolArray:
        """Return (n,) the `most` latest predictable events."""
        rows = np.flatnonzero(self.predictable)
        kept = np.zeros(len(self.user), np.bool_)
        kept[rows[np.argsort(-self.time[rows], kind="stable")[:most]]] = True
        return kept

    def last_choices(self) -> LongArray:
        """Return the last predictable event of each user who has one."""
        rows = np.flatnonzero(self.predictable)
        is_last = np.diff(self.user[rows], append=-1) != 0
        last: LongArray = rows[is_last]
        return last

    def singles(self, chosen: LongArray, length: int) -> Windows:
        """Return a window for each of the named predictable events: what lies before it, at most so many."""
        stop = self.before[chosen] + 1
        start = np.maximum(self.start[chosen], stop - length)
        rows = np.arange(len(chosen))
        return self._windows(start, stop, chosen, rows)

    def windows(self, taught: BoolArray, length: int) -> Windows:
        """Return windows that hold every predictable event that is `taught` once.

        Long histories are cut into windows that overlap by half, so that a choice is predicted from at least
        half a window, or from everything.
        """
        chosen = np.flatnonzero(taught & self.predictable)
        stride = max(length // 2, 1)
        inside = self.before[chosen] - self.start[chosen]
        number = np.maximum(-((length - 1 - inside) // stride), 0)
        begin = self.start[chosen] + number * stride
        starts, rows = np.unique(begin, return_inverse=True)
        stops = np.zeros(len(starts), np.int64)
        np.maximum.at(stops, rows, self.before[chosen] + 1)
        order = np.argsort(rows, kind="stable")
        return self._windows(starts, stops, chosen[order], rows[order])

    def _windows(self, start: LongArray, stop: LongArray, chosen: LongArray, rows: LongArray) -> Windows:
        lengths = stop - start
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], lengths)
        place = self.before[chosen] - start[rows]
        return Windows(
            offsets,
            self.item[at],
            rows,
            place,
            self.item[chosen],
            self.weight[chosen],
            self.user[start],
            self.time[at],
            self.until[at],
        )
