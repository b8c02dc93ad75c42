"""One item watched while a posterior learns: which events moved it, how far, from where to where.

    length = √(|Δm|² + Δb²)

with `m` the mean of its vector and `b` that of its bias. A bias fades by itself; what has faded since the
item was last moved is taken off first, so that a length is what the event did. Nothing else of it is
changed: who is watched learns the same, bit for bit.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self

import numpy as np

from polyscene.core.types import FloatArray, LongArray
from polyscene.data.queries import LATEST
from polyscene.data.schema import EventLog
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.posterior.tables import NEVER, Beliefs, Lessons

NOBODY = -1
MAX_POINTS = 240
"""A curve has at most so many points; beyond them every second one is dropped."""


class MoveKind(StrEnum):
    """What moved an item."""

    own = "own"
    """somebody did something to it"""
    compared = "compared"
    """somebody chose another item, and this one stood against it"""
    described = "described"
    """its text or its attributes were edited"""
    rolled_back = "rolled_back"
    """it was set back to what was believed earlier"""


class Place(NamedTuple):
    """Where an item stands.

    Attributes:
        vector: (d,) mean.
        prior: (d,) where its text puts it.
        moment: until when it was followed.
    """

    vector: FloatArray
    prior: FloatArray
    bias: float
    moment: int

    @property
    def distance(self) -> float:
        """Return how far the vector stands from where its text puts it, whose length is 1."""
        return float(np.linalg.norm(self.vector - self.prior))


@dataclass(frozen=True)
class Move:
    """One move.

    Attributes:
        time: of what moved it, by the scenario's clock.
        offset: in the log of a service; None: it is older than the log.
        user: code of who did it; -1: nobody, or they chose another item.
        action: its name; None: not told.
        length: see the module.
        distance, bias: before and after; the bias before is what had not faded.
        nearest: codes of the nearest items before and after, nearest first, all others as they stand after.
    """

    kind: MoveKind
    time: int
    offset: int | None
    user: int
    action: str | None
    length: float
    distance: tuple[float, float]
    bias: tuple[float, float]
    nearest: tuple[tuple[int, ...], tuple[int, ...]]


@dataclass
class Share:
    """How many moves, and their lengths together."""

    moves: int = 0
    path: float = 0.0

    def add(self, length: float) -> None:
        """Count a move."""
        self.moves, self.path = self.moves + 1, self.path + length


@dataclass
class Ledger:
    """What is kept of the moves of one item: sums, the longest, and a curve; bounded, however many there are.

    Attributes:
        longest: so many moves are kept whole.
        nearest: so many neighbours of each.
        since, until: moves of other moments are passed over.
        kinds: by what moved it.
        people: by code, who did something to it.
        curve: moment, distance and bias after some of the moves, in their order.
    """

    longest: int = 20
    nearest: int = 5
    since: int = -LATEST
    until: int = LATEST
    kinds: dict[MoveKind, Share] = field(default_factory=lambda: {kind: Share() for kind in MoveKind})
    people: dict[int, Share] = field(default_factory=dict)
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    _heap: list[tuple[float, int, Move]] = field(default_factory=list)
    _count: int = 0
    _stride: int = 1
    _last: tuple[int, float, float] | None = None

    @property
    def moves(self) -> list[Move]:
        """Return the longest moves in the order in which they happened."""
        return [move for _, _, move in sorted(self._heap, key=lambda entry: -entry[1])]

    @property
    def points(self) -> list[tuple[int, float, float]]:
        """Return the curve, up to the last move."""
        beyond = self._last is not None and (not self.curve or self.curve[-1] != self._last)
        return [*self.curve, self._last] if beyond and self._last is not None else self.curve

    def add(self, move: Move, nearest: Callable[[], tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
        """Take a move; its neighbours are asked for only where it is kept."""
        if not self.since <= move.time <= self.until:
            return
        self.kinds[move.kind].add(move.length)
        if move.user != NOBODY:
            self.people.setdefault(move.user, Share()).add(move.length)
        self._draw(move.time, move.distance[1], move.bias[1])
        self._count += 1
        if self.longest and (len(self._heap) < self.longest or move.length > self._heap[0][0]):
            whole = Move(**{**vars(move), "nearest": nearest()})
            heapq.heappush(self._heap, (move.length, -self._count, whole))
            if len(self._heap) > self.longest:
                heapq.heappop(self._heap)

    def _draw(self, time: int, distance: float, bias: float) -> None:
        self._last = time, distance, bias
        if self._count % self._stride == 0:
            self.curve.append(self._last)
        if len(self.curve) > MAX_POINTS:
            self.curve, self._stride = self.curve[::2], 2 * self._stride


class Watched(Posterior):
    """A posterior that writes down how one of its items moves. Learns as any other does.

    Attributes:
        ledger: is written to.
        code_of: returns the code of the item; None: it is not known yet.
        offset: in a log, of what is learned next.
    """

    ledger: Ledger
    code_of: Callable[[], int | None]
    offset: int | None = None
    _events: EventLog

    @classmethod
    def of(cls, signal: Posterior, code_of: Callable[[], int | None], ledger: Ledger) -> Self:
        """Return a replica that stands where a posterior stands."""
        watched = cls(signal.settings).restore(signal.state(), signal.space, {})
        watched.code_of, watched.ledger = code_of, ledger
        return watched

    @property
    def plain(self) -> Posterior:
        """Return a replica that watches nothing."""
        return Posterior(self.settings).restore(self.state(), self.space, {})

    def begin_again(self) -> None:
        """Believe what was believed before any event, with projection, half-life and draws as they are."""
        self._begin(self.space, self.projection, self.moments, int(self.stream.counts[2]))

    def retrace(self, events: EventLog) -> None:
        """Learn events in their order, as a fit with the present half-life does."""
        readings = self._reader.read(events)
        if len(readings.rows):
            self._events = events.take(readings.rows)
            self._learn(self._events, readings)

    def place(self) -> Place | None:
        """Return where the item stands; None: it is not known yet."""
        code, items = self.code_of(), self._items.now
        if code is None or code >= len(items.moments):
            return None
        bias, moment = float(items.bias[code]), int(items.moments[code])
        return Place(items.means[code].copy(), self.priors[code].copy(), bias, moment)

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Take items in, and write down where a new text moved the item."""
        before = self.place()
        super().extend(rows, since)
        self._note(before, MoveKind.described, self.latest)

    def put_item(self, row: int, beliefs: Beliefs) -> None:
        """Believe something else of an item, and write down where that moved it."""
        before = self.place()
        super().put_item(row, beliefs)
        self._note(before, MoveKind.rolled_back, self.latest)

    def _observe(self, event: Observation, weight: float, repeats: float) -> None:
        before = self.place()
        super()._observe(event, weight, repeats)
        self._note_event(before, event.item, event.time, event.user, event.action)

    def _step(self, lessons: Lessons, start: int) -> float:
        """Learn events one by one, each as `observe` does; none is ranked."""
        events = self._events
        for row in range(len(lessons.user)):
            before = self.place()
            super()._step(Lessons._make(column[row : row + 1] for column in lessons), 1)
            action = events.actions[events.action[row]] if len(events.actions) else None
            item, time, user = int(lessons.item[row]), int(events.time[row]), int(events.user[row])
            self._note_event(before, item, time, user, action)
        return 0.0

    def _note_event(self, before: Place | None, item: int, time: int, user: int, action: str | None) -> None:
        if item == self.code_of():
            self._note(before, MoveKind.own, time, user, action)
        else:
            self._note(before, MoveKind.compared, time)

    def _note(
        self,
        before: Place | None,
        kind: MoveKind,
        time: int,
        user: int = NOBODY,
        action: str | None = None,
    ) -> None:
        """Write a move down where there was one."""
        after = self.place()
        if before is None or after is None:
            return
        bias = before.bias * self._left(before.moment, after.moment)
        length = math.hypot(float(np.linalg.norm(after.vector - before.vector)), after.bias - bias)
        if length == 0.0:
            return
        distances, biases = (before.distance, after.distance), (bias, after.bias)
        move = Move(kind, time, self.offset, user, action, length, distances, biases, ((), ()))
        self.ledger.add(move, lambda: (self.nearest(before.vector), self.nearest(after.vector)))

    def _left(self, before: int, after: int) -> float:
        """Return what is left of a bias between two moments."""
        if before == NEVER or after <= before:
            return 1.0
        left: float = 2.0 ** (self.rates.fade * (float(after) - float(before)))
        return left

    def nearest(self, vector: FloatArray) -> tuple[int, ...]:
        """Return the codes of the items whose vectors point most as one does, nearest first; not the item."""
        means = self._items.now.means
        lengths = np.sqrt(np.einsum("nd,nd->n", means, means))
        likeness = means @ vector / np.maximum(lengths, np.float32(1e-12))
        code = self.code_of()
        if code is not None and code < len(likeness):
            likeness[code] = -np.inf
        count = min(self.ledger.nearest, len(likeness) - 1)
        best = np.argpartition(-likeness, count)[: count + 1] if count < len(likeness) - 1 else None
        order = np.arange(len(likeness)) if best is None else np.sort(best)
        ranked = order[np.argsort(-likeness[order], kind="stable")][:count]
        return tuple(ranked.tolist())
