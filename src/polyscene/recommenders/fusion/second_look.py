"""A slower reader's second look at what the fusion ranks: it deals one signal's best scores out anew."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.reranker import Reranker

RERANKED = "text_ranker"
"""The signal whose best a slower reader may look at again."""


class Reread(Protocol):
    """Looks again at (B, K, C) scaled scores of candidates; None: of the whole catalogue."""

    def __call__(
        self, scores: FloatArray, queries: Queries, candidates: IntArray | LongArray | None = None
    ) -> FloatArray:
        """Return the scores, those of one signal dealt out anew."""
        ...


def second_look(reranker: Reranker, features: Features, place: int) -> Reread:
    """Return what lets a reranker deal out anew the best scaled scores of the signal at a place."""

    def reread(
        scores: FloatArray, queries: Queries, candidates: IntArray | LongArray | None = None
    ) -> FloatArray:
        codes = np.tile(np.arange(scores.shape[2]), (len(scores), 1)) if candidates is None else candidates
        raw = scores[:, place] * features.scales[place]
        again = scores.copy()
        again[:, place] = reranker.reorder(raw, codes, queries.history) / features.scales[place]
        return again

    return reread
