"""How alike the items of a scenario are to one of them: in meaning, and by what people choose beside it.

    likeness(i, j) = (1 - t) · cos(w_i, w_j) + t · b(i, j),    t = 0.85 · n_i / (n_i + 2) · n_j / (n_j + 2)

w are the texts' vectors, with attributes and media beside them where these count, n how often an item was
chosen, b the links of all item-to-item signals: each signal's links of i, divided by (n_j + 5)^¼ since
everything goes with what is popular, are divided by the strongest, summed, and the sum divided by its
strongest. So a new item is judged by what it is alone, and two that are known well by what people choose
together. Everything is read from the live state: the next question sees new events and new items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from polyscene.core.types import BoolArray, FloatArray
from polyscene.data.queries import Histories, Queries
from polyscene.engine.state import NO_USER, ScenarioState
from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.recommenders.signal import Need

FEW = 5.0


class LikenessWeights(NamedTuple):
    """The numbers in the formula; `benchmarks/similar.py --vary` tries others.

    Attributes:
        max_trust: what people choose counts so much at most: what items are always has a say.
        half_known: an item that was chosen so often is trusted half.
        damping: the power of popularity that links are divided by.
    """

    max_trust: float = 0.85
    half_known: float = 2.0
    damping: float = 0.25


USUAL = LikenessWeights()


@dataclass(frozen=True)
class Likeness:
    """How alike all items are to one item i.

    Attributes:
        scores: (n,) joined; minus infinity for i itself and for items that were taken out.
        meaning: (n,) cosines of what the items are; 0 where nothing is known of one.
        together: (n,) in [0, 1], how much people choose it beside i.
        trust: (n,) in [0, 1], what `together` counts.
    """

    scores: FloatArray
    meaning: FloatArray
    together: FloatArray
    trust: FloatArray

    @property
    def known(self) -> BoolArray:
        """Return (n,) which items something is known of and may be shown, not the item itself."""
        known: BoolArray = np.isfinite(self.scores) & ((self.meaning != 0) | (self.trust * self.together > 0))
        return known

    @property
    def by_choices(self) -> BoolArray:
        """Return (n,) whether what people choose adds more to the likeness than what the items are."""
        more: BoolArray = self.trust * self.together > (1 - self.trust) * self.meaning
        return more


def likeness(state: ScenarioState, item: int, now: int, weights: LikenessWeights = USUAL) -> Likeness:
    """Compare every item of a scenario with one.

    Args:
        item: its code.
        now: the present moment, by the scenario's clock.
        weights: the numbers in the formula.
    """
    vectors = state.space.view("described").vectors
    meaning: FloatArray = vectors @ vectors[item]
    together = _together(state, item, now, weights.damping)
    counts = state.fusion.features.counts
    known = counts / (counts + weights.half_known)
    trust = np.where(together.any(), weights.max_trust * known[item] * known, 0.0)
    if not vectors[item].any():  # where nothing says what it is, choices are all that can be asked
        trust = np.ones_like(trust)
    scores = ((1 - trust) * meaning + trust * together).astype(np.float32)
    scores[item] = -np.inf
    scores[state.fusion.features.removed] = -np.inf
    return Likeness(scores, meaning, together, trust.astype(np.float32))


def _together(state: ScenarioState, item: int, now: int, damping: float) -> FloatArray:
    """Return (n,) what people choose beside an item, 1 for the strongest; 0 without links."""
    alone = Queries(np.array([NO_USER], np.int32), np.array([now], np.int64), Histories.of([[item]]))
    total = np.zeros(len(state.catalogue), np.float32)
    for signal in state.fusion.present().values():
        if isinstance(signal, ItemToItem) and Need.TEXT not in signal.needs:
            links = np.maximum(signal.score(alone)[0], 0.0)
            links = (links / (state.fusion.features.counts + FEW) ** damping).astype(np.float32)
            links[item] = 0.0
            total += _of_strongest(links)
    return _of_strongest(total)


def _of_strongest(links: FloatArray) -> FloatArray:
    """Return (n,) links divided by the strongest; all 0 where there is none."""
    strongest = float(links.max(initial=0.0))
    return links / np.float32(strongest) if strongest > 0 else links
