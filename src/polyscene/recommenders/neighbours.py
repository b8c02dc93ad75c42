"""Item neighbours: items chosen by the same people, whatever the order."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse

from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.recommenders.signal import Evidence, interactions, top_per_row

MOST = 200
SHRINKAGE = 5.0


class Neighbours(ItemToItem):
    """`score(u, j) = Σ_k decay^age(k) · S[h_k, j]`, with the shrunk cosine `S = x_iᵀx_j / (|x_i||x_j| + 5)`.

    Each user's column is first divided by the root of the user's activity, so that one who chose everything
    does not make everything alike.
    """

    name: ClassVar[str] = "neighbours"
    decay: ClassVar[float] = 0.8

    def links(self, evidence: Evidence) -> sparse.csr_array:
        """Compare every two items that share a user."""
        chosen = interactions(evidence.positive, evidence.n_users, evidence.n_items)
        chosen.data = np.minimum(chosen.data, 1.0)
        activity = np.maximum(np.diff(chosen.indptr), 1)
        damped = (sparse.diags_array(1 / np.sqrt(activity).astype(np.float32)) @ chosen).tocsr()
        together = (damped.T @ chosen).tocoo()
        norms = np.sqrt(np.bincount(chosen.indices, minlength=evidence.n_items).astype(np.float32))
        other = together.row != together.col
        row, col = together.row[other], together.col[other]
        data = together.data[other] / (norms[row] * norms[col] + SHRINKAGE)
        shape = (evidence.n_items, evidence.n_items)
        return top_per_row(sparse.coo_array((data, (row, col)), shape=shape).tocsr(), MOST)
