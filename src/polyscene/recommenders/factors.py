"""Matrix factorisation by alternating least squares, through the library `implicit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from polyscene.core.arrays import Arrays
from polyscene.core.growing import GrowingArray
from polyscene.core.seeds import derived
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.scores import Scores, VectorScores
from polyscene.recommenders.signal import Evidence, Signal, SignalSettings, interactions
from polyscene.representation.index import VectorIndex
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.users import decayed
from polyscene.responsible.explanation import Sentences


class FactorsSettings(SignalSettings):
    """`[signals.factors]`: see `Factors`."""

    size: int = Field(64, ge=2, description="numbers in a vector")
    iterations: int = Field(12, ge=1)
    regularisation: float = Field(5.0, gt=0, description="λ")
    confidence: float = Field(20.0, ge=0, description="how much more a choice counts than none")
    decay: float = Field(0.9, gt=0, lt=1, description="what an event still counts after each later one")


class Factors(Signal):
    """`score(u, i) = x_uᵀ y_i`; x_u is solved from the user's present history, so nobody is out of date.

    `x_u = (YᵀY + Yᵀ(C_u - I)Y + λI)⁻¹ Yᵀ C_u 1`, with confidence `C = 1 + 20 · weight`.

    Live: item factors are those of the last fit; the history is the present one. New items score 0.

    Source: Y. Hu, Y. Koren, C. Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008.
    """

    name: ClassVar[str] = "factors"
    sentences: ClassVar[Sentences] = Sentences(
        "The pattern of your choices leads to it.",
        "People who choose {past} have a taste that leads to this.",
    )
    Settings = FactorsSettings

    def __init__(self, settings: BaseModel | None = None, items: FloatArray | None = None) -> None:
        super().__init__(settings)
        self._set(np.zeros((0, self.settings.size), np.float32) if items is None else items)

    def _set(self, items: FloatArray) -> None:
        self._rows: GrowingArray[np.float32] = GrowingArray(items)
        penalty = self.settings.regularisation * np.eye(items.shape[1])
        self._inverse: NDArray[np.float64] = np.linalg.inv(items.T @ items + penalty)
        self._index: VectorIndex | None = None

    @property
    def items(self) -> FloatArray:
        """Return (n_items, size) factors; zero where nobody chose the item."""
        return self._rows.array

    def fit(self, evidence: Evidence) -> Self:
        """Factorise the matrix of choices."""
        chosen = interactions(evidence.positive, evidence.n_users, evidence.n_items)
        settings = self.settings
        chosen.data = 1.0 + settings.confidence * chosen.data
        from implicit.als import AlternatingLeastSquares  # loaded only to learn

        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=min(settings.size, max(2, evidence.n_items - 1)),
                iterations=settings.iterations,
                regularization=settings.regularisation,
                alpha=1.0,
                random_state=derived(evidence.seed, self.name) % 2**31,
                use_gpu=False,
            )
            model.fit(sparse.csr_matrix(chosen), show_progress=False)
        counts = np.bincount(chosen.indices, minlength=evidence.n_items)
        items = np.array(model.item_factors, np.float32)
        items[counts == 0] = 0.0
        self._set(items)
        return self

    def users(self, queries: Queries) -> FloatArray:
        """Return (B, size) user factors solved from the histories."""
        past, n_items = decayed(queries.history, self.settings.decay), max(len(self.items), 1)
        rows = np.repeat(np.arange(len(queries)), np.diff(past.offsets))
        distinct, place = np.unique(rows * n_items + past.items, return_inverse=True)
        trust = self.settings.confidence * np.bincount(place, past.weights, len(distinct))
        items = distinct % n_items
        offsets = np.searchsorted(distinct, np.arange(len(queries) + 1) * n_items)
        lengths = np.diff(offsets)
        vectors = np.zeros((len(queries), self.items.shape[1]), np.float32)
        for some in _of_like_length(lengths):
            inside = np.arange(lengths[some].max()) < lengths[some][:, None]  # (m, h)
            at = np.where(inside, offsets[some][:, None] + np.arange(inside.shape[1]), 0)
            vectors[some] = self._solved(items[at], np.where(inside, trust[at], 0.0))
        return vectors

    def _solved(self, items: LongArray, trust: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (m, size) user factors of (m, h) distinct items and what is trusted in each; 0: it is none.

        With A = YᵀY + λI, the rows S of the h items and T = C - I on their diagonal it is
        `(A + SᵀTS)⁻¹ Sᵀ(1 + T)1 = A⁻¹Sᵀ (T⁻¹ + S A⁻¹ Sᵀ)⁻¹ (1 + T)T⁻¹ 1`, where h is smaller than the size.
        """
        some = trust > 0
        seen = np.where(some[:, :, None], self.items[items], 0.0).astype(np.float64)  # (m, h, size)
        inner = seen @ self._inverse
        against = np.divide(1.0, trust, out=np.ones_like(trust), where=some)
        system = inner @ seen.transpose(0, 2, 1)  # (m, h, h)
        each = np.arange(trust.shape[1])
        system[:, each, each] += against
        solved = np.linalg.solve(system, np.where(some, 1.0 + against, 0.0)[:, :, None])
        vectors: NDArray[np.float64] = (inner.transpose(0, 2, 1) @ solved)[:, :, 0]
        return vectors

    def prepare(self, queries: Queries) -> Scores:
        """Multiply user and item factors."""
        if self._index is None:
            self._index = VectorIndex(self.items)
        return VectorScores(self.users(queries), self.items, self._index)

    def support(self, history: IntArray, items: IntArray | LongArray) -> FloatArray:
        """Return each past item's share `y_iᵀ (YᵀY + λI)⁻¹ y_h` in the score of each item."""
        support: FloatArray = (self.items[items] @ self._inverse @ self.items[history].T).astype(np.float32)
        return support

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Make room for new items."""
        many = max(int(rows.max(initial=-1)) + 1 - len(self._rows), 0)
        self._rows.extend(np.zeros((many, self.items.shape[1]), np.float32))

    def state(self) -> Arrays:
        """Return the item factors."""
        return {"items": self.items}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take the factors back."""
        self._set(state["items"])
        return self


def _of_like_length(lengths: LongArray) -> Iterator[LongArray]:
    """Yield the rows that have any items, those of about the same number together."""
    sizes = np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    for size in np.unique(sizes[lengths > 0]).tolist():
        yield np.flatnonzero((sizes == size) & (lengths > 0))
