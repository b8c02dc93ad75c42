"""Item neighbours: items chosen by the same people, whatever the order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.growing import GrowingArray
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.recommenders.item_to_item import ItemToItem, ItemToItemSettings
from polyscene.recommenders.links import Entries, Links
from polyscene.recommenders.signal import (
    Evidence,
    Observation,
    interactions,
    top_per_row,
)
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences


class NeighboursSettings(ItemToItemSettings):
    """`[signals.neighbours]`: see `Neighbours`."""

    max_links: int = Field(200, ge=1)
    shrinkage: float = Field(5.0, ge=0, description="keeps few common users from looking like many")


class Neighbours(ItemToItem):
    """`score(u, j) = Σ_k decay^age(k) · S[h_k, j]`, with the shrunk cosine `S = x_iᵀx_j / (|x_i||x_j| + 5)`.

    Each user's column is first divided by the root of the user's activity, so that one who chose everything
    does not make everything alike.

    Live: counts and norms are equal to those of a fit on all events. A pair keeps the activity that its user
    had when it was made, where a fit would divide by the root of the present one: after a user's activity
    grew from a to b, pairs made at a weigh √(b / a) times what a fit would give them, never less than it.
    Links beyond a row's `max_links`, which a fit would leave out, stay.
    """

    name: ClassVar[str] = "neighbours"
    sentences: ClassVar[Sentences] = Sentences(
        "People who chose what you chose also chose this.", "People who chose {past} also chose this."
    )
    Settings = NeighboursSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self._counts: GrowingArray[np.float32] = GrowingArray(np.zeros(0, np.float32))

    def fit_links(self, evidence: Evidence) -> sparse.csr_array:
        """Compare every two items that share a user."""
        chosen = interactions(evidence.positive, evidence.n_users, evidence.n_items)
        chosen.data = np.minimum(chosen.data, 1.0)
        activity = np.maximum(np.diff(chosen.indptr), 1)
        damped = (sparse.diags_array(1 / np.sqrt(activity).astype(np.float32)) @ chosen).tocsr()
        together = (damped.T @ chosen).tocoo()
        self._counts = GrowingArray(
            np.bincount(chosen.indices, minlength=evidence.n_items).astype(np.float32)
        )
        other = together.row != together.col
        row, column, raw = together.row[other], together.col[other], together.data[other]
        shape = (evidence.n_items, evidence.n_items)
        matrix = sparse.coo_array((raw / self._norms(row, column), (row, column)), shape=shape).tocsr()
        kept = top_per_row(matrix, self.settings.max_links)
        rows = np.repeat(np.arange(evidence.n_items), np.diff(kept.indptr))
        kept.data = kept.data * self._norms(rows, kept.indices)
        return kept

    def _norms(self, row: IntArray | LongArray, column: IntArray | LongArray) -> FloatArray:
        norms: FloatArray = np.sqrt(self._counts.array)
        product: FloatArray = norms[row] * norms[column] + np.float32(self.settings.shrinkage)
        return product

    def strength(self, rows: IntArray | LongArray, entries: Entries) -> FloatArray:
        """Divide by both norms."""
        counts = self._counts.array
        across: FloatArray = np.sqrt(counts[rows])[entries.place] * np.sqrt(counts[entries.column])
        strength: FloatArray = entries.value / (across + np.float32(self.settings.shrinkage))
        return strength

    def observe(self, event: Observation) -> None:
        """Strengthen the links between the item and what the user chose before."""
        owned: dict[int, float] = {}
        for items, weights in ((event.past, event.past_weights), (event.later, event.later_weights)):
            for item, weight in zip(items, weights, strict=True):
                owned[item] = owned.get(item, 0.0) + weight
        before = owned.pop(event.item, 0.0)
        gain = min(before + event.weight, 1.0) - min(before, 1.0)
        if before == 0.0:
            self._counts.writable()[event.item] += 1.0
        if gain > 0.0:
            gain /= math.sqrt(len(owned) + 1)
            added = self.links.added
            own = added[event.item]
            for item, weight in owned.items():
                strength = gain if weight >= 1.0 else gain * weight
                own[item] = own.get(item, 0.0) + strength
                row = added[item]
                row[event.item] = row.get(event.item, 0.0) + strength

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Make room for new items."""
        super().extend(rows, since)
        self._counts.extend(np.zeros(len(self.links) - len(self._counts), np.float32))

    def state(self) -> Arrays:
        """Return the raw strengths and the counts."""
        return super().state() | {"counts": self._counts.array}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take both back."""
        self.links, self._counts = Links.restore(state), GrowingArray(state["counts"])
        return self
