"""What all scenarios' people do, learned by one network that scenarios and tasks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.multitask.inference import MultitaskWeights
from polyscene.recommenders.scores import DenseScores, Scores
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences


class Multitask(Signal):
    """`Σ_t μ_t z_t(u, i, s)` over the tasks that put items in order.

    z is what a network makes of user, item and scenario: texts, attributes, tastes here and elsewhere, and a
    vector of their own for those who have done enough. The network is trained on all scenarios and objectives
    together, `L = Σ_s λ_s Σ_t μ_t L_{s,t}`, then tuned for each scenario; `[multitask]` says how. A scenario
    that would lose by it has a network of its own, and one in which nothing can be learned has none: then
    this says nothing there.

    Live: the weights are those of the last fit; the history is the present one. New items count by their
    text, new users by their history.
    """

    name: ClassVar[str] = "multitask"
    sentences: ClassVar[Sentences] = Sentences(
        "What you and others did, here and elsewhere, makes it likely that you choose it."
    )

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self._set(None, 0)

    def _set(self, weights: MultitaskWeights | None, n_items: int) -> None:
        self.weights, self._n_items = weights, n_items
        self._features = np.zeros((0, 0), np.float32)
        self._placed: LongArray = np.zeros(0, np.int64)
        if weights is not None:
            self._features = weights.item_features(np.arange(n_items))

    def fit(self, evidence: Evidence) -> Self:
        """Take what was learned of all scenarios together; without it there is nothing to say."""
        weights = None if evidence.joint is None else evidence.joint()
        self._set(weights, evidence.n_items)
        return self

    def prepare(self, queries: Queries) -> Scores:
        """Compute the whole catalogue."""
        if self.weights is None:
            return DenseScores(np.zeros((len(queries), self._n_items), np.float32))
        outs = self.weights.outputs(queries, self._features)
        return DenseScores(self.weights.scores(outs))

    def predictions(self, queries: Queries, candidates: IntArray | LongArray) -> dict[str, FloatArray]:
        """Return (B, C) by task of (B, C) items: a calibrated probability, or a value in its own unit."""
        if self.weights is None:
            return {}
        return self.weights.predictions(self.weights.outputs(queries, self._features, candidates))

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Place new and edited items by their text."""
        self._n_items = max(self._n_items, int(rows.max(initial=-1)) + 1)
        if self.weights is not None:
            self._place(rows, self.weights.item_features(rows))

    def _place(self, rows: LongArray, features: FloatArray) -> None:
        grown = np.zeros((self._n_items, self._features.shape[1]), np.float32)
        grown[: len(self._features)] = self._features
        grown[rows] = features
        self._features, self._placed = grown, np.union1d(self._placed, rows)

    def changes(self) -> Arrays:
        """Return the items that came or changed since the fit."""
        return {
            "n_items": np.array(self._n_items),
            "placed": self._placed,
            "features": self._features[self._placed] if len(self._features) else self._features,
        }

    def resume(self, changes: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> None:
        """Put these items where they were."""
        self._n_items = int(changes["n_items"])
        if self.weights is not None:
            self._place(changes["placed"], changes["features"])

    def state(self) -> Arrays:
        """Return weights and tables; the texts' vectors are the item space's."""
        return {} if self.weights is None else self.weights.state()

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take them back."""
        weights = MultitaskWeights.restore(state, space, others) if state else None
        self._set(weights, len(space))
        return self
