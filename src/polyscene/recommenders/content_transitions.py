"""Content neighbours of transitions: what the neighbours in meaning of the last items led to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.recommenders.item_to_item import ItemToItem, ItemToItemSettings
from polyscene.recommenders.signal import Evidence, Need, top_per_row
from polyscene.recommenders.transitions import Transitions
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.items import neighbourhood, neighbours_of
from polyscene.responsible.explanation import Sentences

BLOCK = 1024


class ContentTransitionsSettings(ItemToItemSettings):
    """`[signals.content_transitions]`: see `ContentTransitions`."""

    decay: float = Field(0.5, gt=0, lt=1)
    max_inner_links: int = Field(
        50, ge=1, description="links kept at the two inner steps; more cost time and change nothing"
    )


class ContentTransitions(ItemToItem):
    """`score(u, ·) = Σ_k decay^age(k) · (N C Nᵀ)[h_k, ·]`.

    C are the transitions; N (n_items, n_items) gives every item its 20 nearest in meaning, itself among
    them, weighted by a softmax over cosines. So an item nobody has touched both inherits what its
    neighbours led to, and is reached where its neighbours were reached.

    Live: the links are those of the last fit. A new or edited item gets the mean of what its neighbours led
    to and of where they were reached, weighted as in N; a fit would also smooth over neighbours' neighbours.
    """

    name: ClassVar[str] = "content_transitions"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.TEXT})
    sentences: ClassVar[Sentences] = Sentences(
        "People who choose things like yours go on to things like this.",
        "People who choose things like {past} go on to things like this.",
    )
    Settings = ContentTransitionsSettings

    def __init__(self, settings: BaseModel | None = None, space: ItemSpace | None = None) -> None:
        super().__init__(settings)
        self._space = ItemSpace.empty(0) if space is None else space
        self._reached_from: sparse.csc_array | None = None

    def fit_links(self, evidence: Evidence) -> sparse.csr_array:
        """Smooth the transitions over meaning, on both sides."""
        self._space, self._reached_from = evidence.space, None
        settings = self.settings
        near = neighbourhood(evidence.space.view("tuned").vectors)
        follows = top_per_row(Transitions().fit(evidence).matrix, settings.max_inner_links)
        reached = near.T.tocsr()
        rows = []
        for start in range(0, evidence.n_items, BLOCK):
            led_to = top_per_row((near[start : start + BLOCK] @ follows).tocsr(), settings.max_inner_links)
            rows.append(top_per_row((led_to @ reached).tocsr(), settings.max_links))
        return sparse.vstack(rows, format="csr")

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Link new and edited items as their neighbours in meaning are linked."""
        fitted = len(self.links)
        super().extend(rows, since)
        vectors = self._space.view("tuned").vectors
        if self._reached_from is None:
            self._reached_from = self.links.matrix().tocsc()
        for row in rows.tolist():
            near, weights = neighbours_of(vectors, row)
            known = (near < fitted) & (near != row) & (weights > 0)
            if row < fitted:
                self.links.clear(row)
            if known.any():
                self._link(row, near[known], (weights[known] / weights[known].sum()).astype(np.float32))

    def _link(self, row: int, near: LongArray, weights: FloatArray) -> None:
        entries = self.links.entries(near)
        leads_to = np.bincount(entries.column, entries.value * weights[entries.place], len(self.links))
        self.links.replace(row, *_strongest(leads_to, self.settings.max_links))
        assert self._reached_from is not None
        inside = near < self._reached_from.shape[1]
        reached = self._reached_from[:, near[inside]] @ weights[inside]  # (n fitted,)
        columns, values = _strongest(reached, self.settings.max_links)
        others = columns != row
        rows = columns[others].tolist()
        self.links.add(rows, [row] * len(rows), values[others].tolist())

    def resume(self, changes: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> None:
        """Take in what came since the fit; who reached what then is what new items go by."""
        if len(changes.get("added_rows", ())):
            self._reached_from = self.links.matrix().tocsc()
        super().resume(changes, space, others)

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take links and vectors back."""
        self._space, self._reached_from = space, None
        return super().restore(state, space, others)


def _strongest(values: NDArray[Any], most: int) -> tuple[IntArray, FloatArray]:
    """Return the columns and values of the `most` largest positive of (n,) values."""
    columns = np.flatnonzero(values > 0)
    if len(columns) > most:
        columns = columns[np.argpartition(values[columns], len(columns) - most)[len(columns) - most :]]
    return columns.astype(np.int32), values[columns].astype(np.float32)
