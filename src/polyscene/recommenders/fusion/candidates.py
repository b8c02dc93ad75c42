"""Which items a request is answered from: every signal puts its best ones forward."""

from __future__ import annotations

import numpy as np

from polyscene.core.types import BoolArray, IntArray, LongArray
from polyscene.recommenders.fusion.features import Prepared

SMALL_CATALOGUE = 2000
"""Up to this size every item is a candidate; above it, every signal's best."""
PER_SIGNAL = 200


def proposed(prepared: Prepared, row: int, closed: BoolArray, every: bool) -> LongArray:
    """Return one request's candidates, ascending, each once.

    Args:
        prepared: what the signals say of a block of requests.
        row: of the request.
        closed: (n,) True where an item may not be shown.
        every: whether all open items are candidates.
    """
    if every:
        return np.flatnonzero(~closed)
    candidates = np.zeros(len(closed), np.bool_)
    for one in prepared:
        if one is not None:
            candidates[one.best(row, PER_SIGNAL, closed)] = True
    return np.flatnonzero(candidates)


def padded(rows: list[LongArray]) -> tuple[IntArray, LongArray]:
    """Return (B, C) candidates, rows filled up with their first, and (B,) how many of each row count.

    A row without any candidate holds item 0 and counts none.
    """
    lengths = np.array([len(row) for row in rows], np.int64)
    candidates = np.zeros((len(rows), max(int(lengths.max(initial=0)), 1)), np.int32)
    for place, row in enumerate(rows):
        if len(row):
            candidates[place] = row[0]
            candidates[place, : len(row)] = row
    return candidates, lengths
