"""What every user did in one scenario, in order, while more keeps happening."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from polyscene.core.types import IntArray
from polyscene.data.queries import LATEST, Histories, Timeline
from polyscene.data.schema import EventLog


class Neighbourhood(NamedTuple):
    """What a user did around an event, oldest first: items before it and after it, with their weights."""

    past: list[int]
    past_weights: list[float]
    later: list[int]
    later_weights: list[float]


@dataclass(slots=True)
class _Grown:
    """The events of a user who did something since the start, oldest first."""

    times: list[int]
    items: list[int]
    weights: list[float]


class LiveTimeline:
    """One scenario's log by user. Events of weight 0 are no part of anybody's history.

    Args:
        log: what happened so far.
        n_users: of the numbering; users beyond it may come.
    """

    def __init__(self, log: EventLog, n_users: int) -> None:
        self._start, self._grown = Timeline(log, n_users), dict[int, _Grown]()
        self._n_users = n_users

    def add(self, user: int, item: int, time: int, weight: float) -> Neighbourhood:
        """Take in an event; of simultaneous ones the last that came is the latest."""
        grown = self._grown.get(user)
        if grown is None:
            start = self._start.lists(user) if user < self._n_users else ([], [], [])
            grown = self._grown[user] = _Grown(*start)
        place = len(grown.times)
        if place and time < grown.times[-1]:
            place = bisect_right(grown.times, time)
        items, weights = grown.items, grown.weights
        around = Neighbourhood(items[:place], weights[:place], items[place:], weights[place:])
        grown.times.insert(place, time)
        grown.items.insert(place, item)
        grown.weights.insert(place, weight)
        return around

    def history(self, user: int, length: int | None) -> Histories:
        """Return one user's latest events, at most so many; None: all. -1 is an unknown user."""
        grown = self._grown.get(user)
        if grown is None:
            return self._from_start(user, length)
        first = 0 if length is None else max(len(grown.times) - length, 0)
        return Histories(
            np.array([0, len(grown.times) - first]),
            np.array(grown.items[first:], np.int32),
            np.array(grown.times[first:], np.int64),
            np.array(grown.weights[first:], np.float32),
        )

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
