"""Compiled loops over the candidates of one request.

Each gives what the numpy beside its caller gives, to the last bit: sums run in the same order there and here,
and no multiplication is joined with an addition. Loading this module loads numba: see
`recommenders.compiled`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.recommenders.lanes import LANES


@njit(cache=True, nogil=True)
def inner_products(
    vectors: FloatArray,
    codes: LongArray,
    query: FloatArray,
    known: LongArray,
    products: FloatArray,
    place: LongArray,
    out: FloatArray,
) -> None:
    """Write the inner products of some vectors with a query: see `products.inner_products`.

    Args:
        vectors: (n, d).
        codes: (C,) of the vectors.
        query: (d,).
        known, products: (m,) codes whose products are there already.
        place: (n,) of -1, and -1 again afterwards.
        out: (C,), the result.
    """
    for k in range(len(known)):
        place[known[k]] = k
    width = vectors.shape[1]
    whole = width - width % LANES
    lanes = np.empty(LANES, np.float32)
    for k in range(len(codes)):
        code = codes[k]
        if place[code] >= 0:
            out[k] = products[place[code]]
            continue
        row = vectors[code]
        for lane in range(LANES):
            lanes[lane] = 0.0
        for start in range(0, whole, LANES):
            for lane in range(LANES):
                lanes[lane] += row[start + lane] * query[start + lane]
        for at in range(whole, width):
            lanes[at - whole] += row[at] * query[at]
        half = LANES // 2
        while half:
            for lane in range(half):
                lanes[lane] += lanes[lane + half]
            half //= 2
        out[k] = lanes[0]
    for k in range(len(known)):
        place[known[k]] = -1


@njit(cache=True, nogil=True)
def open_positive(scores: FloatArray, closed: BoolArray, items: LongArray, values: FloatArray) -> int:
    """Write the open items with a positive score, ascending, and these scores; return how many there are.

    Args:
        scores: (n,).
        closed: (n,) True where an item may not be shown.
        items, values: (n,), the result, of which the first ones are written.
    """
    count = 0
    for item in range(len(scores)):  # without a branch: which are positive cannot be foretold
        items[count], values[count] = item, scores[item]
        count += (scores[item] > 0.0) & ~closed[item]
    return count
