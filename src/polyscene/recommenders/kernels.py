"""Compiled loops over links: what a request reads from them and what an event adds to them.

Each does exactly what the numpy beside its caller does, in the same order and precision, so that an answer
does not depend on which of the two gave it. Loading this module loads numba, which takes half a second: see
`core.compiled`.

An `EdgeTable` is a hash table of (row, column) over edges that are chained by row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from polyscene.core.pointers import double_rows, doubles, floats, ints, longs
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.schema import UNKNOWN_TIME

DoubleArray = NDArray[np.float64]

LOW = 0xFFFFFFFF
"""The bits of a key that hold the column."""


class EdgeTable(NamedTuple):
    """Edges (row, column, value), at most one for each pair, as arrays that have room for more.

    Attributes:
        heads: (n,) the latest edge of each row; -1: none.
        nexts: (c,) the edge of the same row that came before it; -1: none.
        keys: (c,) row and column of each edge, `row << 32 | column`.
        values: (c,) of each edge.
        slots: (s,) the edge that is kept at each place of the hash table, -1: none; s is a power of two.
        size: (1,) how many edges there are.
    """

    heads: IntArray
    nexts: IntArray
    keys: LongArray
    values: DoubleArray
    slots: IntArray
    size: LongArray


_NONE = np.zeros(0, np.int32)
NO_EDGES = EdgeTable(_NONE, _NONE, np.zeros(0, np.int64), np.zeros(0), _NONE, np.zeros(1, np.int64))


@njit(cache=True, nogil=True, inline="always")
def _slot(key: int, mask: int) -> int:
    """Return the place in the hash table at which a key is looked for first."""
    return (((key >> 32) * 2654435761) ^ ((key & LOW) * 2246822519)) & mask


@njit(cache=True, nogil=True, inline="always")
def _column(table: EdgeTable, edge: int) -> int:
    """Return the column of an edge."""
    return int(table.keys[edge] & LOW)


@njit(cache=True, nogil=True)
def _add(table: EdgeTable, row: int, column: int, value: float) -> None:
    mask = len(table.slots) - 1
    key = np.int64(row) << 32 | np.int64(column)
    slot = _slot(int(key), mask)
    while True:
        edge = table.slots[slot]
        if edge < 0:
            break
        if table.keys[edge] == key:
            table.values[edge] += value
            return
        slot = (slot + 1) & mask
    edge = table.size[0]
    table.size[0] = edge + 1
    table.slots[slot] = edge
    table.keys[edge], table.values[edge] = key, value
    table.nexts[edge] = table.heads[row]
    table.heads[row] = edge


@njit(cache=True, nogil=True)
def add_edges(table: EdgeTable, rows: LongArray, columns: LongArray, values: DoubleArray) -> None:
    """Add (m,) values to the edges of (m,) rows and columns; there must be room for m more."""
    for at in range(len(rows)):
        _add(table, rows[at], columns[at], values[at])


@njit(cache=True, nogil=True)
def rebuild(table: EdgeTable) -> None:
    """Fill empty slots with the edges that there are."""
    mask = len(table.slots) - 1
    for edge in range(table.size[0]):
        slot = _slot(table.keys[edge], mask)
        while table.slots[slot] >= 0:
            slot = (slot + 1) & mask
        table.slots[slot] = edge


@njit(cache=True, nogil=True)
def _edge_table(at: LongArray) -> EdgeTable:
    """Return the table whose arrays lie at the addresses."""
    return EdgeTable(
        ints(at[0], at[1]),
        ints(at[2], at[3]),
        longs(at[4], at[5]),
        doubles(at[6], at[7]),
        ints(at[8], at[9]),
        longs(at[10], at[11]),
    )


@njit(cache=True, nogil=True)
def follow(
    edges: LongArray,
    sums_at: int,
    roots_at: int,
    past: IntArray,
    item: int,
    window: int,
    decay: float,
    backward: float,
) -> None:
    """Count that an item followed what a user did before, oldest first: see `Transitions.observe`.

    Args:
        edges: the addresses of a table with room for twice the window.
        sums_at, roots_at: where (n,) numbers of double precision, and of single precision, lie.
    """
    table = _edge_table(edges)
    sums, roots = doubles(sums_at, len(table.heads)), floats(roots_at, len(table.heads))
    back, weight = 0.0, 1.0
    for place in range(len(past) - 1, max(len(past) - window, 0) - 1, -1):
        other = past[place]
        if other != item:
            _add(table, other, item, weight)
            _add(table, item, other, weight * backward)
            sums[other] += weight
            roots[other] = 1.0 / np.sqrt(sums[other])
            back += weight * backward
        weight *= decay
    if back > 0.0:
        sums[item] += back
        roots[item] = 1.0 / np.sqrt(sums[item])


@njit(cache=True, nogil=True)
def join(
    edges: LongArray,
    owned_at: int,
    counts_at: int,
    roots_at: int,
    items: IntArray,
    weights: FloatArray,
    item: int,
    weight: float,
) -> None:
    """Strengthen the links between an item and what its user chose: see `Neighbours.observe`.

    Args:
        edges: the addresses of a table with room for twice the history.
        owned_at: where (n,) zeros of double precision lie, which are zeros again afterwards.
        counts_at, roots_at: where (n,) numbers of single precision lie: the people who had each item, and the
            roots of that.
        items, weights: (h,) everything else the user did.
    """
    table = _edge_table(edges)
    owned = doubles(owned_at, len(table.heads))
    had = 0.0
    for place in range(len(items)):
        if items[place] == item:
            had += weights[place]
    if had >= 1.0:  # the links are as strong as they get
        return
    distinct = 0
    for place in range(len(items)):
        if owned[items[place]] == 0.0 and items[place] != item:
            distinct += 1
        owned[items[place]] += weights[place]
    before: float = owned[item]
    owned[item] = 0.0
    gain = min(before + weight, 1.0) - min(before, 1.0)
    share = gain / np.sqrt(distinct + 1.0)
    for place in range(len(items)):
        other = items[place]
        strength = min(owned[other], 1.0) * share
        if owned[other] > 0.0 and gain > 0.0:
            _add(table, item, other, strength)
            _add(table, other, item, strength)
        owned[other] = 0.0
    if before == 0.0:
        counts, roots = floats(counts_at, len(table.heads)), floats(roots_at, len(table.heads))
        counts[item] += 1.0
        roots[item] = np.sqrt(counts[item])


@njit(cache=True, nogil=True)
def warm(
    heat_at: int, last_at: int, length: int, rates: DoubleArray, item: int, time: int, weight: float
) -> None:
    """Add an event to the heats of an item, which are kept as of its last event: see `fusion.trends`.

    Args:
        heat_at: where (n, H) numbers of double precision lie.
        last_at: where (n,) whole numbers of 64 bits lie, in microseconds; the least number: never.
        length: n.
        rates: (H,) what a heat's binary logarithm changes by in a microsecond; below 0.
    """
    heat, last = double_rows(heat_at, length, len(rates)), longs(last_at, length)
    elapsed = 0.0 if last[item] == UNKNOWN_TIME else float(time - last[item])
    for place in range(len(rates)):
        if elapsed >= 0.0:
            heat[item, place] = heat[item, place] * 2.0 ** (rates[place] * elapsed) + weight
        else:
            heat[item, place] += weight * 2.0 ** (-rates[place] * elapsed)
    last[item] = max(last[item], time)


@njit(cache=True, nogil=True)
def edges_of(
    table: EdgeTable, rows: LongArray, place: LongArray, column: IntArray, value: DoubleArray
) -> int:
    """Write the edges of the named rows into arrays with room for them and return how many there are."""
    count = 0
    for at in range(len(rows)):
        edge = table.heads[rows[at]]
        while edge >= 0:
            if count < len(place):
                place[count], column[count], value[count] = at, _column(table, edge), table.values[edge]
            count += 1
            edge = table.nexts[edge]
    return count


@njit(cache=True, nogil=True)
def read_links(
    indptr: LongArray,
    indices: IntArray,
    data: FloatArray,
    table: EdgeTable,
    items: IntArray,
    weights: FloatArray,
    factors: FloatArray,
    norms: FloatArray,
    shrinkage: float,
    sums: DoubleArray,
    scores: FloatArray,
    touched: IntArray,
) -> int:
    """Sum the links of a history, times its weights, into zeros; return how many items have one.

    Args:
        indptr, indices, data: the fitted rows.
        items, weights: (h,) the history.
        factors, norms, shrinkage: see `links.Scale`; empty where there are none.
        sums: (n,) zeros, and zeros again afterwards.
        scores: (n,) zeros; the result.
        touched: (n,) for the items that have a link.
    """
    count = 0
    small = np.float32(shrinkage)
    for k in range(len(items)):
        row, weight = items[k], weights[k]
        start = indptr[row] if row < len(indptr) - 1 else 0
        stop = indptr[row + 1] if row < len(indptr) - 1 else 0
        edge = table.heads[row] if len(table.heads) else -1
        at = start
        while at < stop or edge >= 0:
            if at < stop:
                column, value = indices[at], data[at]
                at += 1
            else:
                column, value = _column(table, edge), np.float32(table.values[edge])
                edge = table.nexts[edge]
            if len(factors):
                value = value * factors[row]
            if len(norms):
                value = value / (norms[row] * norms[column] + small)
            if sums[column] == 0.0 and scores[column] == 0.0:
                scores[column] = 1.0
                touched[count] = column
                count += 1
            sums[column] += value * weight
    for k in range(count):
        column = touched[k]
        scores[column] = sums[column]
        sums[column] = 0.0
    return count


@njit(cache=True, nogil=True)
def read_block(
    indptr: LongArray,
    indices: IntArray,
    data: FloatArray,
    table: EdgeTable,
    offsets: LongArray,
    items: IntArray,
    weights: FloatArray,
    factors: FloatArray,
    norms: FloatArray,
    shrinkage: float,
    sums: DoubleArray,
    scores: FloatArray,
) -> None:
    """Sum what `read_links` does, for B histories, without noting which items have a link.

    Args:
        indptr, indices, data, table, factors, norms, shrinkage: see `read_links`.
        offsets, items, weights: the histories, as compressed rows.
        sums: (n,) zeros, and zeros again afterwards.
        scores: (B, n), the result.
    """
    small = np.float32(shrinkage)
    for request in range(len(offsets) - 1):
        for k in range(offsets[request], offsets[request + 1]):
            row, weight = items[k], weights[k]
            factor = factors[row] if len(factors) else np.float32(1.0)
            start = indptr[row] if row < len(indptr) - 1 else 0
            stop = indptr[row + 1] if row < len(indptr) - 1 else 0
            if len(norms):
                norm = norms[row]
                for at in range(start, stop):
                    value = data[at] * factor / (norm * norms[indices[at]] + small)
                    sums[indices[at]] += value * weight
            else:
                for at in range(start, stop):
                    sums[indices[at]] += data[at] * factor * weight
            edge = table.heads[row] if len(table.heads) else -1
            while edge >= 0:
                column, value = _column(table, edge), np.float32(table.values[edge]) * factor
                if len(norms):
                    value = value / (norms[row] * norms[column] + small)
                sums[column] += value * weight
                edge = table.nexts[edge]
        for column in range(len(sums)):
            scores[request, column] = sums[column]
            sums[column] = 0.0
