"""Content: items whose words resemble what the user did, here or in other scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from polyscene.core.types import FloatArray, IntArray
from polyscene.data.queries import Histories, Queries
from polyscene.recommenders.signal import Arrays, Evidence, Signal, profile

HISTORY_DECAY = 0.8
SAME = 1e-6


class Content(Signal):
    """Cosine between an item's language-model vector and the decayed mean of the user's history.

    The catalogue's mean is taken off first: what all texts of a shop share says nothing about taste. Items
    without text, and users without history, score 0.
    """

    name: ClassVar[str] = "content"
    needs_language: ClassVar[bool] = True

    def __init__(self, vectors: FloatArray | None = None) -> None:
        self.vectors = np.zeros((0, 0), np.float32) if vectors is None else vectors

    def fit(self, evidence: Evidence) -> Self:
        """Centre the vectors."""
        self.vectors = centred(evidence.vectors)
        return self

    def users(self, queries: Queries) -> FloatArray:
        """Return (B, d) unit profiles."""
        past = profile(queries.history, len(self.vectors), HISTORY_DECAY)
        return unit(np.asarray(past @ self.vectors, np.float32))

    def score(self, queries: Queries) -> FloatArray:
        """Compare with every item."""
        scores: FloatArray = self.users(queries) @ self.vectors.T
        return scores

    def score_candidates(self, queries: Queries, candidates: IntArray) -> FloatArray:
        """Compare with the candidates only."""
        scores: FloatArray = np.einsum("bd,bcd->bc", self.users(queries), self.vectors[candidates])
        return scores

    def support(self, history: IntArray, item: int) -> FloatArray:
        """Return each past item's cosine with the item, decayed by age."""
        ages = np.arange(len(history))[::-1]
        cosines = self.vectors[history] @ self.vectors[item]
        support: FloatArray = (cosines * HISTORY_DECAY**ages).astype(np.float32)
        return support

    def state(self) -> Arrays:
        """Return the centred vectors."""
        return {"vectors": self.vectors}

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(state["vectors"])


class ContentElsewhere(Content):
    """The same cosine, with what the user did in the other scenarios: shared users carry their taste over."""

    name: ClassVar[str] = "elsewhere"

    def __init__(
        self, vectors: FloatArray | None = None, others: Mapping[str, FloatArray] | None = None
    ) -> None:
        super().__init__(vectors)
        self.others = dict(others or {})

    def fit(self, evidence: Evidence) -> Self:
        """Centre the vectors of every scenario by its own mean."""
        super().fit(evidence)
        self.others = {name: centred(other.vectors) for name, other in evidence.elsewhere.items()}
        return self

    def users(self, queries: Queries) -> FloatArray:
        """Return (B, d) unit profiles of what the users did elsewhere."""
        total = np.zeros((len(queries), self.vectors.shape[1]), np.float32)
        for name, vectors in self.others.items():
            history = queries.elsewhere.get(name, Histories.of([[]] * len(queries)))
            total += profile(history, len(vectors), HISTORY_DECAY) @ vectors
        return unit(total)

    def support(self, history: IntArray, item: int) -> FloatArray:
        """Nothing in this scenario speaks for the item: what does lies elsewhere."""
        return np.zeros(len(history), np.float32)

    def state(self) -> Arrays:
        """Return the centred vectors of every scenario."""
        return {"vectors": self.vectors} | {f"other.{name}": rows for name, rows in self.others.items()}

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        others = {key.removeprefix("other."): rows for key, rows in state.items() if key.startswith("other.")}
        return cls(state["vectors"], others)


def centred(vectors: FloatArray) -> FloatArray:
    """Return unit vectors after the mean of the rows with text was taken off; rows without stay zero.

    A row that is the mean itself, as all are where every text is the same, becomes zero: it tells nothing.
    """
    spoken = np.any(vectors != 0, axis=1)
    if not spoken.any():
        return vectors.astype(np.float32)
    shifted = np.where(spoken[:, None], vectors - vectors[spoken].mean(axis=0, dtype=np.float64), 0.0)
    shifted[np.linalg.norm(shifted, axis=1) < SAME] = 0.0  # the mean itself: what is left is rounding
    return unit(shifted.astype(np.float32))


def unit(vectors: FloatArray) -> FloatArray:
    """Return rows of length 1; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
