"""Item-to-item links as a sparse matrix that grows: rows as they were fitted, and what came on top since."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple, Self

import numpy as np
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray


class Entries(NamedTuple):
    """Entries of several rows, side by side; one that grew since the fit may stand in two parts.

    Attributes:
        place: (e,) which of the rows that were asked for an entry belongs to.
        column: (e,) the linked item.
        value: (e,) the raw strength.
    """

    place: LongArray
    column: IntArray
    value: FloatArray


class Links:
    """An (n, n) matrix of raw strengths.

    Args:
        matrix: as it was fitted.

    Attributes:
        added: by row and column, what came on top since.
    """

    def __init__(self, matrix: sparse.csr_array | None = None) -> None:
        self._set(sparse.csr_array((0, 0), dtype=np.float32) if matrix is None else matrix)

    def _set(self, matrix: sparse.csr_array) -> None:
        self._indptr: LongArray = matrix.indptr.astype(np.int64)
        self._indices: IntArray = matrix.indices.astype(np.int32, copy=False)
        self._data: FloatArray = matrix.data.astype(np.float32, copy=False)
        self._length = matrix.shape[0]
        self.added: defaultdict[int, dict[int, float]] = defaultdict(dict)

    def __len__(self) -> int:
        return int(self._length)

    def grow(self, length: int) -> None:
        """Make room for items up to a number; new ones are linked to nothing."""
        self._length = max(length, self._length)

    def add(self, row: int, column: int, value: float) -> None:
        """Strengthen one link."""
        columns = self.added[row]
        columns[column] = columns.get(column, 0.0) + value

    def replace(self, row: int, columns: IntArray, values: FloatArray) -> None:
        """Give a row other links than it had."""
        negative = {int(column): -float(value) for column, value in zip(*self.row(row), strict=True)}
        added = self.added[row]
        for column, value in negative.items():
            added[column] = added.get(column, 0.0) + value
        for column, value in zip(columns.tolist(), values.tolist(), strict=True):
            added[column] = added.get(column, 0.0) + value

    def clear(self, item: int) -> None:
        """Take away every link from an item and every link to it."""
        nothing = np.zeros(0, np.int32), np.zeros(0, np.float32)
        self.replace(item, *nothing)
        places = np.flatnonzero(self._indices == item)
        rows = np.searchsorted(self._indptr, places, side="right") - 1
        linked: defaultdict[int, float] = defaultdict(float)
        for row, value in zip(rows.tolist(), self._data[places].tolist(), strict=True):
            linked[row] += value
        for row, columns in self.added.items():
            linked[row] += columns.get(item, 0.0)
        for row, value in linked.items():
            if value:
                self.add(row, item, -value)

    def row(self, row: int) -> tuple[IntArray, FloatArray]:
        """Return the columns and values of one row, every column once."""
        entries = self.entries(np.array([row]))
        columns, place = np.unique(entries.column, return_inverse=True)
        return columns, np.bincount(place, entries.value, len(columns)).astype(np.float32)

    def entries(self, rows: IntArray | LongArray) -> Entries:
        """Return the entries of the named rows."""
        fitted = len(self._indptr) - 1
        if fitted < self._length:
            inside = np.minimum(rows, max(fitted - 1, 0))
            starts = np.where(rows < fitted, self._indptr[inside], 0)
            lengths = np.where(rows < fitted, self._indptr[inside + (fitted > 0)] - starts, 0)
        else:
            starts = self._indptr[rows]
            lengths = self._indptr[rows + 1] - starts
        ends = np.cumsum(lengths)
        place = np.repeat(np.arange(len(rows)), lengths)
        at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths)
        entries = Entries(place, self._indices[at], self._data[at])
        return self._with_added(rows, entries) if self.added else entries

    def _with_added(self, rows: IntArray | LongArray, entries: Entries) -> Entries:
        parts = [entries]
        for place, row in enumerate(rows.tolist()):
            added = self.added.get(row)
            if added:
                columns = np.fromiter(added.keys(), np.int32, len(added))
                values = np.fromiter(added.values(), np.float32, len(added))
                parts.append(Entries(np.full(len(added), place), columns, values))
        if len(parts) == 1:
            return entries
        return Entries(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def matrix(self) -> sparse.csr_array:
        """Return everything as one sparse matrix, and keep it so: what was added becomes part of the rows."""
        shape = (self._length, self._length)
        indptr = np.concatenate(
            [self._indptr, np.full(self._length + 1 - len(self._indptr), self._indptr[-1])]
        )
        fitted = sparse.csr_array((self._data, self._indices, indptr), shape=shape)
        if self.added:
            rows = np.repeat(list(self.added), [len(columns) for columns in self.added.values()])
            columns = np.array([column for added in self.added.values() for column in added], np.int64)
            values = np.array([value for row in self.added.values() for value in row.values()], np.float32)
            fitted = fitted + sparse.coo_array((values, (rows, columns)), shape=shape).tocsr()
            self._set(fitted)
        return fitted

    def state(self) -> Arrays:
        """Return the matrix in its sparse parts."""
        matrix = self.matrix()
        return {
            "data": matrix.data.astype(np.float32),
            "indices": matrix.indices.astype(np.int32),
            "indptr": matrix.indptr.astype(np.int64),
        }

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        length = len(state["indptr"]) - 1
        parts = (state["data"], state["indices"], state["indptr"])
        return cls(sparse.csr_array(parts, shape=(length, length)))
