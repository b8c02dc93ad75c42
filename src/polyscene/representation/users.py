"""Users as vectors: what they did, the latest counting most."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from polyscene.core.types import FloatArray, IntArray, LongArray
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


@dataclass(frozen=True)
class Decayed:
    """What still counts of B histories, as compressed rows, the oldest first.

    Attributes:
        offsets: (B + 1,) row r's events are `offsets[r]:offsets[r + 1]`.
        items: (m,) codes; one that was chosen twice stands there twice.
        weights: (m,) `weight * decay ** age`, as in `profile`.
    """

    offsets: LongArray
    items: IntArray
    weights: FloatArray

    def __iter__(self) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield each request's items and weights."""
        for start, stop in pairwise(self.offsets.tolist()):
            yield self.items[start:stop], self.weights[start:stop]


def decayed(history: Histories, decay: float) -> Decayed:
    """Return what still counts of each history."""
    oldest = math.floor(math.log(MIN_WEIGHT) / math.log(decay))
    offsets, items, weights, ages = history.offsets, history.items, history.weights, history.ages
    if int(ages.max(initial=0)) > oldest:
        recent = ages <= oldest
        items, weights, ages = items[recent], weights[recent], ages[recent]
        offsets = np.concatenate([[0], np.cumsum(np.minimum(history.lengths, oldest + 1))])
    faded = (weights * np.float32(decay) ** ages.astype(np.float32)).astype(np.float32)
    return Decayed(offsets.astype(np.int64, copy=False), items, faded)


def taste(history: Histories, vectors: FloatArray, decay: float) -> FloatArray:
    """Return (B, d) decayed sums of the (n_items, d) vectors of what the users did."""
    if len(history) == 1:
        items, weights = next(iter(decayed(history, decay)))
        alone: FloatArray = (weights @ vectors[items])[None]
        return alone
    return np.asarray(profile(history, len(vectors), decay) @ vectors, np.float32)
