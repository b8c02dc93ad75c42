"""Transitions: what tends to follow what, by decayed co-occurrence in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.compiled import kernels
from polyscene.core.growing import GrowingArray
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.item_to_item import ItemToItem, ItemToItemSettings
from polyscene.recommenders.links import KERNELS, Links, Scale
from polyscene.recommenders.signal import Evidence, top_per_row
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences

PAIRS_AT_ONCE = 40_000_000
MIN_SUM = 1e-12


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
        self._window = self.settings.window, self.settings.pair_decay, self.settings.backward
        self._set_sums(np.zeros(0))

    def _set_sums(self, sums: NDArray[np.float64]) -> None:
        self._sums: GrowingArray[np.float64] = GrowingArray(sums)
        self._roots: GrowingArray[np.float32] = GrowingArray(_roots(sums))

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
        self._set_sums(np.concatenate(sums))
        return sparse.vstack(blocks, format="csr")

    def scale(self) -> Scale:
        """Divide by the root of the row's sum."""
        return Scale(factors=self._roots.array)

    def observe(self, event: Observation) -> None:
        """Count the pairs that the event makes, and count anew those that it stands between."""
        window, decay, backward = self._window
        follow = kernels(KERNELS).follow
        places = self.links.room(2 * window), self._sums.address(np.float64), self._roots.address(np.float32)
        follow(*places, event.past, event.item, window, decay, backward)
        if len(event.later):
            self._insert(event)

    def _insert(self, event: Observation) -> None:
        """Count a late event's pairs with what came after it, and those around it at their new distance."""
        window, decay = self.settings.window, self.settings.pair_decay
        past, later = event.past[-window:][::-1].tolist(), event.later[:window].tolist()
        pairs = [(event.item, item, decay**gap) for gap, item in enumerate(later)]
        for before, first in enumerate(past):
            for after, second in enumerate(later):
                gap = before + after + 1  # until now
                if gap <= window:
                    pairs.append((first, second, (decay**gap if gap < window else 0.0) - decay ** (gap - 1)))
        there = [(earlier, other, weight) for earlier, other, weight in pairs if earlier != other]
        back = [(other, earlier, weight * self.settings.backward) for earlier, other, weight in there]
        self._count(there + back)

    def _count(self, pairs: Sequence[tuple[int, int, float]]) -> None:
        """Add to the links of (row, column) pairs and to the sums of their rows."""
        if not pairs:
            return
        rows, columns, weights = zip(*pairs, strict=True)
        self.links.add(rows, columns, weights)
        sums = self._sums.writable()
        np.add.at(sums, np.array(rows), weights)
        changed = np.unique(rows)
        self._roots.writable()[changed] = _roots(sums[changed])

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Make room for new items."""
        super().extend(rows, since)
        more = np.zeros(len(self.links) - len(self._sums))
        self._sums.extend(more)
        self._roots.extend(_roots(more))

    def state(self) -> Arrays:
        """Return the counts and the sums of their rows."""
        return super().state() | {"sums": self._sums.array}

    def changes(self) -> Arrays:
        """Return the links that came since the fit, and the sums and what rows are multiplied with."""
        return super().changes() | {"sums": self._sums.array.copy(), "roots": self._roots.array.copy()}

    def resume(self, changes: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> None:
        """Take in all of them."""
        super().resume(changes, space, others)
        self._sums, self._roots = GrowingArray(changes["sums"]), GrowingArray(changes["roots"])

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take the counts back."""
        self.links = Links.restore(state)
        self._set_sums(state["sums"])
        return self


def _roots(sums: NDArray[np.float64]) -> FloatArray:
    """Return what the rows with these sums are multiplied with."""
    roots: FloatArray = (1.0 / np.sqrt(np.maximum(sums, MIN_SUM))).astype(np.float32)
    return roots


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
