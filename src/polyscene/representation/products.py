"""Inner products of a request's vector with those of some items.

Summed in one order of their own, so that an answer has the same bits whether numpy or a compiled loop gave
it: `LANES` sums run beside each other, the i-th over every `LANES`-th number from the i-th on; then the
second half of them is added to the first, until one is left. They differ from a product by the linear
algebra library in the order of summation alone: by less than 1e-6 of the vectors' lengths multiplied.
"""

from __future__ import annotations

import numpy as np

from polyscene.core.compiled import kernels_for, nowhere
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.representation.lanes import LANES

KERNELS = "polyscene.representation.product_kernels"
AT_ONCE = 256
"""So many vectors at once stay in the processor's cache."""
Known = tuple[LongArray, FloatArray]
"""Distinct codes, and their products."""
NOTHING_KNOWN: Known = np.zeros(0, np.int64), np.zeros(0, np.float32)


def inner_products(
    vectors: FloatArray, codes: IntArray | LongArray, query: FloatArray, known: Known = NOTHING_KNOWN
) -> FloatArray:
    """Return (C,) products of the named of (n, d) vectors with a (d,) query; known ones are looked up."""
    products = np.empty(len(codes), np.float32)
    if (kernels := kernels_for(0, KERNELS)) is not None:
        whole = codes.astype(np.int64, copy=False)
        kernels.inner_products(vectors, whole, query, *known, nowhere(len(vectors)), products)
        return products
    place = places(known[0], codes, len(vectors))
    there = place >= 0
    products[there] = known[1][place[there]]
    left = np.flatnonzero(~there)
    for start in range(0, len(left), AT_ONCE):
        some = left[start : start + AT_ONCE]
        products[some] = in_lanes(vectors[codes[some]], query)
    return products


def in_lanes(vectors: FloatArray, query: FloatArray) -> FloatArray:
    """Return (m,) products of (m, d) vectors with a query."""
    width = vectors.shape[1]
    parts = np.zeros((len(vectors), -(-width // LANES) * LANES), np.float32)
    np.multiply(vectors, query, out=parts[:, :width])
    lanes: FloatArray = parts.reshape(len(vectors), parts.shape[1] // LANES, LANES).sum(axis=1)
    while (half := lanes.shape[1] // 2) > 0:
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]


def places(items: LongArray, codes: IntArray | LongArray, length: int) -> LongArray:
    """Return (C,) where each code stands among the (m,) items, each of which stands there once; -1: nowhere.

    Args:
        length: all codes are below it.
    """
    space = nowhere(length)
    space[items] = np.arange(len(items))
    place: LongArray = space[codes]
    space[items] = -1
    return place
