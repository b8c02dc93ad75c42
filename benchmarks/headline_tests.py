"""Randomised tests of headlines: read, split, and their click rates explained by the texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polyscene.core.errors import DataError, Problem
from polyscene.core.seeds import derived
from polyscene.core.text import shown
from polyscene.core.types import FloatArray
from polyscene.policies.contextual.linear_model import LinearModel

Values = NDArray[np.float64]
Encode = Callable[[Sequence[str]], FloatArray]

FAULTY_WEEKS = (201326, 201402)
"""In the weeks from the first to the second, arms were not assigned at random."""
COLUMNS = ("test_id", "test_week", "headline", "impressions", "clicks")
RIDGES = (10.0, 30.0, 100.0, 300.0, 1000.0)
FOLDS = 4
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


@dataclass(frozen=True)
class TextPrior:
    """What texts tell of click rates within a test.

    Attributes:
        model: of centred logarithms of rates, on vectors centred alike.
        ridge: chosen on held-out tests.
        slope: of what was observed there on what was guessed; guesses are multiplied by it.
        spread: of the logarithm of an observed rate around its test's mean.
        left: of it, what the guess leaves.
    """

    model: LinearModel
    ridge: float
    slope: float
    spread: float
    left: float

    def guess(self, arms: Arms, vectors: Values) -> Values:
        """Return (n,) how much the logarithm of each rate is expected to differ from its test's.

        Args:
            arms: of tests, of which texts alone are looked at.
            vectors: (n, d) of the headlines.
        """
        centred = _centred(vectors, arms.test, np.ones(len(vectors)))
        return self.slope * self.model.mean(centred)


def fit_prior(arms: Arms, vectors: Values) -> TextPrior:
    """Learn from tests; strength of the ridge and what is left unexplained come from held-out ones of them.

    Within a test, the logarithm of the rate is regressed on the language model's vector, both less the test's
    mean, rows weighted by 1 / (1 / clicks + spread²): what counting adds, and what texts differ by.

    Args:
        arms: to learn from.
        vectors: (n, d) of their headlines.
    """
    nothing = np.zeros(len(arms.headlines))
    weights = _weights(arms, spread(arms, nothing, less_counting=True))
    rates, centred = centred_logs(arms, weights), _centred(vectors, arms.test, weights)
    fold = np.array([derived(0, "headlines fold", name) % FOLDS for name in arms.names])[arms.test]
    losses, guesses = {}, {}
    for ridge in RIDGES:
        guess = np.zeros(len(rates))
        for one in range(FOLDS):
            rest = fold != one
            model = LinearModel(vectors.shape[1], ridge, 1.0)
            model.update(centred[rest], rates[rest], weights[rest])
            guess[~rest] = model.mean(centred[~rest])
        losses[ridge] = float((weights * (rates - guess) ** 2).sum())
        guesses[ridge] = guess
    ridge = min(losses, key=losses.__getitem__)
    guess = guesses[ridge]
    slope = float((weights * guess * rates).sum() / (weights * guess**2).sum())
    model = LinearModel(vectors.shape[1], ridge, 1.0)
    model.update(centred, rates, weights)
    return TextPrior(model, ridge, slope, spread(arms, nothing), spread(arms, slope * guess))


def spread(arms: Arms, guess: Values, less_counting: bool = False) -> float:
    """Return the standard deviation of log rates around a guess within tests.

    Half the mean squared difference over pairs of a test; less the variances of both counts, where wanted.

    Args:
        arms: of tests.
        guess: (n,) of the logarithms, up to a number for each test.
        less_counting: whether what counting adds is taken off, so that what remains is the texts' own.
    """
    first, second = pairs(arms)
    logs, noise = _logs(arms) - guess, 1.0 / (arms.clicks + 0.5)
    squared, both = (logs[first] - logs[second]) ** 2, noise[first] + noise[second]
    weight = 1.0 / (0.02 + both) ** 2
    mean = (weight * (squared - both * less_counting)).sum() / weight.sum()
    return float(np.sqrt(max(mean / 2.0, 1e-4)))


def centred_logs(arms: Arms, weights: Values) -> Values:
    """Return (n,) logarithms of rates less their test's mean."""
    return _centred(_logs(arms)[:, None], arms.test, weights)[:, 0]


def pairs(arms: Arms) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (m,) and (m,) rows of all pairs within a test."""
    first, second = list[NDArray[np.int64]](), list[NDArray[np.int64]]()
    for rows in np.split(np.arange(len(arms.test)), np.flatnonzero(np.diff(arms.test)) + 1):
        one, other = np.triu_indices(len(rows), 1)
        first.append(rows[one])
        second.append(rows[other])
    return np.concatenate(first), np.concatenate(second)


def ordered(arms: Arms, scores: Values) -> dict[str, float]:
    """Return how many pairs of a test scores order as their rates are, ties half, and of clear ones.

    Args:
        arms: of tests.
        scores: (n,).
    """
    first, second = pairs(arms)
    rates, per = arms.rates, arms.rates * (1 - arms.rates) / arms.shown
    gap = rates[first] - rates[second]
    clear = np.abs(gap) > 2 * np.sqrt(per[first] + per[second])
    lead = scores[first] - scores[second]
    right = np.where(lead == 0, 0.5, (lead > 0) == (gap > 0))
    shares = {"pair_accuracy": right[clear & (gap != 0)], "pair_accuracy_all": right[gap != 0]}
    counts = {f"pairs{name[13:]}": float(len(each)) for name, each in shares.items()}
    return {name: float(each.mean()) if len(each) else 0.5 for name, each in shares.items()} | counts


def _logs(arms: Arms) -> Values:
    return np.log((arms.clicks + 0.5) / (arms.shown + 1.0))


def _weights(arms: Arms, spread: float) -> Values:
    return 1.0 / (1.0 / (arms.clicks + 0.5) + spread**2)


def _centred(values: Values, test: NDArray[np.int64], weights: Values) -> Values:
    sums = np.zeros((int(test.max()) + 1, values.shape[1]))
    np.add.at(sums, test, weights[:, None] * values)
    return values - (sums / np.bincount(test, weights)[:, None])[test]
