"""A second, slower look at the best of each request: a reader of texts deals their scores out anew.

How the reader comes to its word is not known here.
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

    def reorder(self, scores: FloatArray, history: Histories) -> FloatArray:
        """Deal the best scores of each row of (B, n) out anew: no other place changes, nor does the set."""
        best, counts = _best(scores, self._open(scores, history), self.top)
        if not best.size:
            return scores
        odds = self.reader(history, best.astype(np.int32))  # (B, C)
        dealt = scores.copy()
        for row, count in enumerate(counts):
            candidates = best[row, :count]
            given = scores[row, candidates]
            order = np.argsort(-(self.student * given + self.trust * odds[row, :count]), kind="stable")
            dealt[row, candidates[order]] = given
        return dealt

    def _open(self, scores: FloatArray, history: Histories) -> BoolArray:
        open_ = np.ones(scores.shape, bool)
        if self.unseen:
            open_[history.rows, history.items] = False
        return open_


def _best(scores: FloatArray, open_: BoolArray, most: int) -> tuple[LongArray, LongArray]:
    """Return (B, C) items, the best open ones first, and (B,) how many of each row are open."""
    ranked = np.where(open_, scores, -np.inf)
    best: LongArray = np.argsort(-ranked, axis=1, kind="stable")[:, :most]
    counts: LongArray = np.minimum(open_.sum(axis=1), best.shape[1])
    return best, counts
