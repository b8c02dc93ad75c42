"""The map from vectors to the few directions in which they differ most."""

from __future__ import annotations

import numpy as np

from polyscene.core.types import FloatArray


def principal_map(vectors: FloatArray, size: int, length: float) -> FloatArray:
    """Return (t, size) P; rows of `vectors @ P` that are not zero are `length` long in the mean.

    Args:
        vectors: (n, t); their own length counts, they are not centred.
        size: columns; those beyond t stay zero.
        length: see above.
    """
    width = vectors.shape[1]
    basis = np.zeros((width, size), np.float32)
    _, directions = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    some = min(size, width)
    basis[:, :some] = directions[:, ::-1][:, :some]
    lengths = np.linalg.norm(vectors @ basis, axis=1)
    usual = float(lengths[lengths > 0].mean()) if lengths.any() else 1.0
    scaled: FloatArray = (basis * length / usual).astype(np.float32)
    return scaled
