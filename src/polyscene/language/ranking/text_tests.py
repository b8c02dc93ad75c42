"""Randomised tests of texts: several, shown side by side by chance, and how often each was clicked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyscene.core.errors import DataError, Problem
from polyscene.core.types import LongArray

Values = NDArray[np.float64]

PAIR_VARIANCE = 0.02
"""What two rates of a test usually differ by beside counting; pairs weigh by it and their counting noise."""
MIN_VARIANCE = 1e-4


@dataclass(frozen=True)
class TextTests:
    """The texts of some tests, one row each.

    Attributes:
        test: (n,) codes from 0 without a gap, ascending.
        texts: n texts.
        shown: (n,) how often each was shown, above 0.
        clicks: (n,) how often it was clicked, at most as often as shown.

    Raises:
        DataError: the columns do not fit these.
    """

    test: LongArray
    texts: tuple[str, ...]
    shown: Values
    clicks: Values

    def __post_init__(self) -> None:
        """Refuse what cannot be a test."""
        lengths = {len(self.test), len(self.texts), len(self.shown), len(self.clicks)}
        steps = np.diff(self.test, prepend=-1)
        if len(lengths) > 1:
            _refuse("columns of the same length", f"lengths {sorted(lengths)}")
        if not np.isin(steps, (0, 1)).all() or (len(steps) and steps[0] != 1):
            _refuse("tests numbered from 0, in ascending order", "other numbers, or a gap")
        if not ((self.shown > 0) & (self.clicks >= 0) & (self.clicks <= self.shown)).all():
            _refuse("0 <= clicks <= shown and shown > 0", "a text with other counts")

    @property
    def log_rates(self) -> Values:
        """Return (n,) log((clicks + ½) / (shown + 1))."""
        return np.asarray(np.log((self.clicks + 0.5) / (self.shown + 1.0)))

    @property
    def counting_variance(self) -> Values:
        """Return (n,) the variance of each logarithm for chance alone, 1 / (clicks + ½)."""
        return np.asarray(1.0 / (self.clicks + 0.5))

    @property
    def levels(self) -> Values:
        """Return (T,) the logarithm of each test's rate over all its texts."""
        shown, clicks = np.bincount(self.test, self.shown), np.bincount(self.test, self.clicks)
        return np.asarray(np.log((clicks + 0.5) / (shown + 1.0)))

    def pairs(self) -> tuple[LongArray, LongArray]:
        """Return (m,) and (m,) the rows of all pairs within a test."""
        first, second = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for rows in np.split(np.arange(len(self.test)), np.flatnonzero(np.diff(self.test)) + 1):
            one, other = np.triu_indices(len(rows), 1)
            first.append(rows[one])
            second.append(rows[other])
        return np.concatenate(first), np.concatenate(second)

    def spread(self, guess: Values, less_counting: bool = True) -> float:
        """Return the standard deviation of log rates around a guess within tests, at least .01.

        Half the mean squared difference over pairs of a test, pairs weighted by what counting leaves to see.

        Args:
            guess: (n,) of the logarithms, up to a number for each test.
            less_counting: whether what counting adds is taken off, so that what remains is the texts' own.
        """
        first, second = self.pairs()
        logs, noise = self.log_rates - guess, self.counting_variance
        squared, both = (logs[first] - logs[second]) ** 2, noise[first] + noise[second]
        weight = 1.0 / (PAIR_VARIANCE + both) ** 2
        mean = (weight * (squared - both * less_counting)).sum() / max(weight.sum(), MIN_VARIANCE)
        return float(np.sqrt(max(mean / 2.0, MIN_VARIANCE)))


def centred(values: Values, test: LongArray, weights: Values) -> Values:
    """Return (n, d) values less their test's weighted mean."""
    return np.asarray(values - means(values, test, weights)[test])


def means(values: Values, test: LongArray, weights: Values) -> Values:
    """Return (T, d) weighted means of (n, d) values, by test."""
    starts = np.flatnonzero(np.diff(test, prepend=-1))
    sums = np.add.reduceat(weights[:, None] * values, starts) if len(starts) else values[:0]
    return np.asarray(sums / np.bincount(test, weights)[:, None])


def _refuse(expected: str, reason: str) -> None:
    raise DataError(
        Problem("these are no tests of texts", expected, reason, "mend the table, or leave rows out")
    )
