"""When each item may first be shown."""

from __future__ import annotations

import numpy as np

from polyscene.core.clock import DAY
from polyscene.core.types import LongArray
from polyscene.data.queries import LATEST
from polyscene.data.schema import UNKNOWN_TIME, EventLog


def available(since: LongArray, learned: EventLog) -> LongArray:
    """Return (n,) when each item may first be shown; UNKNOWN_TIME where its catalogue does not say.

    Where events that may be learned from come before the item's own time, the two clocks differ in grain (one
    tells days, the other seconds): then an item counts as there from the start of its day, or from its first
    such event. Held-out events are not looked at, so no item's first event can see itself.
    """
    early = learned.time < since[learned.item]
    if not early.any():
        return since
    first = np.full(len(since), LATEST)
    np.minimum.at(first, learned.item, learned.time)
    from_day = np.minimum(since - since % DAY, first)
    return np.where(since == UNKNOWN_TIME, since, from_day).astype(np.int64)
