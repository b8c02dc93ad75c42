"""When each item may first be shown."""

from __future__ import annotations

import numpy as np

from polyscene.core.types import LongArray
from polyscene.data.queries import LATEST
from polyscene.data.schema import UNKNOWN_TIME, EventLog


def available(since: LongArray, learned: EventLog) -> LongArray:
    """Return (n,) when each item may first be shown; UNKNOWN_TIME where its catalogue does not say.

    What was chosen before its own time was there: such an item is from its first event on that may be learned
    from. Held-out events are not looked at, so no item's first event can see itself.
    """
    early = (learned.time < since[learned.item]) & (since[learned.item] != UNKNOWN_TIME)
    first = np.full(len(since), LATEST)
    np.minimum.at(first, learned.item[early], learned.time[early])
    available_from: LongArray = np.minimum(since, first)
    return available_from
