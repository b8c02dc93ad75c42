"""Item neighbours: items chosen by the same people, whatever the order."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from polyscene.core.types import FloatArray
from polyscene.data.queries import Queries
from polyscene.recommenders.signal import (
    Arrays,
    Evidence,
    Signal,
    interactions,
    packed,
    profile,
    top_per_row,
    unpacked,
)

MOST = 200
SHRINKAGE = 5.0
HISTORY_DECAY = 0.8


class Neighbours(Signal):
    """`score(u, j) = Σ_k decay^age(k) · S[h_k, j]`, with the shrunk cosine `S = x_iᵀx_j / (|x_i||x_j| + 5)`.

    Each user's column is first divided by the root of the user's activity, so that one who chose everything
    does not make everything alike.
    """

    name: ClassVar[str] = "neighbours"

    def __init__(self, matrix: sparse.csr_array | None = None) -> None:
        self.matrix = sparse.csr_array((0, 0), dtype=np.float32) if matrix is None else matrix

    def fit(self, evidence: Evidence) -> Self:
        """Compare every two items that share a user."""
        chosen = interactions(evidence.positive, evidence.n_users, evidence.n_items)
        chosen.data = np.minimum(chosen.data, 1.0)
        activity = np.maximum(np.diff(chosen.indptr), 1)
        damped = (sparse.diags_array(1 / np.sqrt(activity).astype(np.float32)) @ chosen).tocsr()
        together = (damped.T @ chosen).tocoo()
        norms = np.sqrt(np.bincount(chosen.indices, minlength=evidence.n_items).astype(np.float32))
        other = together.row != together.col
        row, col = together.row[other], together.col[other]
        data = together.data[other] / (norms[row] * norms[col] + SHRINKAGE)
        shape = (evidence.n_items, evidence.n_items)
        self.matrix = top_per_row(sparse.coo_array((data, (row, col)), shape=shape).tocsr(), MOST)
        return self

    def score(self, queries: Queries) -> FloatArray:
        """Sum the neighbourhoods of what the user did."""
        past = profile(queries.history, self.matrix.shape[0], HISTORY_DECAY)
        return np.asarray((past @ self.matrix).todense(), dtype=np.float32)

    def state(self) -> Arrays:
        """Return the neighbourhoods."""
        return packed(self.matrix, "matrix")

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(unpacked(state, "matrix"))
