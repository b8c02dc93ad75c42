"""Events of which only the day is known, where time is told finer otherwise: they count at its end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polyscene.core.clock import DAY
from polyscene.core.errors import Problem
from polyscene.core.types import BoolArray, LongArray
from polyscene.data.reading.events import in_time
from polyscene.data.schema import UNKNOWN_TIME, EventLog

MIN_EVENTS = 20
"""So many events of one action that all lie at the start of a day tell that only days are known of it."""


def at_ends_of_days(log: EventLog, since: LongArray, table: str) -> tuple[EventLog, list[Problem]]:
    """Return the log with events of which only the day is known at the end of it, and what is said of that.

    At the start of the day an event would be told before what it followed from: an item could be chosen
    before it is there, and be known as chosen before anybody chose it.

    Args:
        since: (n,) when each item became available; UNKNOWN_TIME where not said.
        table: its name, for the note.
    """
    whole = log.time % DAY == 0
    counts = np.bincount(log.action, minlength=len(log.actions))
    coarse = (counts >= MIN_EVENTS) & (np.bincount(log.action[whole], minlength=len(log.actions)) == counts)
    moved: BoolArray = coarse[log.action]
    told_finer = not moved.all() or bool(np.any((since != UNKNOWN_TIME) & (since % DAY != 0)))
    if not moved.any() or not told_finer:
        return log, []
    ends = replace(log, time=np.where(moved, log.time + DAY - 1, log.time))
    order = in_time(ends.time)
    names = ", ".join(name for name, one in zip(log.actions, coarse.tolist(), strict=True) if one)
    note = Problem(
        f"of some events only the day is told: {names}",
        "moments as fine as those of other events or of the items",
        f"{int(moved.sum()):,} events at the start of a day",
        "they count at the end of their day",
        file=table,
        count=int(moved.sum()),
        severity="repaired",
    )
    return ends if order is None else ends.take(order), [note]
