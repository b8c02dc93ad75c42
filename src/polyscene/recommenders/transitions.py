"""Transitions: what tends to follow what, by decayed co-occurrence in order."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse

from polyscene.data.schema import EventLog
from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.recommenders.signal import Evidence, top_per_row

WINDOW = 10
PAIR_DECAY = 0.8
BACKWARD = 0.4
MOST = 500


class Transitions(ItemToItem):
    """`score(u, j) = Σ_k 0.5^age(k) · C[h_k, j]` over the user's history h.

    `C[i, j]` adds `0.8^(gap - 1)` for every time that j followed i within ten choices of one user, and 0.4
    times that for every time that it came before; rows are divided by the root of their sum, which keeps
    popular items from speaking too loudly without silencing them.
    """

    name: ClassVar[str] = "transitions"
    decay: ClassVar[float] = 0.5

    def links(self, evidence: Evidence) -> sparse.csr_array:
        """Count ordered pairs."""
        counts = ordered_pairs(evidence.positive, evidence.n_items)
        sums = np.asarray(counts.sum(axis=1)).ravel()
        scale = 1.0 / np.sqrt(np.maximum(sums, 1e-12))
        return top_per_row((sparse.diags_array(scale) @ counts).tocsr().astype(np.float32), MOST)


def ordered_pairs(events: EventLog, n_items: int) -> sparse.csr_array:
    """Return the (n_items, n_items) sums of pair weights of all users' events in order."""
    order = np.lexsort((events.time, events.user))
    user, item = events.user[order], events.item[order]
    shape = (n_items, n_items)
    total = sparse.csr_array(shape, dtype=np.float32)
    for gap in range(1, min(WINDOW, len(user) - 1) + 1):
        same = (user[gap:] == user[:-gap]) & (item[gap:] != item[:-gap])
        earlier, later = item[:-gap][same], item[gap:][same]
        weight = np.full(len(earlier), PAIR_DECAY ** (gap - 1), np.float32)
        forward = sparse.coo_array((weight, (earlier, later)), shape=shape).tocsr()
        total = total + forward + BACKWARD * forward.T.tocsr()
    return total
