"""What came after a cut, learned event by event in the order of time, as a service learns it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np

from polyscene.data.schema import EventLog
from polyscene.data.timeline import LiveTimeline
from polyscene.recommenders.fusion.features import Features, Signals
from polyscene.recommenders.signal import Observation, Updates
from polyscene.representation.item_space import ItemSpace

Observe = Callable[[Observation], None]


def living(signals: Signals, space: ItemSpace) -> Signals:
    """Return copies of the signals that learn from single events; the others, and their space, stay."""
    every: list[object] = list(signals)
    shared = {id(space): space}
    return [
        deepcopy(signal, dict(shared)) if isinstance(one, Updates) else signal
        for one, signal in zip(every, signals, strict=True)
    ]


def observer(features: Features, signals: Signals) -> Observe:
    """Return what lets features and every signal that learns from single events take one in."""
    candidates: list[object] = list(signals)
    updating = [signal for signal in candidates if isinstance(signal, Updates)]

    def observe(event: Observation) -> None:
        features.observe(event)
        for signal in updating:
            signal.observe(event)

    return observe


class Stream:
    """The events that lie behind a cut, and how far they are learned.

    Args:
        observe: takes in each that counts.
        known: what was learned before.
        later: what comes.
        n_users: of the numbering.
    """

    def __init__(self, observe: Observe, known: EventLog, later: EventLog, n_users: int) -> None:
        self._observe, self._timeline = observe, LiveTimeline(known, n_users)
        self._later = later.take(np.argsort(later.time, kind="stable"))
        self._next = 0

    def learn_before(self, moment: int) -> EventLog:
        """Learn what lies strictly before a moment and was not learned yet; return it."""
        stop = int(np.searchsorted(self._later.time, moment))
        events = self._later.take(np.arange(self._next, max(self._next, stop)))
        self._next += len(events)
        rows = zip(events.user, events.item, events.time, events.weight, strict=True)
        for user, item, time, weight in rows:
            if weight > 0:
                self._learn(int(user), int(item), int(time), float(weight))
        return events

    def _learn(self, user: int, item: int, time: int, weight: float) -> None:
        around = self._timeline.add(user, item, time, weight)
        self._observe(Observation(user, item, time, weight, *around))
