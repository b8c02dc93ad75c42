"""What a ranked list is worth when several items are right.

Every function takes `relevance`, (B, K) with 1 where the item at that place is right and 0 elsewhere (shorter
lists are padded with 0), and where it matters `n_relevant`, (B,), how many right items exist in all, found or
not. It returns (B,) float64. Where nothing is right at all, recall, average precision and NDCG have no
meaning and are NaN: leave such rows out of a mean. Precision, hit rate and reciprocal rank are 0 there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyscene.core.types import BoolArray

Values = NDArray[np.float64]


def precision(relevance: ArrayLike, k: int) -> Values:
    """Return the share of k places that are right; a shorter list counts as filled with wrong items."""
    hits: Values = _cut(relevance, k).sum(axis=1, dtype=np.float64)
    return hits / k


def recall(relevance: ArrayLike, n_relevant: ArrayLike, k: int) -> Values:
    """Return the share of the right items that stand in the first k places; NaN where nothing is right."""
    rows = _cut(relevance, k)
    return _over(rows.sum(axis=1), _counts(relevance, n_relevant))


def hit_rate(relevance: ArrayLike, k: int) -> Values:
    """Return 1 where any of the first k places is right, else 0."""
    hits = _cut(relevance, k).max(axis=1, initial=False)
    return np.asarray(hits, dtype=np.float64)


def reciprocal_rank(relevance: ArrayLike, k: int) -> Values:
    """Return 1 / place of the first right item within k, 0 where there is none."""
    rows = _cut(relevance, k)
    if not rows.shape[1]:
        return np.zeros(len(rows))
    first: Values = rows.argmax(axis=1) + 1.0
    values: Values = np.where(rows.any(axis=1), 1.0 / first, 0.0)
    return values


def average_precision(relevance: ArrayLike, n_relevant: ArrayLike, k: int) -> Values:
    """Return the mean, over the right items, of the precision at their places within k.

    The divisor is min(n_relevant, k), so that a perfect list scores 1 at every cutoff. With k as long as the
    ranking it is the textbook average precision. NaN where nothing is right.
    """
    rows = _cut(relevance, k)
    places = np.arange(1, rows.shape[1] + 1)
    gained = (rows * rows.cumsum(axis=1) / places).sum(axis=1)
    return _over(gained, np.minimum(_counts(relevance, n_relevant), k))


def ndcg(relevance: ArrayLike, n_relevant: ArrayLike, k: int) -> Values:
    """Return the discounted gain of k places over a perfect list's; NaN where nothing is right.

    Gain 1 at place r is discounted by log2(1 + r). Source: Järvelin and Kekäläinen (2002).
    """
    rows = _cut(relevance, k)
    discounts = 1.0 / np.log2(2.0 + np.arange(k))
    ideal = np.concatenate([[0.0], discounts.cumsum()])
    counts = np.minimum(_counts(relevance, n_relevant), k)
    return _over(rows @ discounts[: rows.shape[1]], ideal[counts])


def _cut(relevance: ArrayLike, k: int) -> BoolArray:
    rows = np.asarray(relevance)
    if k < 1:
        raise ValueError(f"expected a cutoff of at least 1, found {k}")
    if rows.ndim != 2 or not np.isin(rows, (0, 1)).all():
        raise ValueError(f"expected relevance (B, K) of 0 and 1, found shape {rows.shape}, type {rows.dtype}")
    return rows[:, :k].astype(np.bool_)


def _counts(relevance: ArrayLike, n_relevant: ArrayLike) -> NDArray[np.int64]:
    rows = np.asarray(relevance)
    counts = np.broadcast_to(np.asarray(n_relevant, dtype=np.int64), rows.shape[:1])
    if np.any(counts < rows.sum(axis=1)):
        raise ValueError("expected n_relevant to count every right item, found lists that hold more")
    return counts


def _over(gained: NDArray[np.number], possible: NDArray[np.number]) -> Values:
    values = np.full(gained.shape, np.nan)
    np.divide(gained, possible, out=values, where=possible > 0)
    return values
