"""Item-to-item links as a sparse matrix that grows: rows as they were fitted, and what came on top since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.compiled import kernels_for, zeros
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.recommenders.scores import DenseScores, LinkScores, Scores
from polyscene.representation.users import Decayed

if TYPE_CHECKING:  # numba, which a run that only answers does without
    from polyscene.recommenders.edges import Edges


KERNELS = "polyscene.recommenders.kernels"
MAX_DENSE = 20_000
"""Up to so many items, looking at all of them takes less time than noting which have a link."""


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


class Scale(NamedTuple):
    """What raw strengths mean in M: `raw · factor_row / (norm_row · norm_column + shrinkage)`.

    Attributes:
        factors: (n,) of the rows; None: 1.
        norms: (n,) of the items; None: nothing is divided.
    """

    factors: FloatArray | None = None
    norms: FloatArray | None = None
    shrinkage: float = 0.0

    def of(self, rows: IntArray | LongArray, entries: Entries) -> FloatArray:
        """Return (e,) what the entries of the named rows mean."""
        values = entries.value
        if self.factors is not None:
            values = values * self.factors[rows][entries.place]
        if self.norms is not None:
            across = self.norms[rows][entries.place] * self.norms[entries.column]
            values = values / (across + np.float32(self.shrinkage))
        return values

    def arrays(self) -> tuple[FloatArray, FloatArray, float]:
        """Return the three, empty where there is none."""
        nothing = np.zeros(0, np.float32)
        return (
            nothing if self.factors is None else self.factors,
            nothing if self.norms is None else self.norms,
            self.shrinkage,
        )


class Links:
    """An (n, n) matrix of raw strengths.

    Args:
        matrix: as it was fitted.
    """

    def __init__(self, matrix: sparse.csr_array | None = None) -> None:
        self._edges: Edges | None = None
        self._folded = False
        self._set(sparse.csr_array((0, 0), dtype=np.float32) if matrix is None else matrix)

    def changes(self) -> Arrays:
        """Return what came since the fit, apart from it; everything where it was folded in."""
        if self._folded:
            return self.state()
        nothing = np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0)
        rows, columns, values = nothing if self._edges is None else self._edges.all()
        return {
            "length": np.array(self._length),
            "added_rows": rows.copy(),
            "added_columns": columns.copy(),
            "added_values": values.copy(),
        }

    def resume(self, changes: Arrays) -> None:
        """Take in `changes` of links that were fitted equally."""
        if "length" not in changes:
            self.__dict__.update(Links.restore(changes).__dict__, _folded=True)
            return
        self.grow(int(changes["length"]))
        if len(changes["added_rows"]):
            rows, columns = (changes[name].astype(np.int64) for name in ("added_rows", "added_columns"))
            self._added().add(rows, columns, changes["added_values"])

    def _set(self, matrix: sparse.csr_array) -> None:
        self._indptr: LongArray = matrix.indptr.astype(np.int64)
        self._indices: IntArray = matrix.indices.astype(np.int32, copy=False)
        self._data: FloatArray = matrix.data.astype(np.float32, copy=False)
        self._length = matrix.shape[0]
        self._edges = None

    def __len__(self) -> int:
        return int(self._length)

    def grow(self, length: int) -> None:
        """Make room for items up to a number; new ones are linked to nothing."""
        self._length = max(length, self._length)
        if self._edges is not None:
            self._edges.grow(self._length)

    def room(self, more: int) -> LongArray:
        """Return where what came on top since the fit lies, with room for so many more links."""
        edges = self._edges
        return (self._added() if edges is None else edges).room(more)

    def _added(self) -> Edges:
        if self._edges is None:
            from polyscene.recommenders.edges import Edges

            self._edges = Edges(self._length)
        return self._edges

    def add(self, rows: Sequence[int], columns: Sequence[int], values: Sequence[float]) -> None:
        """Strengthen links, (m,) each."""
        self._added().add(np.array(rows, np.int64), np.array(columns, np.int64), np.array(values, np.float64))

    def replace(self, row: int, columns: IntArray, values: FloatArray) -> None:
        """Give a row other links than it had."""
        old_columns, old_values = self.row(row)
        every = np.concatenate([old_columns, columns])
        change = np.concatenate([-old_values.astype(np.float64), values])
        self._added().add(np.full(len(every), row), every.astype(np.int64), change)

    def clear(self, item: int) -> None:
        """Take away every link from an item and every link to it."""
        self.replace(item, np.zeros(0, np.int32), np.zeros(0, np.float32))
        places = np.flatnonzero(self._indices == item)
        fitted_rows = np.searchsorted(self._indptr, places, side="right") - 1
        rows, columns, values = self._added().all()
        here = columns == item
        linking = np.concatenate([fitted_rows, rows[here]])
        change = -np.concatenate([self._data[places].astype(np.float64), values[here]])
        self._added().add(linking.astype(np.int64), np.full(len(linking), item), change)

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
        if self._edges is None:
            return entries
        place, column, value = self._edges.of(rows.astype(np.int64))
        return Entries(
            np.concatenate([entries.place, place]),
            np.concatenate([entries.column, column]),
            np.concatenate([entries.value, value.astype(np.float32)]),
        )

    def scores(self, history: Decayed, scale: Scale) -> Scores:
        """Return the sums of the links of what people did, times how much each counts.

        Args:
            history: of B requests.
            scale: of the strengths; its row factors are those of all rows.
        """
        requests = len(history.offsets) - 1
        scores = np.zeros((requests, self._length), np.float32)
        kernels = kernels_for(requests, KERNELS)
        if kernels is None:
            for row, (items, weights) in enumerate(history):
                if len(items):
                    entries = self.entries(items)
                    values = scale.of(items, entries) * weights[entries.place]
                    scores[row] = np.bincount(entries.column, values, self._length)
            return DenseScores(scores, positive=True)
        fitted = self._indptr, self._indices, self._data
        table = kernels.NO_EDGES if self._edges is None else self._edges.table
        past = history.offsets, history.items, history.weights
        scales, sums = scale.arrays(), zeros(self._length)
        if self._length <= MAX_DENSE:
            kernels.read_block(*fitted, table, *past, *scales, sums, scores)
            return DenseScores(scores, positive=True)
        touched, room = [], np.empty(self._length, np.int32)
        for row, (items, weights) in enumerate(history):
            count = kernels.read_links(*fitted, table, items, weights, *scales, sums, scores[row], room)
            touched.append(np.sort(room[:count]))
        return LinkScores(scores, touched)

    def matrix(self) -> sparse.csr_array:
        """Return everything as one sparse matrix, and keep it so: what was added becomes part of the rows."""
        shape = (self._length, self._length)
        indptr = np.concatenate(
            [self._indptr, np.full(self._length + 1 - len(self._indptr), self._indptr[-1])]
        )
        fitted = sparse.csr_array((self._data, self._indices, indptr), shape=shape)
        if self._edges is not None:
            rows, columns, values = self._edges.all()
            added = sparse.coo_array((values.astype(np.float32), (rows, columns)), shape=shape)
            fitted = fitted + added.tocsr()
            self._set(fitted)
            self._folded = True
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
