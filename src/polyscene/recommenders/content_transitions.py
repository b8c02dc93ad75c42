"""Content neighbours of transitions: what the neighbours in meaning of the last items led to."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from polyscene.core.types import FloatArray
from polyscene.data.queries import Queries
from polyscene.recommenders.content import centred
from polyscene.recommenders.signal import Arrays, Evidence, Signal, packed, profile, top_per_row, unpacked
from polyscene.recommenders.transitions import HISTORY_DECAY, Transitions

NEIGHBOURS = 20
SHARPNESS = 8.0
MOST = 400
BETWEEN = 50  # links kept at the two inner steps; more cost time and change nothing that can be seen
BLOCK = 1024


class ContentTransitions(Signal):
    """`score(u, ·) = Σ_k decay^age(k) · (N C Nᵀ)[h_k, ·]`.

    C are the transitions; N (n_items, n_items) gives every item its 20 nearest in meaning, itself among
    them, weighted by a softmax over cosines. So an item nobody has touched both inherits what its
    neighbours led to, and is reached where its neighbours were reached.
    """

    name: ClassVar[str] = "content_transitions"
    needs_language: ClassVar[bool] = True

    def __init__(self, matrix: sparse.csr_array | None = None) -> None:
        self.matrix = sparse.csr_array((0, 0), dtype=np.float32) if matrix is None else matrix

    def fit(self, evidence: Evidence) -> Self:
        """Smooth the transitions over meaning, on both sides."""
        near = neighbourhood(centred(evidence.vectors))
        follows = top_per_row(Transitions().fit(evidence).matrix, BETWEEN)
        reached = near.T.tocsr()
        rows = []
        for start in range(0, evidence.n_items, BLOCK):
            led_to = top_per_row((near[start : start + BLOCK] @ follows).tocsr(), BETWEEN)
            rows.append(top_per_row((led_to @ reached).tocsr(), MOST))
        self.matrix = sparse.vstack(rows, format="csr").astype(np.float32)
        return self

    def score(self, queries: Queries) -> FloatArray:
        """Sum the smoothed rows of what the user did."""
        past = profile(queries.history, self.matrix.shape[0], HISTORY_DECAY)
        return np.asarray((past @ self.matrix).todense(), dtype=np.float32)

    def state(self) -> Arrays:
        """Return the smoothed transitions."""
        return packed(self.matrix, "matrix")

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(unpacked(state, "matrix"))


def neighbourhood(vectors: FloatArray) -> sparse.csr_array:
    """Return the (n, n) row-stochastic matrix of nearest items in meaning; without text, only itself."""
    n, most = len(vectors), min(NEIGHBOURS, len(vectors))
    rows = []
    for start in range(0, n, BLOCK):
        cosine = vectors[start : start + BLOCK] @ vectors.T  # (block, n)
        own = np.arange(len(cosine))
        cosine[own, start + own] = 1.0
        near = np.argpartition(-cosine, most - 1, axis=1)[:, :most]
        weight = np.take_along_axis(cosine, near, axis=1)
        weight = np.where(weight > 0, np.exp(SHARPNESS * (weight - 1.0)), 0.0).astype(np.float32)
        weight /= weight.sum(axis=1, keepdims=True)
        indptr = np.arange(len(cosine) + 1) * most
        rows.append(sparse.csr_array((weight.ravel(), near.ravel(), indptr), shape=(len(cosine), n)))
    return sparse.vstack(rows, format="csr")
