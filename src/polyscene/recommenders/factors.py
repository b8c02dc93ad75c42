"""Matrix factorisation by alternating least squares, through the library `implicit`."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from polyscene.core.arrays import Arrays
from polyscene.core.seeds import derived
from polyscene.core.types import FloatArray, IntArray
from polyscene.data.queries import Queries
from polyscene.recommenders.signal import Evidence, Signal, interactions
from polyscene.representation.users import profile

SIZE = 64
ITERATIONS = 12
REGULARISATION = 5.0
CONFIDENCE = 20.0
HISTORY_DECAY = 0.9


class Factors(Signal):
    """`score(u, i) = x_uᵀ y_i`; x_u is solved from the user's present history, so nobody is out of date.

    `x_u = (YᵀY + Yᵀ(C_u - I)Y + λI)⁻¹ Yᵀ C_u 1`, with confidence `C = 1 + 20 · weight`.

    Source: Y. Hu, Y. Koren, C. Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008.
    """

    name: ClassVar[str] = "factors"

    def __init__(self, items: FloatArray | None = None) -> None:
        self.items = np.zeros((0, SIZE), np.float32) if items is None else items
        self._gram = self.items.T @ self.items + REGULARISATION * np.eye(self.items.shape[1])

    def fit(self, evidence: Evidence) -> Self:
        """Factorise the matrix of choices."""
        chosen = interactions(evidence.positive, evidence.n_users, evidence.n_items)
        chosen.data = 1.0 + CONFIDENCE * chosen.data
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=min(SIZE, max(2, evidence.n_items - 1)),
                iterations=ITERATIONS,
                regularization=REGULARISATION,
                alpha=1.0,
                random_state=derived(evidence.seed, self.name) % 2**31,
                use_gpu=False,
            )
            model.fit(sparse.csr_matrix(chosen), show_progress=False)
        counts = np.bincount(chosen.indices, minlength=evidence.n_items)
        items = np.array(model.item_factors, np.float32)
        items[counts == 0] = 0.0
        return self._with(items)

    def _with(self, items: FloatArray) -> Self:
        self.items = items
        self._gram = items.T @ items + REGULARISATION * np.eye(items.shape[1])
        return self

    def users(self, queries: Queries) -> FloatArray:
        """Return (B, d) user factors solved from the histories."""
        past = profile(queries.history, len(self.items), HISTORY_DECAY)
        vectors = np.zeros((len(queries), self.items.shape[1]), np.float32)
        for row in range(len(queries)):
            lo, hi = past.indptr[row], past.indptr[row + 1]
            if hi > lo:
                seen = self.items[past.indices[lo:hi]]
                trust = CONFIDENCE * past.data[lo:hi, None]
                vectors[row] = np.linalg.solve(self._gram + seen.T @ (trust * seen), seen.T @ (1 + trust))[
                    :, 0
                ]
        return vectors

    def score(self, queries: Queries) -> FloatArray:
        """Multiply user and item factors."""
        scores: FloatArray = self.users(queries) @ self.items.T
        return scores

    def score_candidates(self, queries: Queries, candidates: IntArray) -> FloatArray:
        """Multiply only with the candidates' factors."""
        scores: FloatArray = np.einsum("bd,bcd->bc", self.users(queries), self.items[candidates])
        return scores

    def support(self, history: IntArray, item: int) -> FloatArray:
        """Return each past item's share `y_iᵀ (YᵀY + λI)⁻¹ y_h` in the score."""
        solved = np.linalg.solve(self._gram, self.items[item])
        return (self.items[history] @ solved).astype(np.float32)

    def state(self) -> Arrays:
        """Return the item factors."""
        return {"items": self.items}

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(state["items"])
