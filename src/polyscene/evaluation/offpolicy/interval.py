"""From what each decision contributes to a value with an interval; every estimator ends here."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite, log, sqrt
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import t as student

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.log import Codes, Values
from polyscene.evaluation.significance import resampled_sums

IntervalKind = Literal["normal", "percentile", "bca", "bernstein"]


@dataclass(frozen=True, slots=True)
class Interval:
    """The value of a policy and where it may lie; `significance.Interval` is that of a plain mean.

    Attributes:
        value: reward of a decision, all its places together, that the target policy is expected to earn.
        low, high: bounds; NaN where there are fewer than two clusters.
        level: share of the logs for which such bounds hold the true value, if the estimator is unbiased.
        effective_sample_size: Kish's; of n decisions, as many unweighted ones would say as much.
        n: how many decisions were read.
        clusters: how many groups of decisions they belong to.
        estimator: its name.
        method: how value and bounds were made, in words; states every clip and threshold.
        bias_bound: how far the expected value may lie from the truth because of clipping; 0 where there is no
            clip, None where nothing bounds it (a reward model's error).
        warnings: sentences about what makes the value doubtful.
    """

    value: float
    low: float
    high: float
    level: float
    effective_sample_size: float
    n: int
    clusters: int
    estimator: str
    method: str
    bias_bound: float | None = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def widened(self) -> tuple[float, float]:
        """The bounds, with what clipping may hide added on both sides."""
        more = self.bias_bound or 0.0
        return self.low - more, self.high + more


@dataclass(frozen=True, eq=False)
class Contributions:
    """An estimate as a ratio of means over the n decisions: `value = Σ numerator / Σ denominator`.

    Attributes:
        numerator: (n,).
        weights: (n, m) importance weights that the estimate rests on, a column each; m = 0: none.
        denominator: (n,); None stands for ones: a plain mean.
        bounds: between which every numerator lies, whatever the log; None: unknown.
        bias_bound: see `Interval`.
        method: how, in words.
        warnings: sentences.
    """

    numerator: Values
    weights: Values
    denominator: Values | None = None
    bounds: tuple[float, float] | None = None
    bias_bound: float | None = 0.0
    method: str = ""
    warnings: tuple[str, ...] = field(default=())

    def cluster_sums(self, owners: Codes) -> Values:
        """Return (G, 2) numerator and denominator summed over each cluster (n,)."""
        below = np.ones(len(owners)) if self.denominator is None else self.denominator
        groups = int(owners.max()) + 1
        return np.stack([np.bincount(owners, column, groups) for column in (self.numerator, below)], axis=1)


def effective_sample_size(weights: Values) -> float:
    """Return `(Σ w)² / Σ w²` (Kish 1965, Survey sampling, section 11.7) of (n, m), the least of its columns.

    n where there is no column; 0 where all weights of a column are 0.
    """
    if not weights.shape[1]:
        return float(len(weights))
    squares = np.square(weights).sum(axis=0)
    sizes = np.divide(np.square(weights.sum(axis=0)), squares, out=np.zeros_like(squares), where=squares > 0)
    return float(sizes.min())


def bounds_of(
    contributions: Contributions, owners: Codes, kind: IntervalKind, level: float, resamples: int, seed: int
) -> tuple[float, float, float]:
    """Return value, low and high.

    Args:
        owners: (n,) cluster numbers from 0; clusters are independent of each other.
        kind: `normal`, `percentile`, `bca` or `bernstein`; see the functions of this module.
        level: in (0, 1).
        resamples, seed: of the two bootstraps.

    Raises:
        ArgumentError: `bernstein` was asked for where nothing bounds the contributions.
    """
    sums = contributions.cluster_sums(owners)
    above, below = sums.sum(axis=0)
    value = float(above / below) if below else float("nan")
    if len(sums) < 2 or not isfinite(value):
        return value, float("nan"), float("nan")
    if kind == "normal":
        low, high = normal_bounds(sums, level)
    elif kind == "bernstein":
        low, high = bernstein_bounds(contributions, sums, owners, level)
    else:
        drawn = resampled_sums(sums, resamples, seed)
        low, high = bootstrap_bounds(sums, drawn, level, corrected=kind == "bca")
    return value, low, high


def normal_bounds(sums: Values, level: float) -> tuple[float, float]:
    """Return the delta method's bounds of the ratio of (G, 2) sums, with Student's t of G - 1 degrees.

    With N_g, D_g the sums of cluster g and v = ΣN / ΣD, the variance is
    `G / (G - 1) · Σ_g (N_g - v D_g)² / (Σ_g D_g)²`: the usual one of a mean where all D_g are equal (Owen
    2013, Monte Carlo theory, methods and examples, section 9.2 for the ratio; Cochran 1977, section 6.3).
    """
    groups = len(sums)
    above, below = sums.sum(axis=0)
    value = above / below
    residuals = sums[:, 0] - value * sums[:, 1]
    spread = sqrt(groups / (groups - 1) * float(np.square(residuals).sum())) / abs(float(below))
    reach = float(student.ppf((1 + level) / 2, groups - 1)) * spread
    return float(value - reach), float(value + reach)


def bootstrap_bounds(sums: Values, drawn: Values, level: float, *, corrected: bool) -> tuple[float, float]:
    """Return percentile bounds, whole clusters drawn with replacement; BCa ones where `corrected`.

    BCa moves the percentiles by the bias z0 of the draws and the acceleration a from leaving out each
    cluster: `Φ(z0 + (z0 + z) / (1 - a (z0 + z)))` (Efron 1987, Better bootstrap confidence intervals,
        section 2).

    Args:
        sums: (G, 2) numerators and denominators by cluster.
        drawn: (resamples, 2) totals of them (`resampled_sums`).
    """
    drawn = drawn[drawn[:, 1] != 0]
    values = drawn[:, 0] / drawn[:, 1]
    if len(values) < 2:
        return float("nan"), float("nan")
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(values, _corrected(tails, sums, values) if corrected else tails)
    return float(low), float(high)


def _corrected(tails: Values, sums: Values, values: Values) -> Values:
    above, below = sums.sum(axis=0)
    beneath = (np.mean(values < above / below) + np.mean(values <= above / below)) / 2
    edge = 0.5 / len(values)
    bias = float(ndtri(np.clip(beneath, edge, 1 - edge)))
    rest = below - sums[:, 1]
    left_out = (above - sums[rest != 0, 0]) / rest[rest != 0]
    deviations = left_out.mean() - left_out
    scale = float(np.square(deviations).sum()) ** 1.5
    acceleration = float((deviations**3).sum()) / (6 * scale) if scale else 0.0
    moved = bias + ndtri(tails)
    return np.asarray(ndtr(bias + moved / (1 - acceleration * moved)))


def bernstein_bounds(
    contributions: Contributions, sums: Values, owners: Codes, level: float
) -> tuple[float, float]:
    """Return bounds that hold at any sample size, for contributions that lie in a known range.

    For independent X_g in a range of width R, each side at risk δ / 2, with V the sample variance of G
    values: `mean ± (√(2 V ln(4/δ) / G) + 7 R ln(4/δ) / (3 (G - 1)))` (Maurer and Pontil 2009, Empirical
    Bernstein bounds and sample variance penalization, theorem 4). X_g is the sum of a cluster times G / n;
    its range is that of the largest cluster, and the sizes are taken as fixed.

    Raises:
        ArgumentError: the range is unknown, or the estimate is a ratio.
    """
    if contributions.bounds is None or contributions.denominator is not None:
        raise ArgumentError(
            "expected contributions of a known range for a Bernstein interval, found none; say `max_weight` "
            "and `reward_range`, take clipped_ips with `reward_range`, or another interval"
        )
    groups, n = len(sums), len(owners)
    least, most = (bound * float(np.bincount(owners).max()) for bound in contributions.bounds)
    values = sums[:, 0] * groups / n
    width = (max(most, 0.0) - min(least, 0.0)) * groups / n if groups < n else most - least
    risk = log(4 / (1 - level))
    reach = sqrt(2 * float(values.var(ddof=1)) * risk / groups) + 7 * width * risk / (3 * (groups - 1))
    return float(values.mean() - reach), float(values.mean() + reach)
