"""Whether a log can tell what a target policy would earn: overlap and weights, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyscene.evaluation.offpolicy.interval import (
    Contributions,
    effective_sample_size,
    normal_bounds,
)
from polyscene.evaluation.offpolicy.log import Codes, LoggedDecisions, Values

MIN_TRIES = 10
"""An action that was logged less often at a position counts as hardly tried."""
MIN_EFFECTIVE = 100.0
MIN_EFFECTIVE_SHARE = 0.01
MAX_SHARE_OF_ONE = 0.1
MAX_UNTRIED = 0.01
MAX_RARELY_TRIED = 0.1
MEAN_WEIGHT_LEVEL = 0.99


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What the log can bear.

    Attributes:
        effective_sample_size: Kish's, of the weights; of slates the least over places.
        largest_weight: one decision's.
        share_of_largest: how much of all weight that decision has.
        mean_weight: is 1 in expectation whatever the rewards: the control variate.
        mean_weight_low, mean_weight_high: its 99 % interval.
        untried: share of the target's probability that lies on actions which the log never shows: those of
            probability 0 where the distribution of the log is known, else those that never stood at that
            position.
        rarely_tried: the same for actions that stood there fewer than `MIN_TRIES` times, those of `untried`
            included.
        warnings: a sentence for each thing that is bad.
    """

    effective_sample_size: float
    largest_weight: float
    share_of_largest: float
    mean_weight: float
    mean_weight_low: float
    mean_weight_high: float
    untried: float
    rarely_tried: float
    warnings: tuple[str, ...]


def diagnose(log: LoggedDecisions, target: ArrayLike) -> Diagnostics:
    """Look at a log and a target policy before any estimator does.

    Weights of slates are products over the places, the largest that any estimator of slates forms.

    Args:
        log: n decisions of k places.
        target: (n, k, A) or (n, A), given the places before.

    Raises:
        DataError: the target does not fit the log.
    """
    table = log.target_table(target)
    weights = np.prod(place_weights(log, table), axis=1)[:, None]
    owners = log.owners
    low, high = mean_interval(weights[:, 0], owners)
    untried, rarely = overlap(log, table)
    total = float(weights.sum())
    return Diagnostics(
        effective_sample_size=effective_sample_size(weights),
        largest_weight=float(weights.max()),
        share_of_largest=float(weights.max()) / total if total > 0 else 0.0,
        mean_weight=float(weights.mean()),
        mean_weight_low=low,
        mean_weight_high=high,
        untried=untried,
        rarely_tried=rarely,
        warnings=(*overlap_warnings(untried, rarely), *weight_warnings(weights, owners)),
    )


def place_weights(log: LoggedDecisions, target: Values) -> Values:
    """Return (n, k) the target's chance of what was logged over the log's; 1 where nothing stood."""
    return np.asarray(log.at_logged(target) / np.where(log.filled, log.propensities, 1.0))


def mean_interval(weights: Values, owners: Codes) -> tuple[float, float]:
    """Return the 99 % interval of the mean of (n,) weights, over clusters; NaN below two clusters."""
    groups = int(owners.max()) + 1
    if groups < 2:
        return float("nan"), float("nan")
    return normal_bounds(Contributions(weights, weights[:, None]).cluster_sums(owners), MEAN_WEIGHT_LEVEL)


def overlap(log: LoggedDecisions, target: Values) -> tuple[float, float]:
    """Return which shares of the target's mass lie on what was never, and on what was hardly tried."""
    mass = np.where(log.filled[:, :, None], target, 0.0)
    tries = _tries(log)[log.stands]  # (n, k, A)
    never = np.asarray(tries == 0) if log.distribution is None else np.asarray(log.distribution <= 0.0)
    total = float(mass.sum())
    return float(mass[never].sum()) / total, float(mass[never | (tries < MIN_TRIES)].sum()) / total


def _tries(log: LoggedDecisions) -> NDArray[np.int64]:
    """Return (positions, A) how often each action stood at each position."""
    counts = np.zeros((int(log.stands.max()) + 1, log.n_actions), np.int64)
    filled = log.filled
    np.add.at(counts, (log.stands[filled], log.actions[filled]), 1)
    return counts


def overlap_warnings(untried: float, rarely: float) -> tuple[str, ...]:
    """Return what is wrong with the overlap of the two policies, in sentences."""
    sentences = []
    if untried > MAX_UNTRIED:
        sentences.append(
            f"{untried:.1%} of what the target policy does was never tried in the log: no estimator can "
            f"know what "
            "that would have earned."
        )
    if rarely > MAX_RARELY_TRIED:
        sentences.append(
            f"{rarely:.1%} of what the target policy does was tried fewer than {MIN_TRIES} times in the "
            f"log: the "
            "value rests on few decisions."
        )
    return tuple(sentences)


def weight_warnings(weights: Values, owners: Codes) -> tuple[str, ...]:
    """Return what is wrong with importance weights (n, m) of decisions (n,) in clusters, in sentences."""
    sentences: list[str] = []
    if not weights.shape[1]:
        return ()
    size = effective_sample_size(weights)
    if size < max(MIN_EFFECTIVE, MIN_EFFECTIVE_SHARE * len(weights)):
        sentences.append(
            f"{len(weights):,} decisions say as much as {size:,.1f} unweighted ones: the interval may be "
            f"too narrow, "
            "wait for more log or a policy nearer to it."
        )
    totals = np.abs(weights).sum(axis=0)
    shares = np.divide(np.abs(weights).max(axis=0), totals, out=np.zeros_like(totals), where=totals > 0)
    if float(shares.max()) > MAX_SHARE_OF_ONE:
        sentences.append(f"One decision has {float(shares.max()):.1%} of all weight: the value hangs on it.")
    for column in range(weights.shape[1]):
        low, high = mean_interval(weights[:, column], owners)
        if low > 1.0 or high < 1.0:
            sentences.append(
                f"The mean weight is {float(weights[:, column].mean()):.3f}, between {low:.3f} and "
                f"{high:.3f}, and "
                "should be 1: the propensities are not those of the log, or the target does what it never "
                "tried."
            )
            break
    return tuple(sentences)
