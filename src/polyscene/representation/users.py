"""Users as vectors: what they did, the latest counting most."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy import sparse

from polyscene.core.types import FloatArray, IntArray
from polyscene.data.queries import Histories

MIN_WEIGHT = 1e-3


def profile(history: Histories, n_items: int, decay: float) -> sparse.csr_array:
    """Return the (B, n_items) matrix of decayed history weights: `weight * decay ** age`.

    What is so old that less than a thousandth of it is left does not count any more.
    """
    data = (history.weights * decay ** history.ages.astype(np.float32)).astype(np.float32)
    recent = history.ages <= math.log(MIN_WEIGHT) / math.log(decay)
    entries = (data[recent], (history.rows[recent], history.items[recent]))
    return sparse.coo_array(entries, shape=(len(history), n_items), dtype=np.float32).tocsr()


def decayed(history: Histories, decay: float) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield each request's items and their decayed weights, `weight * decay ** age`, as in `profile`.

    An item that was chosen twice stands there twice.
    """
    oldest = math.floor(math.log(MIN_WEIGHT) / math.log(decay))
    weights = history.weights
    for start, stop in pairwise(history.offsets.tolist()):
        first = max(start, stop - 1 - oldest)
        ages = np.arange(stop - first - 1, -1, -1, dtype=np.float32)
        yield history.items[first:stop], (weights[first:stop] * np.float32(decay) ** ages).astype(np.float32)


def taste(history: Histories, vectors: FloatArray, decay: float) -> FloatArray:
    """Return (B, d) decayed sums of the (n_items, d) vectors of what the users did."""
    if len(history) == 1:
        items, weights = next(decayed(history, decay))
        alone: FloatArray = (weights @ vectors[items])[None]
        return alone
    return np.asarray(profile(history, len(vectors), decay) @ vectors, np.float32)
