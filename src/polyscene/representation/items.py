"""Items as vectors: the language model's, freed of what all of a catalogue shares, and who is near whom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.index_clusters import ClusterIndex

NEIGHBOURS = 20
SHARPNESS = 8.0
BLOCK = 1024
MAX_COMPARED = 50_000
"""Up to so many items every two are compared; above, those in clusters side by side."""
MIN_NORM = 1e-6


def centred(vectors: FloatArray) -> FloatArray:
    """Return unit vectors after the mean of the rows with text was taken off; rows without stay zero."""
    return shifted_unit(vectors, common_mean(vectors))


def common_mean(vectors: FloatArray) -> NDArray[np.float64]:
    """Return (d,) the mean of the (n, d) rows with text; zero where there is none."""
    has_text = np.any(vectors != 0, axis=1)
    if not has_text.any():
        return np.zeros(vectors.shape[1])
    mean: NDArray[np.float64] = vectors[has_text].mean(axis=0, dtype=np.float64)
    return mean


def shifted_unit(vectors: FloatArray, mean: NDArray[np.float64]) -> FloatArray:
    """Return (n, d) unit vectors after a mean was taken off; rows without text stay zero.

    A row that is the mean itself, as all are where every text is the same, becomes zero: it tells nothing.
    """
    has_text = np.any(vectors != 0, axis=1)
    if not has_text.any():
        return vectors.astype(np.float32)
    shifted = np.where(has_text[:, None], vectors - mean, 0.0)
    shifted[np.linalg.norm(shifted, axis=1) < MIN_NORM] = 0.0  # the mean itself: what is left is rounding
    return unit(shifted.astype(np.float32))


def unit(vectors: FloatArray) -> FloatArray:
    """Return rows of length 1; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    norms[norms == 0] = 1.0
    rows: FloatArray = (vectors / norms).astype(np.float32, copy=False)
    return rows


def neighbourhood(vectors: FloatArray) -> sparse.csr_array:
    """Return the (n, n) row-stochastic matrix of nearest items in meaning; without text, only itself."""
    n = len(vectors)
    if n > MAX_COMPARED:
        return _by_clusters(vectors)
    rows = []
    for start in range(0, n, BLOCK):
        near, weight = _nearest(vectors, np.arange(start, min(start + BLOCK, n)))
        indptr = np.arange(len(near) + 1) * near.shape[1]
        rows.append(sparse.csr_array((weight.ravel(), near.ravel(), indptr), shape=(len(near), n)))
    return sparse.vstack(rows, format="csr")


def _by_clusters(vectors: FloatArray) -> sparse.csr_array:
    """Look for each item's nearest in the clusters around it; one without text has only itself."""
    index = ClusterIndex(vectors)
    parts: list[tuple[LongArray, LongArray, FloatArray]] = []
    for own, around in index.surroundings(NEIGHBOURS * BLOCK // 8):
        near, weight = _nearest(vectors[around], np.searchsorted(around, own))
        parts.append((np.repeat(own, near.shape[1]), around[near].ravel(), weight.ravel()))
    silent = np.flatnonzero(~np.any(vectors != 0, axis=1))
    parts.append((silent, silent, np.ones(len(silent), np.float32)))
    rows, columns, data = (np.concatenate(part) for part in zip(*parts, strict=True))
    return sparse.coo_array((data, (rows, columns)), shape=(len(vectors), len(vectors))).tocsr()


def neighbours_of(vectors: FloatArray, row: int) -> tuple[LongArray, FloatArray]:
    """Return the items and weights of one row of `neighbourhood`."""
    near, weight = _nearest(vectors, np.array([row]))
    return near[0], weight[0]


def _nearest(vectors: FloatArray, own: LongArray) -> tuple[LongArray, FloatArray]:
    """Return (m, NEIGHBOURS) items and weights for each of (m,) rows, in no order; weights sum to 1."""
    most = min(NEIGHBOURS, len(vectors))
    cosine = vectors[own] @ vectors.T  # (m, n)
    rows = np.arange(len(own))
    cosine[rows, own] = np.inf  # itself is always among them, however many say the same
    near = np.argpartition(-cosine, most - 1, axis=1)[:, :most]
    cosine[rows, own] = 1.0
    weight = np.take_along_axis(cosine, near, axis=1)
    weight = np.where(weight > 0, np.exp(SHARPNESS * (weight - 1.0)), 0.0).astype(np.float32)
    weight /= weight.sum(axis=1, keepdims=True)
    return near, weight
