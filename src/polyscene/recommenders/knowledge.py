"""Knowledge: items that a knowledge graph ties to the same things as what a person chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.scores import Scores, VectorScores
from polyscene.recommenders.signal import Evidence, Need, Signal, SignalSettings
from polyscene.representation.graph import graph_vectors, named_ties
from polyscene.representation.history_decay import DEFAULT_DECAY, history_decay
from polyscene.representation.index_rows import IndexedRows
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.items import unit
from polyscene.representation.users import taste
from polyscene.responsible.explanation import Sentences

CLOSE = 0.3
"""With a smaller cosine an item is not said to be tied to another."""
MAX_NAMES = 12
"""So many things that an item is tied to may be named."""


class KnowledgeSettings(SignalSettings):
    """`[signals.knowledge]`: see `Knowledge`."""

    decay: float | None = Field(
        None, gt=0, lt=1, description="what an event still counts after each later one; default: measured"
    )
    width: int = Field(64, ge=2, description="numbers of an item's vector")
    second_step: float = Field(0.5, ge=0, le=1, description="what two steps of the graph count beside one")


class Knowledge(Signal):
    """Cosine between an item's graph vector and the decayed mean of the user's history.

    An item's vector is made of what surrounds its entity, see `graph_vectors`: no event is needed for it, so
    that an item that nobody chose yet is compared like any other. Items of which the graph tells nothing, and
    users without history, score 0. How fast taste fades is measured with these vectors.

    Live: equal to a fit on all events with the decay of the last fit; a new item is known to the graph from
    the next training on.
    """

    name: ClassVar[str] = "knowledge"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.KNOWLEDGE})
    sentences: ClassVar[Sentences] = Sentences(
        "What is known about it goes with what you chose.",
        "What is known about it goes with {past}, which you chose.",
        "It has to do with {trait}, as {past}, which you chose, does.",
    )
    Settings = KnowledgeSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.decay = self.settings.decay or DEFAULT_DECAY
        self._rows = IndexedRows(np.zeros((0, self.settings.width), np.float32))
        self._names: list[str] = []
        self._ties: list[IntArray] = []

    @property
    def vectors(self) -> FloatArray:
        """Return (n_items, d) centred unit vectors."""
        return self._rows.array

    def fit(self, evidence: Evidence) -> Self:
        """Make the vectors, and measure how fast taste fades."""
        assert evidence.knowledge is not None
        settings = self.settings
        vectors = graph_vectors(evidence.knowledge, settings.width, settings.second_step, evidence.seed)
        self._rows = IndexedRows(vectors)
        self._names, self._ties = named_ties(evidence.knowledge, MAX_NAMES)
        self.decay = settings.decay or history_decay(
            evidence.positive, evidence.n_users, evidence.clock, vectors, evidence.seed
        )
        return self

    def prepare(self, queries: Queries) -> Scores:
        """Compare profiles with items."""
        profiles = unit(taste(queries.history, self.vectors, self.decay))
        return VectorScores(profiles, self.vectors, self._rows.index)

    def support(self, history: IntArray, items: IntArray | LongArray) -> FloatArray:
        """Return each past item's cosine with each item, decayed by age; 0 for what is not close."""
        ages = np.arange(len(history))[::-1]
        cosines = self.vectors[items] @ self.vectors[history].T
        cosines = np.where(cosines < CLOSE, 0.0, cosines)
        support: FloatArray = (cosines * self.decay**ages).astype(np.float32)
        return support

    def shared(self, item: int, past: int) -> Sequence[str]:
        """Return the names of what the graph ties both items to, the rarest first."""
        if max(item, past) >= len(self._ties):
            return ()
        both = self._ties[item][np.isin(self._ties[item], self._ties[past])]
        return tuple(f"“{self._names[code]}”" for code in both.tolist())

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Make room for new items, of which the graph told nothing."""
        new = rows[rows >= len(self._rows)]
        if len(new):
            self._rows.place(new, np.zeros((len(new), self.vectors.shape[1]), np.float32))

    def state(self) -> Arrays:
        """Return the vectors, the decay, and the names of what items are tied to."""
        names = [name.encode() for name in self._names]
        return {
            "decay": np.array(self.decay),
            "vectors": np.array(self.vectors),
            "names": np.frombuffer(b"".join(names), np.uint8).copy(),
            "name_lengths": np.array([len(name) for name in names], np.int64),
            "ties": np.concatenate([*self._ties, np.zeros(0, np.int32)]).astype(np.int32),
            "tie_lengths": np.array([len(one) for one in self._ties], np.int64),
        }

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take everything back."""
        self.decay, self._rows = float(state["decay"]), IndexedRows(state["vectors"])
        ends = np.cumsum(state["name_lengths"])[:-1]
        names = np.split(state["names"], ends) if len(state["name_lengths"]) else []
        self._names = [name.tobytes().decode() for name in names]
        ties = np.split(state["ties"], np.cumsum(state["tie_lengths"])[:-1])
        self._ties = ties if len(state["tie_lengths"]) else []
        return self

    def changes(self) -> Arrays:
        """Return how many items there are: no vector changes between two fits."""
        return {"length": np.array(len(self._rows))}

    def resume(self, changes: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> None:
        """Make room for as many items."""
        nothing: LongArray = np.zeros(0, np.int64)
        self.extend(np.arange(len(self._rows), int(changes["length"])), nothing)
