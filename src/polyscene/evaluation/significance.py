"""How sure a mean, or a difference of means, is: percentile bootstrap over users.

One user's choices are not independent, so whole users are drawn with replacement (cluster bootstrap; Efron
and Tibshirani 1993, section 8.5; Field and Welsh 2007). Values stay means over choices: a drawn user brings
all of theirs. Two models are compared on the same draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyscene.core.seeds import generator

Values = NDArray[np.float64]
MAX_BLOCK_NUMBERS = 1_000_000
MAX_COLUMN_NUMBERS = 16_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it may lie; the bounds are NaN where fewer than two users were judged."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies wholly on one side of zero; unknown bounds exclude nothing."""
        return self.low > 0.0 or self.high < 0.0

    @property
    def known(self) -> bool:
        """Whether there are bounds."""
        return not (isnan(self.low) or isnan(self.high))


def bootstrap_interval(
    values: ArrayLike,
    users: NDArray[np.integer[Any]] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return the mean of `values` with its interval.

    Args:
        values: (B,) one number per choice.
        users: (B,) who made it; None means that each value is another user's.
        resamples: how many times the users are drawn; 0 leaves the bounds NaN.
        seed: the same seed gives the same interval.
        level: probability in (0, 1) that the interval is to cover.

    Raises:
        ValueError: a value is NaN, or lengths or level do not fit.
    """
    column = np.asarray(values, dtype=np.float64)[:, None]
    owners = np.arange(len(column)) if users is None else users
    return intervals(column, owners, resamples=resamples, seed=seed, level=level)[0]


def paired_bootstrap(
    a: ArrayLike,
    b: ArrayLike,
    users: NDArray[np.integer[Any]] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return the mean of a - b, two models' values on the same choices (B,), with its interval."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"expected the same choices of both, found {first.shape} and {second.shape}")
    return bootstrap_interval(first - second, users, resamples=resamples, seed=seed, level=level)


def intervals(
    values: Values,
    users: NDArray[np.integer[Any]],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Interval]:
    """Return one interval for each column of `values` (B, M), all from the same draws of `users` (B,)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"expected a level between 0 and 1, found {level}")
    if values.ndim != 2 or users.shape != values.shape[:1]:
        raise ValueError(f"expected values (B, M) and users (B,), found {values.shape} and {users.shape}")
    if np.isnan(values).any():
        raise ValueError("expected numbers, found NaN: leave out what was not judged")
    if not len(values):
        return [Interval(float("nan"), float("nan"), float("nan"))] * values.shape[1]
    means = values.mean(axis=0)
    low, high = _bounds(values, users, resamples, seed, level)
    return [Interval(float(m), float(lo), float(hi)) for m, lo, hi in zip(means, low, high, strict=True)]


def _bounds(
    values: Values, users: NDArray[np.integer[Any]], resamples: int, seed: int, level: float
) -> tuple[Values, Values]:
    names, owner = np.unique(users, return_inverse=True)
    unknown = np.full(values.shape[1], np.nan)
    if resamples < 1 or len(names) < 2:
        return unknown, unknown
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    low, high = unknown.copy(), unknown.copy()
    width = max(1, MAX_COLUMN_NUMBERS // len(names))
    for start in range(0, values.shape[1], width):
        columns = slice(start, start + width)
        drawn = _resampled_means(values[:, columns], owner, len(names), resamples, seed)
        low[columns], high[columns] = np.quantile(drawn, tails, axis=0)
    return low, high


def _resampled_means(
    values: Values, owner: NDArray[np.integer[Any]], n_users: int, resamples: int, seed: int
) -> Values:
    """Return (resamples, M) means over choices, users drawn with replacement."""
    choices = np.bincount(owner, minlength=n_users).astype(np.float64)  # (U,)
    sums = np.stack([np.bincount(owner, column, n_users) for column in values.T], axis=1)  # (U, M)
    drawn = resampled_sums(np.column_stack([sums, choices]), resamples, seed)
    return drawn[:, :-1] / drawn[:, -1:]


def resampled_sums(sums: Values, resamples: int, seed: int) -> Values:
    """Return (resamples, M) totals of (U, M) sums, users drawn with replacement; memory is bounded."""
    draws, n_users = generator(seed, "bootstrap"), len(sums)
    rows = max(1, MAX_BLOCK_NUMBERS // n_users)
    blocks = []
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        chosen = draws.integers(0, n_users, (size, n_users)) + n_users * np.arange(size)[:, None]
        times = np.bincount(chosen.ravel(), minlength=size * n_users).reshape(size, n_users)
        blocks.append(times.astype(np.float64) @ sums)
    return np.concatenate(blocks)
