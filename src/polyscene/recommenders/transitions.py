"""Transitions: what tends to follow what, by decayed co-occurrence in order."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from polyscene.core.types import FloatArray
from polyscene.data.queries import Queries
from polyscene.data.schema import EventLog
from polyscene.recommenders.signal import Arrays, Evidence, Signal, packed, profile, top_per_row, unpacked

WINDOW = 10
PAIR_DECAY = 0.8
BACKWARD = 0.4
HISTORY_DECAY = 0.5
MOST = 500


class Transitions(Signal):
    """`score(u, j) = Σ_k 0.5^age(k) · C[h_k, j]` over the user's history h.

    `C[i, j]` adds `0.8^(gap - 1)` for every time that j followed i within ten choices of one user, and 0.4
    times that for every time that it came before; rows are divided by the root of their sum, which keeps
    popular items from speaking too loudly without silencing them.
    """

    name: ClassVar[str] = "transitions"

    def __init__(self, matrix: sparse.csr_array | None = None) -> None:
        self.matrix = sparse.csr_array((0, 0), dtype=np.float32) if matrix is None else matrix

    def fit(self, evidence: Evidence) -> Self:
        """Count ordered pairs."""
        counts = ordered_pairs(evidence.positive, evidence.n_items)
        sums = np.asarray(counts.sum(axis=1)).ravel()
        scale = 1.0 / np.sqrt(np.maximum(sums, 1e-12))
        self.matrix = top_per_row((sparse.diags_array(scale) @ counts).tocsr().astype(np.float32), MOST)
        return self

    def score(self, queries: Queries) -> FloatArray:
        """Sum the rows of what the user did, the last one counting most."""
        past = profile(queries.history, self.matrix.shape[0], HISTORY_DECAY)
        return np.asarray((past @ self.matrix).todense(), dtype=np.float32)

    def state(self) -> Arrays:
        """Return the matrix."""
        return packed(self.matrix, "matrix")

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(unpacked(state, "matrix"))


def ordered_pairs(events: EventLog, n_items: int) -> sparse.csr_array:
    """Return the (n_items, n_items) sums of pair weights of all users' events in order."""
    order = np.lexsort((events.time, events.user))
    user, item = events.user[order], events.item[order]
    shape = (n_items, n_items)
    total = sparse.csr_array(shape, dtype=np.float32)
    for gap in range(1, min(WINDOW, len(user) - 1) + 1):
        same = (user[gap:] == user[:-gap]) & (item[gap:] != item[:-gap])
        earlier, later = item[:-gap][same], item[gap:][same]
        weight = np.full(len(earlier), PAIR_DECAY ** (gap - 1), np.float32)
        forward = sparse.coo_array((weight, (earlier, later)), shape=shape).tocsr()
        total = total + forward + BACKWARD * forward.T.tocsr()
    return total
