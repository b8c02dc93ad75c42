"""What a set of lists does to the catalogue: how much of it is shown, how known, how alike, how fairly.

`lists` is (B, K), item codes best first, -1 where a list is shorter. A metric over no lists at all is NaN
(coverage, Gini: 0, nothing was shown to anybody).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from polyscene.core.types import FloatArray, IntArray, LongArray

Values = NDArray[np.float64]
BLOCK_NUMBERS = 4_000_000


def exposures(lists: IntArray, n_items: int) -> LongArray:
    """Return how often each item of the catalogue is listed, (n_items,).

    Raises:
        ValueError: a list names an item outside 0 to n_items - 1 other than -1.
    """
    shown = lists[lists != -1]
    if len(shown) and not (shown.min() >= 0 and shown.max() < n_items):
        raise ValueError(f"expected items in 0 to {n_items - 1}, found {shown.min()} to {shown.max()}")
    return np.bincount(shown, minlength=n_items).astype(np.int64)


def coverage(lists: IntArray, n_items: int) -> float:
    """Return the share of the catalogue that is listed at least once; 0 for an empty catalogue."""
    return float(np.count_nonzero(exposures(lists, n_items)) / n_items) if n_items else 0.0


def gini(exposure: ArrayLike) -> float:
    """Return the Gini coefficient of (n,) exposures: 0 all alike, towards 1 all for one item.

    G = Σ_i (2 i - n - 1) x_i / (n Σ x) with x ascending. Nothing shown, or no items: 0, all are alike.

    Raises:
        ValueError: an exposure is negative or no number.
    """
    shown = np.sort(np.asarray(exposure, dtype=np.float64))
    if np.isnan(shown).any() or (len(shown) and shown[0] < 0):
        raise ValueError("expected exposures of at least 0, found negative ones or NaN")
    total = shown.sum()
    if not total:
        return 0.0
    n = len(shown)
    return float((2.0 * np.arange(1, n + 1) - n - 1) @ shown / (n * total))


def novelty(lists: IntArray, popularity: ArrayLike) -> float:
    """Return the mean of -log2 p(i) over everything listed, in bits.

    p(i) = (c_i + 1) / (Σ c + n): an item's share of (n,) training events, each counted once more so that one
    that nobody has touched is as surprising as the data allow, not infinitely so. NaN where nothing is
    listed. Source: Zhou et al. (2010), Solving the apparent diversity-accuracy dilemma.
    """
    counts = np.asarray(popularity, dtype=np.float64)
    shown = exposures(lists, len(counts))
    if not shown.sum():
        return float("nan")
    surprise = np.log2(counts.sum() + len(counts)) - np.log2(counts + 1.0)
    return float(shown @ surprise / shown.sum())


def intra_list_diversity(lists: IntArray, vectors: FloatArray) -> Values:
    """Return 1 - mean cosine over the pairs of items in each list, (B,), in [0, 2].

    A zero vector says nothing and has cosine 0 with everything. NaN where a list has no pair.
    Source: Ziegler et al. (2005), Improving recommendation lists through topic diversification.

    Args:
        lists: (B, K) rows of `vectors`, -1 where shorter.
        vectors: (n, d), any length; they are normalised here.
    """
    exposures(lists, len(vectors))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)  # (n, d)
    diversity = np.full(len(lists), np.nan)
    rows = max(1, BLOCK_NUMBERS // max(1, vectors.shape[1]))
    for start in range(0, len(lists), rows):
        block = slice(start, start + rows)
        diversity[block] = _diversity(lists[block], units)
    return diversity


def _diversity(lists: IntArray, units: Values) -> Values:
    """The sum of cosines over ordered pairs is |Σ v|² - Σ |v|², v of length 1 (or 0)."""
    row, place = np.nonzero(lists != -1)
    shape = (len(lists), len(units))
    chosen = sparse.csr_array((np.ones(len(row)), (row, lists[row, place])), shape=shape)
    alike = ((chosen @ units) ** 2).sum(axis=1) - chosen @ (units**2).sum(axis=1)
    number = np.bincount(row, minlength=len(lists))
    pairs = number * (number - 1.0)
    cosine = np.full(len(lists), np.nan)
    np.divide(alike, pairs, out=cosine, where=pairs > 0)
    return 1.0 - cosine
