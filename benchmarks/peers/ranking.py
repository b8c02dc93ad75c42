"""Ranks and what they are worth, for the peers' own environments: numpy and nothing of ours.

The same definitions as in `polyscene.metrics.ranking`; a test holds both to the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.float64]
Scores: TypeAlias = NDArray[np.floating[Any]]


def mid_ranks(scores: Scores, targets: NDArray[np.integer[Any]], open_: NDArray[np.bool_]) -> Values:
    """Return where the taken items stand, ties in the middle: 1 + better + half of the others as good.

    Args:
        scores: (B, n) finite, larger is better.
        targets: (B,) column of the taken item; always open.
        open_: (B, n) which items may be shown.

    Raises:
        ValueError: a score is no finite number.
    """
    if not np.isfinite(scores).all():
        raise ValueError("expected finite scores, found NaN or infinity: the peer did not fit")
    own = scores[np.arange(len(targets)), targets][:, None]  # (B, 1)
    above = ((scores > own) & open_).sum(axis=1)
    equal = ((scores == own) & open_).sum(axis=1)
    ranks: Values = 1.0 + above + (equal - 1) / 2.0
    return ranks


def per_choice(
    ranks: Values, candidates: NDArray[np.integer[Any]], cutoffs: Sequence[int]
) -> dict[str, Values]:
    """Return (B,) values by metric: mrr, auc, and hr, ndcg, map, precision, recall at each cutoff."""
    others = np.maximum(candidates - 1, 1)
    values = {"mrr": 1.0 / ranks, "auc": np.where(candidates > 1, (candidates - ranks) / others, 0.5)}
    for k in cutoffs:
        hit = (ranks <= k).astype(np.float64)
        values |= {
            f"hr@{k}": hit,
            f"ndcg@{k}": hit / np.log2(1.0 + ranks),
            f"map@{k}": hit / ranks,
            f"precision@{k}": hit / k,
            f"recall@{k}": hit,
        }
    return values


def row_of(
    ranks: Values,
    candidates: NDArray[np.integer[Any]],
    cutoffs: Sequence[int],
    slices: Mapping[str, NDArray[np.bool_]],
) -> dict[str, float]:
    """Return the means by metric, slices as `ndcg@10/new_items`; what has no choices is left out."""
    values = per_choice(ranks, candidates, cutoffs)
    row = {name: float(column.mean()) for name, column in values.items() if len(ranks)}
    sliced = ["mrr", "auc", *(f"{metric}@{k}" for k in cutoffs for metric in ("hr", "ndcg"))]
    for part, mask in slices.items():
        if mask.any():
            row |= {f"{name}/{part}": float(values[name][mask].mean()) for name in sliced}
    return row
