"""Transitions: what tends to follow what, by decayed co-occurrence in order."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np
from scipy import sparse

from polyscene.core.types import IntArray
from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.recommenders.signal import Evidence, top_per_row

WINDOW = 10
PAIR_DECAY = 0.8
BACKWARD = 0.4
MOST = 500
PAIRS_AT_ONCE = 40_000_000


class Transitions(ItemToItem):
    """`score(u, j) = Σ_k 0.5^age(k) · C[h_k, j]` over the user's history h.

    `C[i, j]` adds `0.8^(gap - 1)` for every time that j followed i within ten choices of one user, and 0.4
    times that for every time that it came before; rows are divided by the root of their sum, which keeps
    popular items from speaking too loudly without silencing them.
    """

    name: ClassVar[str] = "transitions"
    decay: ClassVar[float] = 0.5

    def links(self, evidence: Evidence) -> sparse.csr_array:
        """Count ordered pairs, as many rows at a time as memory bears."""
        events = evidence.positive
        order = np.lexsort((events.time, events.user))
        user, item = events.user[order], events.item[order]
        n_blocks = 1 + 2 * WINDOW * len(events) // PAIRS_AT_ONCE
        borders = np.linspace(0, evidence.n_items, n_blocks + 1).astype(int)
        blocks = []
        for start, stop in pairwise(borders.tolist()):
            counts = ordered_pairs(user, item, evidence.n_items, start, stop)
            sums = np.asarray(counts.sum(axis=1)).ravel()
            scale = 1.0 / np.sqrt(np.maximum(sums, 1e-12))
            blocks.append(top_per_row((sparse.diags_array(scale) @ counts).tocsr(), MOST))
        return sparse.vstack(blocks, format="csr")


def ordered_pairs(user: IntArray, item: IntArray, n_items: int, start: int, stop: int) -> sparse.csr_array:
    """Return the rows start to stop of the (n_items, n_items) sums of pair weights.

    Args:
        user: (m,) sorted.
        item: (m,) each user's items in order.
    """
    shape = (stop - start, n_items)
    total = sparse.csr_array(shape, dtype=np.float32)
    for gap in range(1, min(WINDOW, len(user) - 1) + 1):
        same = (user[gap:] == user[:-gap]) & (item[gap:] != item[:-gap])
        earlier, later = item[:-gap][same], item[gap:][same]
        for row, column, direction in ((earlier, later, 1.0), (later, earlier, BACKWARD)):
            here = (row >= start) & (row < stop)
            weight = np.full(int(here.sum()), direction * PAIR_DECAY ** (gap - 1), np.float32)
            total = total + sparse.coo_array((weight, (row[here] - start, column[here])), shape=shape).tocsr()
    return total
