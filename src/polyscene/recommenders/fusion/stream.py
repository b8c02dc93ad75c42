"""What came after a cut, learned event by event in the order of time, as a service learns it."""

from __future__ import annotations

from copy import deepcopy
from typing import Protocol

import numpy as np

from polyscene.data.schema import EventLog
from polyscene.data.timeline import NOTHING_AROUND, LiveTimeline
from polyscene.recommenders.abilities import Notices, Observation, Updates
from polyscene.recommenders.fusion.features import Features, Signals
from polyscene.representation.item_space import ItemSpace


class Learns(Protocol):
    """Takes in single events, as a service brings them."""

    def observe(self, event: Observation) -> None:
        """Take in an event that counts."""
        ...

    def notice(self, event: Observation) -> None:
        """Take in an event that counts for nothing."""
        ...


def living(signals: Signals, space: ItemSpace) -> Signals:
    """Return copies of the signals that learn from single events; the others, and their space, stay."""
    every: list[object] = list(signals)
    shared = {id(space): space}
    return [
        deepcopy(signal, dict(shared)) if isinstance(one, Updates) else signal
        for one, signal in zip(every, signals, strict=True)
    ]


class Learners:
    """Features, and the signals that learn from single events.

    Args:
        signals: those that do not learn so are passed by.
    """

    def __init__(self, features: Features, signals: Signals) -> None:
        every: list[object] = list(signals)
        self._features = features
        self._observing = [signal.observe for signal in every if isinstance(signal, Updates)]
        self._noticing = [signal.notice for signal in every if isinstance(signal, Notices)]

    def observe(self, event: Observation) -> None:
        """Take in an event that counts."""
        self._features.observe(event)
        for observe in self._observing:
            observe(event)

    def notice(self, event: Observation) -> None:
        """Take in an event that counts for nothing, as some signals learn from what was passed by."""
        for notice in self._noticing:
            notice(event)


class Stream:
    """The events that lie behind a cut, and how far they are learned.

    Args:
        learners: take in each.
        known: what was learned before.
        later: what comes.
        n_users: of the numbering.
    """

    def __init__(self, learners: Learns, known: EventLog, later: EventLog, n_users: int) -> None:
        self._learners, self._timeline = learners, LiveTimeline(known, n_users)
        self._later = later.take(np.argsort(later.time, kind="stable"))
        self._next = 0

    def learn_before(self, moment: int) -> EventLog:
        """Learn what lies strictly before a moment and was not learned yet; return it."""
        stop = int(np.searchsorted(self._later.time, moment))
        events = self._later.take(np.arange(self._next, max(self._next, stop)))
        self._next += len(events)
        columns = events.user, events.item, events.time, events.weight, events.action, events.value
        for user, item, time, weight, action, value in zip(*(one.tolist() for one in columns), strict=True):
            name = events.actions[action]
            if weight > 0:
                around = self._timeline.add(user, item, time, weight)
                self._learners.observe(Observation(user, item, time, weight, *around, name, value))
            else:
                self._learners.notice(Observation(user, item, time, weight, *NOTHING_AROUND, name, value))
        return events
