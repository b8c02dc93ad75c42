"""Items as vectors: the language model's, freed of what all of a catalogue shares, and who is near whom."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from polyscene.core.types import FloatArray

NEIGHBOURS = 20
SHARPNESS = 8.0
BLOCK = 1024
SAME = 1e-6


def centred(vectors: FloatArray) -> FloatArray:
    """Return unit vectors after the mean of the rows with text was taken off; rows without stay zero.

    A row that is the mean itself, as all are where every text is the same, becomes zero: it tells nothing.
    """
    spoken = np.any(vectors != 0, axis=1)
    if not spoken.any():
        return vectors.astype(np.float32)
    shifted = np.where(spoken[:, None], vectors - vectors[spoken].mean(axis=0, dtype=np.float64), 0.0)
    shifted[np.linalg.norm(shifted, axis=1) < SAME] = 0.0  # the mean itself: what is left is rounding
    return unit(shifted.astype(np.float32))


def unit(vectors: FloatArray) -> FloatArray:
    """Return rows of length 1; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)


def neighbourhood(vectors: FloatArray) -> sparse.csr_array:
    """Return the (n, n) row-stochastic matrix of nearest items in meaning; without text, only itself."""
    n, most = len(vectors), min(NEIGHBOURS, len(vectors))
    rows = []
    for start in range(0, n, BLOCK):
        cosine = vectors[start : start + BLOCK] @ vectors.T  # (block, n)
        own = np.arange(len(cosine))
        cosine[own, start + own] = np.inf  # itself is always among them, however many say the same
        near = np.argpartition(-cosine, most - 1, axis=1)[:, :most]
        cosine[own, start + own] = 1.0
        weight = np.take_along_axis(cosine, near, axis=1)
        weight = np.where(weight > 0, np.exp(SHARPNESS * (weight - 1.0)), 0.0).astype(np.float32)
        weight /= weight.sum(axis=1, keepdims=True)
        indptr = np.arange(len(cosine) + 1) * most
        rows.append(sparse.csr_array((weight.ravel(), near.ravel(), indptr), shape=(len(cosine), n)))
    return sparse.vstack(rows, format="csr")
