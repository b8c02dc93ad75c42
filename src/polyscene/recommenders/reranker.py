"""A second, slower look at the best of each request: a reader of texts deals their scores out anew.

How the reader comes to its judgement is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories

TOP = 20


class TextScorer(Protocol):
    """A slow and careful reader, such as a language model over filled templates."""

    def __call__(self, history: Histories, candidates: IntArray) -> FloatArray:
        """Return (B, C) log-odds of each request's (B, C) candidates after what its user did."""
        ...


@dataclass(frozen=True)
class Reranker:
    """Orders the best of each request by `student · score + trust · log-odds of the reader`.

    Attributes:
        reader: reads all requests of a block at once.
        top: how many of each request's best are read.
        unseen: whether what the user already had is passed over, since it is never shown.
        student, trust: how much the score that was there and the reader's word count; not negative.
    """

    reader: TextScorer
    top: int = TOP
    unseen: bool = False
    student: float = 0.0
    trust: float = 1.0

    def reorder(self, scores: FloatArray, candidates: IntArray | LongArray, history: Histories) -> FloatArray:
        """Deal the best scores of each row out anew: no other place changes, nor does the set.

        Args:
            scores: (B, C) of the candidates.
            candidates: (B, C) item codes; one that stands there twice is a filler and counts once.
            history: of the B requests.
        """
        best, counts = _best(scores, self._open(candidates, history), self.top)
        if not best.size:
            return scores
        odds = self.reader(history, np.take_along_axis(candidates, best, axis=1).astype(np.int32))  # (B, top)
        dealt = scores.copy()
        for row, count in enumerate(counts):
            places = best[row, :count]
            best_scores = scores[row, places]
            order = np.argsort(-(self.student * best_scores + self.trust * odds[row, :count]), kind="stable")
            dealt[row, places[order]] = best_scores
        return dealt

    def _open(self, candidates: IntArray | LongArray, history: Histories) -> BoolArray:
        """Return (B, C) which candidates are read: each once, and not what was had where that bars."""
        open_ = np.zeros(candidates.shape, bool)
        for row, codes in enumerate(candidates):
            open_[row, np.unique(codes, return_index=True)[1]] = True
            if self.unseen:
                had = history.items[history.offsets[row] : history.offsets[row + 1]]
                open_[row] &= ~np.isin(codes, had)
        return open_


def _best(scores: FloatArray, open_: BoolArray, most: int) -> tuple[LongArray, LongArray]:
    """Return (B, C) items, the best open ones first, and (B,) how many of each row are open."""
    ranked = np.where(open_, scores, -np.inf)
    best: LongArray = np.argsort(-ranked, axis=1, kind="stable")[:, :most]
    counts: LongArray = np.minimum(open_.sum(axis=1), best.shape[1])
    return best, counts
