"""Item neighbours: items chosen by the same people, whatever the order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.compiled import kernels
from polyscene.core.growing import GrowingArray
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.item_to_item import ItemToItem, ItemToItemSettings
from polyscene.recommenders.links import KERNELS, Links, Scale
from polyscene.recommenders.signal import Evidence, interactions, top_per_row
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
        self._set_counts(np.zeros(0, np.float32))

    def _set_counts(self, counts: FloatArray) -> None:
        self._counts: GrowingArray[np.float32] = GrowingArray(counts)
        self._roots: GrowingArray[np.float32] = GrowingArray(np.sqrt(counts))
        self._owned: GrowingArray[np.float64] = GrowingArray(np.zeros(len(counts)))
        """Working memory of `observe`: zeros between two events."""

    def fit_links(self, evidence: Evidence) -> sparse.csr_array:
        """Compare every two items that share a user."""
        chosen = interactions(evidence.positive, evidence.n_users, evidence.n_items)
        chosen.data = np.minimum(chosen.data, 1.0)
        activity = np.maximum(np.diff(chosen.indptr), 1)
        damped = (sparse.diags_array(1 / np.sqrt(activity).astype(np.float32)) @ chosen).tocsr()
        together = (damped.T @ chosen).tocoo()
        self._set_counts(np.bincount(chosen.indices, minlength=evidence.n_items).astype(np.float32))
        other = together.row != together.col
        row, column, raw = together.row[other], together.col[other], together.data[other]
        shape = (evidence.n_items, evidence.n_items)
        matrix = sparse.coo_array((raw / self._norms(row, column), (row, column)), shape=shape).tocsr()
        kept = top_per_row(matrix, self.settings.max_links)
        rows = np.repeat(np.arange(evidence.n_items), np.diff(kept.indptr))
        kept.data = kept.data * self._norms(rows, kept.indices)
        return kept

    def _norms(self, row: IntArray | LongArray, column: IntArray | LongArray) -> FloatArray:
        norms = self._roots.array
        product: FloatArray = norms[row] * norms[column] + np.float32(self.settings.shrinkage)
        return product

    def scale(self) -> Scale:
        """Divide by both norms."""
        return Scale(norms=self._roots.array, shrinkage=self.settings.shrinkage)

    def observe(self, event: Observation) -> None:
        """Strengthen the links between the item and what the user chose before."""
        items, weights = event.past, event.past_weights
        if len(event.later):
            items = np.concatenate([items, event.later])
            weights = np.concatenate([weights, event.later_weights])
        edges = self.links.room(2 * len(items))
        places = (
            self._owned.address(np.float64),
            self._counts.address(np.float32),
            self._roots.address(np.float32),
        )
        kernels(KERNELS).join(edges, *places, items, weights, event.item, event.weight)

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Make room for new items."""
        super().extend(rows, since)
        more = np.zeros(len(self.links) - len(self._counts), np.float32)
        self._counts.extend(more)
        self._roots.extend(more)
        self._owned.reach(len(self._counts))

    def state(self) -> Arrays:
        """Return the raw strengths and the counts."""
        return super().state() | {"counts": self._counts.array}

    def changes(self) -> Arrays:
        """Return the links that came since the fit, and the counts."""
        return super().changes() | {"counts": self._counts.array.copy()}

    def resume(self, changes: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> None:
        """Take in both."""
        super().resume(changes, space, others)
        self._set_counts(changes["counts"])

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take both back."""
        self.links = Links.restore(state)
        self._set_counts(state["counts"])
        return self
