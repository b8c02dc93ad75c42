"""Links that came since the fit, in arrays that compiled loops change in place."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from polyscene.core.addresses import Addresses
from polyscene.core.types import IntArray, LongArray
from polyscene.recommenders import kernels
from polyscene.recommenders.kernels import DoubleArray, EdgeTable

Scalar = TypeVar("Scalar", bound=np.generic)

MIN_ROOM = 1024
SLOTS_PER_EDGE = 2
EDGE_TYPES = (np.int32, np.int32, np.int64, np.float64, np.int32, np.int64)
"""What the numbers of an `EdgeTable` are, in its order."""


class Edges:
    """Values of (row, column) pairs that grow one by one.

    Args:
        length: how many rows there are.
    """

    def __init__(self, length: int) -> None:
        self._set(
            EdgeTable(
                heads=np.full(length, -1, np.int32),
                nexts=np.zeros(MIN_ROOM, np.int32),
                keys=np.zeros(MIN_ROOM, np.int64),
                values=np.zeros(MIN_ROOM),
                slots=np.full(SLOTS_PER_EDGE * MIN_ROOM, -1, np.int32),
                size=np.zeros(1, np.int64),
            )
        )

    def _set(self, table: EdgeTable) -> None:
        self.table, self._room = table, len(table.keys)
        self._addresses = Addresses(table, EDGE_TYPES)

    def __len__(self) -> int:
        return int(self.table.size[0])

    def grow(self, length: int) -> None:
        """Make room for rows up to a number."""
        heads = self.table.heads
        if length > len(heads):
            more = np.full(max(length, len(heads) * 3 // 2) - len(heads), -1, np.int32)
            self._set(self.table._replace(heads=np.concatenate([heads, more])))

    def room(self, more: int) -> LongArray:
        """Return where the arrays of the table lie, after room was made for so many more edges."""
        table = self.table
        needed = table.size.item() + more
        if needed > self._room:
            wider = max(needed, 2 * len(table.keys))
            slots = 1 << (SLOTS_PER_EDGE * wider - 1).bit_length()
            self._set(
                table._replace(
                    nexts=_wider(table.nexts, wider),
                    keys=_wider(table.keys, wider),
                    values=_wider(table.values, wider),
                    slots=np.full(slots, -1, np.int32),
                )
            )
            kernels.rebuild(self.table)
        return self._addresses.table

    def add(self, rows: LongArray, columns: LongArray, values: DoubleArray) -> None:
        """Add (m,) values to those of (m,) pairs."""
        self.room(len(rows))
        kernels.add_edges(self.table, rows, columns, values)

    def all(self) -> tuple[IntArray, IntArray, DoubleArray]:
        """Return rows, columns and values of every edge."""
        table, count = self.table, len(self)
        keys = table.keys[:count]
        return (keys >> 32).astype(np.int32), (keys & kernels.LOW).astype(np.int32), table.values[:count]

    def of(self, rows: LongArray) -> tuple[LongArray, IntArray, DoubleArray]:
        """Return the edges of the named rows: the place of the row among those named, column and value."""
        room = 64
        while True:
            place, column, value = np.empty(room, np.int64), np.empty(room, np.int32), np.empty(room)
            count = kernels.edges_of(self.table, rows, place, column, value)
            if count <= room:
                return place[:count], column[:count], value[:count]
            room = count


def _wider(array: NDArray[Scalar], length: int) -> NDArray[Scalar]:
    wider = np.zeros(length, array.dtype)
    wider[: len(array)] = array
    return wider
