"""Randomised tests of headlines: read, split, and judged by how pairs are ordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polyscene.core.errors import DataError, Problem
from polyscene.core.seeds import derived
from polyscene.core.text import shown
from polyscene.language.ranking.text_tests import TextTests

Values = NDArray[np.float64]

FAULTY_WEEKS = (201326, 201402)
"""In the weeks from the first to the second, arms were not assigned at random."""
COLUMNS = ("test_id", "test_week", "headline", "impressions", "clicks")
PARTS = 3
"""One part of the tests in so many is judged."""


@dataclass(frozen=True)
class Arms:
    """The arms of some tests, one row per headline of a test.

    Attributes:
        test: (n,) codes from 0, ascending.
        names: the tests' ids by code.
        headlines: n texts.
        shown, clicks: (n,) of all arms with that headline.
    """

    test: NDArray[np.int64]
    names: tuple[str, ...]
    headlines: tuple[str, ...]
    shown: Values
    clicks: Values

    @property
    def tests(self) -> TextTests:
        """Return them without the tests' names."""
        return TextTests(self.test, self.headlines, self.shown, self.clicks)

    @property
    def rates(self) -> Values:
        """Return (n,) click rates."""
        return self.clicks / self.shown

    def of(self, wanted: Callable[[str], bool]) -> Arms:
        """Return the tests whose id is wanted."""
        kept = np.array([wanted(name) for name in self.names], np.bool_)
        rows = np.flatnonzero(kept[self.test])
        numbers = np.cumsum(kept) - 1
        return Arms(
            numbers[self.test[rows]],
            tuple(name for name, one in zip(self.names, kept, strict=True) if one),
            tuple(self.headlines[row] for row in rows),
            self.shown[rows],
            self.clicks[rows],
        )


def read_arms(folder: Path, obtain: str) -> Arms:
    """Read arms.parquet: tests with at least two headlines, pooled over what else differs.

    Raises:
        DataError: the file or a column is missing, or nothing is left.
    """
    path = folder / "arms.parquet"
    try:
        table = pl.read_parquet(path, columns=list(COLUMNS))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = shown(str(error).splitlines()[0], 200)
        expected = f"arms.parquet with {', '.join(COLUMNS)}"
        raise DataError(Problem("the tests cannot be read", expected, reason, obtain, str(path))) from error
    pooled = (
        table.filter(~pl.col("test_week").is_between(*FAULTY_WEEKS), pl.col("headline").is_not_null())
        .group_by("test_id", "headline")
        .agg(pl.col("impressions", "clicks").sum())
        .filter(pl.col("impressions") > 0)
        .filter(pl.len().over("test_id") > 1)
        .sort("test_id", "headline")
    )
    if pooled.is_empty():
        raise DataError(
            Problem("nothing to judge", "tests with two headlines", "none", "give another folder", str(path))
        )
    names, test = np.unique(pooled["test_id"].to_numpy(), return_inverse=True)
    impressions, clicks = (
        pooled[column].to_numpy().astype(np.float64) for column in ("impressions", "clicks")
    )
    return Arms(test.astype(np.int64), tuple(map(str, names)), tuple(pooled["headline"]), impressions, clicks)


def is_judged(test: str) -> bool:
    """Return whether a test is judged, by a hash of its id alone."""
    return derived(0, "headlines", test) % PARTS == 0


def ordered(arms: Arms, scores: Values) -> dict[str, float]:
    """Return how many pairs of a test scores order as their rates are, ties half, and of clear ones.

    Args:
        arms: of tests.
        scores: (n,).
    """
    first, second = arms.tests.pairs()
    rates, per = arms.rates, arms.rates * (1 - arms.rates) / arms.shown
    gap = rates[first] - rates[second]
    clear = np.abs(gap) > 2 * np.sqrt(per[first] + per[second])
    lead = scores[first] - scores[second]
    right = np.where(lead == 0, 0.5, (lead > 0) == (gap > 0))
    shares = {"pair_accuracy": right[clear & (gap != 0)], "pair_accuracy_all": right[gap != 0]}
    counts = {f"pairs{name[13:]}": float(len(each)) for name, each in shares.items()}
    return {name: float(each.mean()) if len(each) else 0.5 for name, each in shares.items()} | counts


def interval(arms: Arms, scores: Values, seed: int, resamples: int = 1000) -> tuple[float, float]:
    """Return the 95 % interval of the share of clear pairs that are ordered rightly, drawing whole tests."""
    counts = np.zeros((len(arms.names), 2))
    for code in range(len(arms.names)):
        one = ordered(arms.of(arms.names[code].__eq__), scores[arms.test == code])
        counts[code] = one["pairs"] * one["pair_accuracy"], one["pairs"]
    drawn = np.random.default_rng(seed).integers(0, len(counts), (resamples, len(counts)))
    right, pairs = np.moveaxis(counts[drawn].sum(axis=1), -1, 0)  # (resamples,) each
    low, high = np.quantile(right[pairs > 0] / pairs[pairs > 0], (0.025, 0.975))
    return float(low), float(high)
