"""Compiled loops over vectors.

Each gives what the numpy beside its caller gives, to the last bit: sums run in the same order there and here,
and no multiplication is joined with an addition. Loading this module loads numba: see
`core.compiled`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.lanes import LANES


@njit(cache=True, nogil=True)
def _product(row: FloatArray, query: FloatArray, lanes: FloatArray) -> float:
    """Return one product, summed in lanes, (`LANES`,) of anything."""
    width = len(row)
    whole = width - width % LANES
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
    product: float = lanes[0]
    return product


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
    lanes = np.empty(LANES, np.float32)
    for k in range(len(codes)):
        code = codes[k]
        if place[code] >= 0:
            out[k] = products[place[code]]
            continue
        out[k] = _product(vectors[code], query, lanes)
    for k in range(len(known)):
        place[known[k]] = -1


@njit(cache=True, nogil=True)
def cluster_products(
    vectors: FloatArray,
    codes: LongArray,
    starts: LongArray,
    sizes: LongArray,
    clusters: LongArray,
    query: FloatArray,
    codes_out: LongArray,
    products: FloatArray,
) -> None:
    """Write the codes of some clusters and their products with a query: see `packed.PackedClusters.near`.

    Args:
        vectors, codes: (m, d) and (m,), side by side by cluster.
        starts, sizes: (k,) where each cluster's lie.
        clusters: (c,) which are wanted.
        query: (d,).
        codes_out, products: the result, of the length of all wanted clusters.
    """
    lanes = np.empty(LANES, np.float32)
    place = 0
    for cluster in clusters:
        for row in range(starts[cluster], starts[cluster] + sizes[cluster]):
            codes_out[place], products[place] = codes[row], _product(vectors[row], query, lanes)
            place += 1
