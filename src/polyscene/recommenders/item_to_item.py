"""What all item-to-item signals share: a sparse matrix of links, read from the user's decayed history."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray
from polyscene.data.queries import Queries
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.representation.users import profile


class ItemToItem(Signal):
    """`score(u, j) = Σ_k weight_k · decay^age(k) · M[h_k, j]` over the history h; the last has age 0.

    A subclass names its `decay` and makes the (n_items, n_items) matrix M in `links`.
    """

    decay: ClassVar[float]

    def __init__(self, matrix: sparse.csr_array | None = None) -> None:
        self.matrix = sparse.csr_array((0, 0), dtype=np.float32) if matrix is None else matrix

    def links(self, evidence: Evidence) -> sparse.csr_array:
        """Return M, learned from the evidence."""
        raise TypeError(f"{type(self).__name__} does not say how to make its links")

    def fit(self, evidence: Evidence) -> Self:
        """Make the matrix."""
        self.matrix = self.links(evidence).astype(np.float32)
        return self

    def score(self, queries: Queries) -> FloatArray:
        """Sum the rows of what the users did."""
        past = profile(queries.history, self.matrix.shape[0], self.decay)
        return np.asarray((past @ self.matrix).todense(), dtype=np.float32)

    def support(self, history: IntArray, item: int) -> FloatArray:
        """Return the link from each history item to the item, decayed by age."""
        ages = np.arange(len(history))[::-1]
        links = np.array([self.matrix[int(past), item] for past in history], np.float32)
        return (links * self.decay**ages).astype(np.float32)

    def state(self) -> Arrays:
        """Return the matrix in its sparse parts."""
        return {
            "data": self.matrix.data.astype(np.float32),
            "indices": self.matrix.indices.astype(np.int32),
            "indptr": self.matrix.indptr.astype(np.int64),
            "shape": np.array(self.matrix.shape, np.int64),
        }

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        shape = tuple(int(n) for n in state["shape"])
        return cls(sparse.csr_array((state["data"], state["indices"], state["indptr"]), shape=shape))
