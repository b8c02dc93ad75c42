"""What all item-to-item signals share: a sparse matrix of links, read from the user's decayed history."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Self

import numpy as np
from pydantic import BaseModel, Field
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.links import Entries, Links, Scale
from polyscene.recommenders.scores import Scores
from polyscene.recommenders.signal import Evidence, Signal, SignalSettings
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.users import decayed


class ItemToItemSettings(SignalSettings):
    """What every item-to-item signal may be told.

    `decay` is what an event still counts after each later one, `max_links` how many links a row keeps.
    """

    decay: float = Field(0.8, gt=0, lt=1)
    max_links: int = Field(400, ge=1)


class ItemToItem(Signal):
    """`score(u, j) = Σ_k weight_k · decay^age(k) · M[h_k, j]` over the history h; the last has age 0.

    A subclass makes the (n_items, n_items) matrix of raw strengths in `fit_links`, and says in `scale`
    what raw strengths mean in M. Items without a link to anything in the history score 0 and are not put
    forward.
    """

    Settings = ItemToItemSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.links = Links()

    @abstractmethod
    def fit_links(self, evidence: Evidence) -> sparse.csr_array:
        """Return the raw strengths, learned from the evidence."""

    def scale(self) -> Scale:
        """Return what the raw strengths mean in M."""
        return Scale()

    def fit(self, evidence: Evidence) -> Self:
        """Make the matrix."""
        self.links = Links(self.fit_links(evidence).astype(np.float32))
        return self

    @property
    def matrix(self) -> sparse.csr_array:
        """Return M, (n_items, n_items)."""
        raw = self.links.matrix()
        rows = np.arange(raw.shape[0])
        place = np.repeat(rows, np.diff(raw.indptr))
        data = self.scale().of(rows, Entries(place, raw.indices, raw.data)).astype(np.float32)
        return sparse.csr_array((data, raw.indices, raw.indptr), shape=raw.shape)

    def prepare(self, queries: Queries) -> Scores:
        """Sum the rows of what the users did."""
        return self.links.scores(decayed(queries.history, self.settings.decay), self.scale())

    def support(self, history: IntArray, items: IntArray | LongArray) -> FloatArray:
        """Return the link from each history item to each of the items, decayed by age."""
        ages = np.arange(len(history))[::-1]
        entries = self.links.entries(history)
        values = self.scale().of(history, entries)
        links = np.zeros((len(items), len(history)), np.float32)
        for row, item in enumerate(items):
            here = entries.column == item
            np.add.at(links[row], entries.place[here], values[here])
        support: FloatArray = links * (self.settings.decay**ages).astype(np.float32)
        return support

    def state(self) -> Arrays:
        """Return the raw strengths in their sparse parts."""
        return self.links.state()

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take the matrix back."""
        self.links = Links.restore(state)
        return self

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Make room for new items; nothing leads to them yet."""
        self.links.grow(int(rows.max(initial=-1)) + 1)
