"""Transitions: what tends to follow what, by decayed co-occurrence in order."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.recommenders.item_to_item import ItemToItem, ItemToItemSettings
from polyscene.recommenders.links import Entries, Links
from polyscene.recommenders.signal import Evidence, Observation, top_per_row
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences

PAIRS_AT_ONCE = 40_000_000


class TransitionsSettings(ItemToItemSettings):
    """`[signals.transitions]`: see `Transitions`."""

    decay: float = Field(0.5, gt=0, lt=1)
    max_links: int = Field(500, ge=1)
    window: int = Field(10, ge=1, description="choices of one user within which pairs are counted")
    pair_decay: float = Field(0.8, gt=0, le=1, description="what a pair counts per choice between")
    backward: float = Field(0.4, ge=0, description="what the way back counts beside the way there")


class Transitions(ItemToItem):
    """`score(u, j) = Σ_k 0.5^age(k) · C[h_k, j]` over the user's history h.

    `C[i, j]` adds `0.8^(gap - 1)` for every time that j followed i within ten choices of one user, and 0.4
    times that for every time that it came before; rows are divided by the root of their sum, which keeps
    popular items from weighing too much without making them count for nothing.

    Live: equal to a fit on all events, late ones included, as long as no row holds more than `max_links`
    links; beyond that the weakest ones, which a fit would leave out, stay.
    """

    name: ClassVar[str] = "transitions"
    sentences: ClassVar[Sentences] = Sentences(
        "People choose it soon before or after what you chose.",
        "People who choose {past} choose this soon before or after.",
    )
    Settings = TransitionsSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self._sums: list[float] = []

    def fit_links(self, evidence: Evidence) -> sparse.csr_array:
        """Count ordered pairs, as many rows at a time as memory bears."""
        events, settings = evidence.positive, self.settings
        order = np.lexsort((events.time, events.user))
        user, item = events.user[order], events.item[order]
        n_blocks = 1 + 2 * settings.window * len(events) // PAIRS_AT_ONCE
        borders = np.linspace(0, evidence.n_items, n_blocks + 1).astype(int)
        blocks, sums = [], []
        for start, stop in pairwise(borders.tolist()):
            counts = ordered_pairs(user, item, evidence.n_items, start, stop, settings)
            sums.append(np.asarray(counts.sum(axis=1), np.float64).ravel())
            blocks.append(top_per_row(counts, settings.max_links))
        self._sums = np.concatenate(sums).tolist()
        return sparse.vstack(blocks, format="csr")

    def strength(self, rows: IntArray | LongArray, entries: Entries) -> FloatArray:
        """Divide by the root of the row's sum."""
        sums = np.array([self._sums[row] for row in rows.tolist()])
        roots = 1.0 / np.sqrt(np.maximum(sums, 1e-12))
        strength: FloatArray = entries.value * roots[entries.place].astype(np.float32)
        return strength

    def observe(self, event: Observation) -> None:
        """Count the pairs that the event makes, and count anew those that it stands between."""
        item, window, backward = event.item, self.settings.window, self.settings.backward
        added, sums = self.links.added, self._sums
        own, back, weight = added[item], 0.0, 1.0
        for other in reversed(event.past[-window:]):
            if other != item:
                row = added[other]
                row[item] = row.get(item, 0.0) + weight
                own[other] = own.get(other, 0.0) + weight * backward
                sums[other] += weight
                back += weight * backward
            weight *= self.settings.pair_decay
        sums[item] += back
        if event.later:
            self._insert(event)

    def _insert(self, event: Observation) -> None:
        """Count a late event's pairs with what came after it, and those around it at their new distance."""
        window, decay = self.settings.window, self.settings.pair_decay
        past, later = event.past[-window:][::-1], event.later[:window]
        pairs = [(event.item, item, decay**gap) for gap, item in enumerate(later)]
        for before, first in enumerate(past):
            for after, second in enumerate(later):
                gap = before + after + 1  # until now
                if gap <= window:
                    pairs.append((first, second, (decay**gap if gap < window else 0.0) - decay ** (gap - 1)))
        for earlier, other, weight in pairs:
            if earlier != other:
                back = weight * self.settings.backward
                self.links.add(earlier, other, weight)
                self.links.add(other, earlier, back)
                self._sums[earlier] += weight
                self._sums[other] += back

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Make room for new items."""
        super().extend(rows, since)
        self._sums += [0.0] * (len(self.links) - len(self._sums))

    def state(self) -> Arrays:
        """Return the counts and the sums of their rows."""
        return super().state() | {"sums": np.array(self._sums, np.float64)}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take the counts back."""
        self.links, self._sums = Links.restore(state), state["sums"].tolist()
        return self


def ordered_pairs(
    user: IntArray, item: IntArray, n_items: int, start: int, stop: int, settings: TransitionsSettings
) -> sparse.csr_array:
    """Return the rows start to stop of the (n_items, n_items) sums of pair weights.

    Args:
        user: (m,) sorted.
        item: (m,) each user's items in order.
    """
    shape = (stop - start, n_items)
    total = sparse.csr_array(shape, dtype=np.float32)
    for gap in range(1, min(settings.window, len(user) - 1) + 1):
        same = (user[gap:] == user[:-gap]) & (item[gap:] != item[:-gap])
        earlier, later = item[:-gap][same], item[gap:][same]
        for row, column, direction in ((earlier, later, 1.0), (later, earlier, settings.backward)):
            here = (row >= start) & (row < stop)
            weight = np.full(int(here.sum()), direction * settings.pair_decay ** (gap - 1), np.float32)
            total = total + sparse.coo_array((weight, (row[here] - start, column[here])), shape=shape).tocsr()
    return total
