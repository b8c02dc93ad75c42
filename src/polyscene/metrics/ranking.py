"""What one choice says about a ranking: the user took one item, and it stood at some rank.

Every function takes `rank`, a float array (B,) of 1-based mid-ranks, and returns one value per choice, (B,)
float64. Ties count in the middle: an item that shares its score with two others below nine better ones stands
at rank 11, whatever order the sort happened to give, and the metric is read off at that rank. A target
that was no candidate has rank infinity and is worth 0 everywhere.

Choices with several right items are in `relevance`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyscene.core.types import BoolArray, IntArray, LongArray

Values = NDArray[np.float64]
Scores = NDArray[np.floating[Any]]


def mid_ranks(scores: Scores, targets: IntArray | LongArray, candidates: BoolArray | None = None) -> Values:
    """Return where the taken items stand: 1 + number better + half the number of others as good.

    Args:
        scores: (B, n), larger is better; -inf marks what is not a candidate.
        targets: (B,) column of the taken item.
        candidates: (B, n), False marks what is not a candidate; None takes all.

    Returns:
        (B,) mid-ranks, multiples of one half; infinity where the target is not a candidate.

    Raises:
        ValueError: a score is NaN, or shapes or targets do not fit.
    """
    _check(scores, targets, candidates)
    own = scores[np.arange(len(targets)), targets][:, None]  # (B, 1)
    above, equal = scores > own, scores == own
    if candidates is not None:
        above, equal = above & candidates, equal & candidates
    ranks: Values = 1.0 + above.sum(axis=1) + (equal.sum(axis=1) - 1) / 2.0
    absent = own[:, 0] == -np.inf
    if candidates is not None:
        absent |= ~candidates[np.arange(len(targets)), targets]
    ranks[absent] = np.inf
    return ranks


def candidate_counts(scores: Scores, candidates: BoolArray | None = None) -> LongArray:
    """Return how many items were ranked in each row, (B,): neither -inf nor masked."""
    ranked = scores > -np.inf
    if candidates is not None:
        ranked &= candidates
    counts: LongArray = ranked.sum(axis=1, dtype=np.int64)
    return counts


def top_items(scores: Scores, k: int, candidates: BoolArray | None = None) -> IntArray:
    """Return the k best columns of each row, best first, ties by lower column, -1 where there are fewer.

    Which of several items with the k-th best score are listed is arbitrary, but always the same.
    """
    _positive(k)
    if candidates is not None:
        scores = np.where(candidates, scores, -np.inf)
    n = scores.shape[1]
    kept = min(k, n)
    top = np.full((len(scores), k), -1, dtype=np.int32)
    if kept:
        best = np.sort(np.argpartition(scores, n - kept, axis=1)[:, n - kept :], axis=1)  # (B, kept)
        top_scores = np.take_along_axis(scores, best, axis=1)
        order = np.argsort(-top_scores, axis=1, kind="stable")
        best, top_scores = (
            np.take_along_axis(best, order, axis=1),
            np.take_along_axis(top_scores, order, axis=1),
        )
        top[:, :kept] = np.where(top_scores > -np.inf, best, -1)
    return top


def hit_rate(rank: ArrayLike, k: int) -> Values:
    """Return 1 where the taken item is among the first k, else 0."""
    _positive(k)
    return (np.asarray(rank, dtype=np.float64) <= k).astype(np.float64)


def recall(rank: ArrayLike, k: int) -> Values:
    """Return the share of the right items found in the first k: with one right item, the hit rate."""
    return hit_rate(rank, k)


def precision(rank: ArrayLike, k: int) -> Values:
    """Return the share of the first k places that are right: with one right item, the hit rate over k."""
    return hit_rate(rank, k) / k


def reciprocal_rank(rank: ArrayLike, k: int | None = None) -> Values:
    """Return 1 / rank, 0 beyond place k (None: anywhere). Its mean is MRR."""
    ranks = np.asarray(rank, dtype=np.float64)
    return 1.0 / ranks if k is None else hit_rate(ranks, k) / ranks


def average_precision(rank: ArrayLike, k: int | None = None) -> Values:
    """Return the precision at the place of the right item: with one right item, the reciprocal rank."""
    return reciprocal_rank(rank, k)


def ndcg(rank: ArrayLike, k: int) -> Values:
    """Return 1 / log2(1 + rank), 0 beyond place k; the ideal gain of one right item is 1.

    Source: Järvelin and Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques.
    """
    ranks = np.asarray(rank, dtype=np.float64)
    return hit_rate(ranks, k) / np.log2(1.0 + ranks)


def auc(rank: ArrayLike, n_candidates: ArrayLike) -> Values:
    """Return the share of the other candidates that stand below the taken item, ties half.

    Args:
        rank: (B,) mid-ranks.
        n_candidates: (B,) or a number: items ranked, the taken one included.

    Returns:
        (B,) in [0, 1]; 0.5 where there was no other candidate, 0 where the target was no candidate.

    Raises:
        ValueError: a finite rank lies beyond the number of candidates.
    """
    ranks = np.asarray(rank, dtype=np.float64)
    counts = np.broadcast_to(np.asarray(n_candidates, dtype=np.float64), ranks.shape)
    finite = np.isfinite(ranks)
    if np.any(ranks[finite] > np.maximum(counts[finite], 1)):
        raise ValueError(
            "expected ranks within the number of candidates, found one beyond: pass matching arrays"
        )
    values = np.zeros(ranks.shape)
    alone, others = finite & (counts <= 1), finite & (counts > 1)
    values[alone] = 0.5
    values[others] = (counts[others] - ranks[others]) / (counts[others] - 1.0)
    return values


def _check(scores: Scores, targets: IntArray | LongArray, candidates: BoolArray | None) -> None:
    if scores.ndim != 2 or targets.shape != scores.shape[:1]:
        raise ValueError(f"expected scores (B, n) and targets (B,), found {scores.shape} and {targets.shape}")
    if candidates is not None and candidates.shape != scores.shape:
        raise ValueError(f"expected candidates of shape {scores.shape}, found {candidates.shape}")
    if len(targets) and not (targets.min() >= 0 and targets.max() < scores.shape[1]):
        raise ValueError(
            f"expected targets in 0 to {scores.shape[1] - 1}, found {targets.min()} to {targets.max()}"
        )
    if np.isnan(scores).any():
        raise ValueError("expected numbers as scores, found NaN: mend the model, NaN has no rank")


def _positive(k: int) -> None:
    if k < 1:
        raise ValueError(f"expected a cutoff of at least 1, found {k}")
