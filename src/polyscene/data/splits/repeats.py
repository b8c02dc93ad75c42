"""Whether people choose a thing again."""

from __future__ import annotations

import numpy as np

from polyscene.data.schema import EventLog


def repeated(log: EventLog) -> bool:
    """Return whether any user chose the same item twice, at different moments."""
    key = log.user.astype(np.int64) * (int(log.item.max(initial=0)) + 1) + log.item
    order = np.lexsort((log.time, key))
    key, time = key[order], log.time[order]
    return bool(np.any((key[1:] == key[:-1]) & (time[1:] > time[:-1])))
