"""What is hidden from training, to be new afterwards: items and people with all that they ever did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.core.seeds import generator
from polyscene.core.types import IntArray, LongArray
from polyscene.data.schema import EventLog

KEPT = (0, 1, 3, 10)
"""After so many events what was hidden is judged."""
NEW_SHARE, LATER_SHARE = 0.2, 0.2
MAX_JUDGED = 1000


@dataclass(frozen=True)
class Hidden:
    """What training sees, what is then observed of the new, and what is judged.

    Attributes:
        known: the events that training sees.
        first: of what is new, in order of time, and the number of each among those of its owner, from 0.
        users, targets: (B,) of the choices that are judged.
    """

    known: EventLog
    first: EventLog
    number: LongArray
    users: IntArray
    targets: IntArray


def new_items(events: EventLog, seed: int) -> Hidden:
    """Hide a fifth of the items that have ten events and more."""
    draws = generator(seed, "new items")
    age, count = ages(events.user, events.time), np.bincount(events.user)[events.user]
    later = age >= np.ceil(count * (1 - LATER_SHARE))
    usual = np.flatnonzero(np.bincount(events.item[~later]) >= KEPT[-1])
    new = draws.choice(usual, int(len(usual) * NEW_SHARE), replace=False)
    is_new = np.isin(events.item, new)
    first = events.take(is_new & ~later)
    known = events.take(~is_new & ~later)
    judged = np.flatnonzero(is_new & later & np.isin(events.user, known.user))
    judged = draws.permutation(judged)[:MAX_JUDGED]
    return Hidden(known, first, ages(first.item, first.time), events.user[judged], events.item[judged])


def new_users(events: EventLog, seed: int) -> Hidden:
    """Hide a fifth of the people who have more than ten events."""
    draws = generator(seed, "new users")
    usual = np.flatnonzero(np.bincount(events.user) > KEPT[-1])
    new = draws.choice(usual, int(len(usual) * NEW_SHARE), replace=False)[:MAX_JUDGED]
    is_new = np.isin(events.user, new)
    first = events.take(is_new)
    number = ages(first.user, first.time)
    target = number == KEPT[-1]
    return Hidden(events.take(~is_new), first, number, first.user[target], first.item[target])


def ages(owner: IntArray, time: LongArray) -> LongArray:
    """Return the place of each event among those of its owner, by time."""
    order = np.lexsort((time, owner))
    starts = np.concatenate([[0], np.cumsum(np.bincount(owner))])[owner[order]]
    ages: LongArray = np.empty(len(owner), np.int64)
    ages[order] = np.arange(len(owner)) - starts
    return ages
