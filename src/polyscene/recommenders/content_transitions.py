"""Content neighbours of transitions: what the neighbours in meaning of the last items led to."""

from __future__ import annotations

from typing import ClassVar

from scipy import sparse

from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.recommenders.signal import Evidence, top_per_row
from polyscene.recommenders.transitions import Transitions
from polyscene.representation.items import centred, neighbourhood

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
