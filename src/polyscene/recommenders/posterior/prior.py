"""What the language model says of an item before anybody has done anything with it, in a few numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.items import unit

SHRINKAGE = 1.0
"""Of the mean eigenvalue, added to each, so that directions which few items differ in are not blown up."""
STEPS = (30, 27, 31)
FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
GOLDEN = 0x9E3779B97F4A7C15


def projection(vectors: FloatArray, rows: LongArray, size: int) -> FloatArray:
    """Return the (d, size) map from language-model vectors to priors: shrunk, whitened principal components.

    `P_k = u_k / √(λ_k + mean λ)`, with eigenvectors u and eigenvalues λ of the second moments of the rows,
    the largest first; columns beyond the rank are 0.

    Args:
        vectors: (n, d) centred unit vectors; a zero row has no text.
        rows: those that it is fitted on, so that no later item has a say.
    """
    width = vectors.shape[1]
    kept = vectors[rows].astype(np.float64)
    kept = kept[np.any(kept != 0, axis=1)]
    mapped = np.zeros((width, size), np.float32)
    if not len(kept):
        return mapped
    values, axes = np.linalg.eigh(kept.T @ kept / len(kept))
    most = min(size, width)
    values, axes = np.maximum(values[::-1][:most], 0.0), axes[:, ::-1][:, :most]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(most)])  # of an axis, either is as good
    mapped[:, :most] = axes * signs / np.sqrt(values + SHRINKAGE * values.mean())
    return mapped


def prior_means(vectors: FloatArray, rows: LongArray, mapped: FloatArray) -> FloatArray:
    """Return (m, size) unit vectors that the named items start from.

    An item without text starts somewhere of its own, the same on every machine: from 0, where users start
    too, an inner product would never move.
    """
    means = unit(vectors[rows] @ mapped)
    silent = ~np.any(means != 0, axis=1)
    means[silent] = _places(rows[silent], mapped.shape[1])
    return means


def _places(rows: LongArray, size: int) -> FloatArray:
    """Return (m, size) unit vectors that look random: `splitmix64` of row and column, see `kernels.mixed`."""
    cells = rows[:, None] * size + np.arange(1, size + 1)
    bits: NDArray[np.uint64] = cells.astype(np.uint64) * np.uint64(GOLDEN)
    for step, factor in zip(STEPS, FACTORS, strict=False):
        bits = (bits ^ (bits >> np.uint64(step))) * np.uint64(factor)
    bits = bits ^ (bits >> np.uint64(STEPS[-1]))
    uniform: NDArray[np.float64] = (bits >> np.uint64(11)).astype(np.float64) / 2.0**53
    return unit((uniform - 0.5).astype(np.float32))
