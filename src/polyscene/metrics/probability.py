"""What predicted probabilities and ratings are worth.

Labels are 0 or 1 and probabilities lie in [0, 1], all (n,). Without any prediction a metric has no
meaning and is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that a random 1 is scored above a random 0, ties half.

    The Mann-Whitney statistic U / (n1 · n0), from mid-ranks, so any monotone scores do. NaN where only one
    class is present: there is no pair to order.
    """
    truth, predictions = _pair(labels, scores)
    _binary(truth)
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    above = _mid_positions(predictions)[truth == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def log_loss(labels: ArrayLike, probabilities: ArrayLike, floor: float = 1e-15) -> float:
    """Return the mean of -log of the probability given to what happened, in nats.

    Probabilities are kept `floor` away from 0 and 1, so one certain mistake costs 34.5 and not infinity.
    """
    truth, predictions = _probabilities(labels, probabilities)
    kept = np.clip(predictions, floor, 1.0 - floor)
    return _mean(-(truth * np.log(kept) + (1.0 - truth) * np.log1p(-kept)))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared difference of probability and outcome. Source: Brier (1950)."""
    truth, predictions = _probabilities(labels, probabilities)
    return _mean((truth - predictions) ** 2)


def rmse(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Return the root of the mean squared error, in the unit of what is predicted."""
    real, predictions = _pair(truth, predicted)
    return float(np.sqrt(_mean((real - predictions) ** 2)))


def mae(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Return the mean absolute error, in the unit of what is predicted."""
    real, predictions = _pair(truth, predicted)
    return _mean(np.abs(real - predictions))


@dataclass(frozen=True)
class Calibration:
    """Promise against outcome in bins of (nearly) equal numbers of predictions, lowest promise first.

    Attributes:
        predicted: (bins,) mean probability.
        observed: (bins,) share of ones.
        count: (bins,) predictions; at least one each.
    """

    predicted: Values
    observed: Values
    count: NDArray[np.int64]


def calibration(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> Calibration:
    """Return promise against outcome in equal-mass bins.

    Equal probabilities share their mean outcome, so the answer does not depend on the order of the input,
    also where a bin's edge falls among them. With fewer predictions than bins, each is its own bin.
    """
    if bins < 1:
        raise ValueError(f"expected at least 1 bin, found {bins}")
    truth, predictions = _probabilities(labels, probabilities)
    distinct, group = np.unique(predictions, return_inverse=True)
    outcome = np.bincount(group, weights=truth) / np.bincount(group) if len(distinct) else truth
    order = np.argsort(predictions, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return Calibration(
        np.array([predictions[part].mean() for part in parts]),
        np.array([outcome[group[part]].mean() for part in parts]),
        np.array([len(part) for part in parts], dtype=np.int64),
    )


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> float:
    """Return the mean distance of promise and outcome over equal-mass bins, weighted by their numbers.

    Source: Naeini et al. (2015), with bins of equal mass in place of equal width (Nixon et al., 2019).
    """
    table = calibration(labels, probabilities, bins)
    if not len(table.count):
        return float("nan")
    return float(np.average(np.abs(table.predicted - table.observed), weights=table.count))


def _mid_positions(scores: Values) -> Values:
    """Return 1-based positions in ascending order; equal scores share the middle of theirs."""
    _, group, count = np.unique(scores, return_inverse=True, return_counts=True)
    last = count.cumsum()
    middle: Values = last - (count - 1) / 2.0
    return middle[group]


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Values, Values]:
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(f"expected two arrays (n,) of equal length, found {one.shape} and {two.shape}")
    if np.isnan(one).any() or np.isnan(two).any():
        raise ValueError("expected numbers, found NaN: leave out what was not predicted")
    return one, two


def _binary(truth: Values) -> None:
    if not np.isin(truth, (0.0, 1.0)).all():
        raise ValueError("expected labels of 0 and 1, found others")


def _probabilities(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Values, Values]:
    truth, predictions = _pair(labels, probabilities)
    _binary(truth)
    if len(predictions) and not (predictions.min() >= 0.0 and predictions.max() <= 1.0):
        raise ValueError(
            f"expected probabilities in [0, 1], found {predictions.min():g} to {predictions.max():g}"
        )
    return truth, predictions


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else float("nan")
