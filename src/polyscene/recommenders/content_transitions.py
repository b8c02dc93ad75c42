"""Content neighbours of transitions: what the neighbours in meaning of the last items led to."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse

from polyscene.core.types import FloatArray
from polyscene.recommenders.content import centred
from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.recommenders.signal import Evidence, top_per_row
from polyscene.recommenders.transitions import Transitions

NEIGHBOURS = 20
SHARPNESS = 8.0
MOST = 400
BETWEEN = 50  # links kept at the two inner steps; more cost time and change nothing that can be seen
BLOCK = 1024


class ContentTransitions(ItemToItem):
    """`score(u, ·) = Σ_k decay^age(k) · (N C Nᵀ)[h_k, ·]`.

    C are the transitions; N (n_items, n_items) gives every item its 20 nearest in meaning, itself among
    them, weighted by a softmax over cosines. So an item nobody has touched both inherits what its
    neighbours led to, and is reached where its neighbours were reached.
    """

    name: ClassVar[str] = "content_transitions"
    decay: ClassVar[float] = Transitions.decay
    needs_language: ClassVar[bool] = True

    def links(self, evidence: Evidence) -> sparse.csr_array:
        """Smooth the transitions over meaning, on both sides."""
        near = neighbourhood(centred(evidence.vectors))
        follows = top_per_row(Transitions().fit(evidence).matrix, BETWEEN)
        reached = near.T.tocsr()
        rows = []
        for start in range(0, evidence.n_items, BLOCK):
            led_to = top_per_row((near[start : start + BLOCK] @ follows).tocsr(), BETWEEN)
            rows.append(top_per_row((led_to @ reached).tocsr(), MOST))
        return sparse.vstack(rows, format="csr")


def neighbourhood(vectors: FloatArray) -> sparse.csr_array:
    """Return the (n, n) row-stochastic matrix of nearest items in meaning; without text, only itself."""
    n, most = len(vectors), min(NEIGHBOURS, len(vectors))
    rows = []
    for start in range(0, n, BLOCK):
        cosine = vectors[start : start + BLOCK] @ vectors.T  # (block, n)
        own = np.arange(len(cosine))
        cosine[own, start + own] = np.inf  # itself is always among them, however many say the same
        near = np.argpartition(-cosine, most - 1, axis=1)[:, :most]
        cosine[own, start + own] = 1.0
        weight = np.take_along_axis(cosine, near, axis=1)
        weight = np.where(weight > 0, np.exp(SHARPNESS * (weight - 1.0)), 0.0).astype(np.float32)
        weight /= weight.sum(axis=1, keepdims=True)
        indptr = np.arange(len(cosine) + 1) * most
        rows.append(sparse.csr_array((weight.ravel(), near.ravel(), indptr), shape=(len(cosine), n)))
    return sparse.vstack(rows, format="csr")
