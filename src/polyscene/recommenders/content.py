"""Content: items whose words resemble what the user did, here or in other scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray
from polyscene.data.queries import Histories, Queries
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.representation.history_decay import USUAL
from polyscene.representation.items import centred, unit
from polyscene.representation.users import taste

ELSEWHERE_DECAY = 0.8


class Content(Signal):
    """Cosine between an item's language-model vector and the decayed mean of the user's history.

    The catalogue's mean is taken off first: what all texts of a shop share says nothing about taste. Items
    without text, and users without history, score 0. How fast taste fades is measured with the language
    model as it came, so that what it learned by heart does not count.

    Args:
        vectors: (n_items, d) centred unit vectors.
        decay: what an event still counts after each later one.
    """

    name: ClassVar[str] = "content"
    needs_language: ClassVar[bool] = True

    def __init__(self, vectors: FloatArray | None = None, decay: float = USUAL) -> None:
        self.vectors = np.zeros((0, 0), np.float32) if vectors is None else vectors
        self.decay = decay

    def fit(self, evidence: Evidence) -> Self:
        """Centre the vectors, and measure how fast taste fades."""
        self.vectors, self.decay = centred(evidence.vectors), evidence.decay
        return self

    def users(self, queries: Queries) -> FloatArray:
        """Return (B, d) unit profiles."""
        return unit(taste(queries.history, self.vectors, self.decay))

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
        support: FloatArray = (cosines * self.decay**ages).astype(np.float32)
        return support

    def state(self) -> Arrays:
        """Return the centred vectors and the decay."""
        return {"vectors": self.vectors, "decay": np.array(self.decay)}

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(state["vectors"], float(state["decay"]))


class ContentPrior(Content):
    """The same cosine, by the language model as it came: what it knew before this company taught it.

    Tuning learns what these people choose together, and forgets a little of what texts mean to anybody; the
    fusion weighs both. It is absent where the model is not tuned.
    """

    name: ClassVar[str] = "content_prior"

    def fit(self, evidence: Evidence) -> Self:
        """Centre the vectors of before, and measure how fast taste fades."""
        self.vectors = centred(evidence.vectors if evidence.prior is None else evidence.prior)
        self.decay = evidence.decay
        return self


class CrossScenario(Content):
    """The same cosine, with what the user did in the other scenarios: shared users carry their taste over."""

    name: ClassVar[str] = "cross_scenario"

    def __init__(
        self, vectors: FloatArray | None = None, others: Mapping[str, FloatArray] | None = None
    ) -> None:
        super().__init__(vectors)
        self.others = dict(others or {})

    def fit(self, evidence: Evidence) -> Self:
        """Centre the vectors of every scenario by its own mean."""
        self.vectors = centred(evidence.vectors if evidence.common is None else evidence.common)
        self.others = {name: centred(other.vectors) for name, other in evidence.elsewhere.items()}
        return self

    def users(self, queries: Queries) -> FloatArray:
        """Return (B, d) unit profiles of what the users did elsewhere."""
        total = np.zeros((len(queries), self.vectors.shape[1]), np.float32)
        for name, vectors in self.others.items():
            history = queries.elsewhere.get(name, Histories.of([[]] * len(queries)))
            total += taste(history, vectors, ELSEWHERE_DECAY)
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
