"""Uplift: what a recommendation caused, beyond what would have been chosen anyway.

Who was shown an item often takes it, and so does who would have searched for it. What showing it caused is
τ(x) = E[y | shown, x] - E[y | not shown, x], and a log tells it where chance decided what was shown, with a
known probability e between 0 and 1. y is 1 where the item was taken *at all*, from the slate or without it.

    T-learner    τ̂(x) = μ̂1(x) - μ̂0(x), a model for either side (Künzel and others 2019, Metalearners for
                 estimating heterogeneous treatment effects using machine learning, section 2)
    X-learner    a model of y - μ̂0(x) of those shown and one of μ̂1(x) - y of the others, joined by their e
    DR-learner   a model of ψ = μ̂1(x) - μ̂0(x) + t (y - μ̂1(x)) / e - (1 - t)(y - μ̂0(x)) / (1 - e)
                 (Kennedy 2023, Towards optimal doubly robust estimation of heterogeneous causal effects)

Models are ridge regressions, and nobody's ψ is made by a model that their cluster has taught. The mean of ψ
is unbiased for the mean effect whatever the models are, over all or over any group, so bounds rest on it; the
learners order people by effect, and a mean of ψ by that order tells how well they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.interval import Contributions, Interval, bounds_of, effective_sample_size
from polyscene.evaluation.offpolicy.log import Codes, Values
from polyscene.evaluation.offpolicy.reward_models import fold_rows

PENALTY = 1.0
"""Of a ridge regression on scaled features, in rows."""
LEAST = 0.01
"""Who is nearly always or nearly never shown something tells nothing of what showing it causes."""

Learner = Literal["dr", "x", "t"]


@dataclass(frozen=True, eq=False)
class Exposures:
    """n pairs of a person and an item, each shown or not as chance had it.

    Attributes:
        shown: (n,) whether the item was shown.
        propensities: (n,) e, the probability with which it was to be shown, in [LEAST, 1 - LEAST].
        outcomes: (n,) whether, or how much, it was taken, shown or not.
        features: (n, d) of the pair, for the models.
        clusters: (n,) whose pairs belong together; None: each stands alone.

    Raises:
        ArgumentError: shapes do not fit, something is no number, or a pair was certain to be shown or not.
    """

    shown: NDArray[np.bool_]
    propensities: Values
    outcomes: Values
    features: Values
    clusters: Codes | None = None

    def __post_init__(self) -> None:
        n = len(self.shown)
        if {len(self.propensities), len(self.outcomes), len(self.features)} != {n} or self.features.ndim != 2:
            raise ArgumentError(
                f"expected n propensities, outcomes and features (n, d) for n = {n}, found others"
            )
        numbers = (self.propensities, self.outcomes, self.features)
        if not all(np.isfinite(one).all() for one in numbers):
            raise ArgumentError(
                "expected finite propensities, outcomes and features, found others; leave them out"
            )
        certain = int(((self.propensities < LEAST) | (self.propensities > 1 - LEAST)).sum())
        if certain:
            raise ArgumentError(
                f"expected pairs that chance decides, found {certain:,} with a probability below {LEAST} or "
                f"above {1 - LEAST}; leave them out, and say that nothing is known of them"
            )

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def owners(self) -> Codes:
        """(n,) number of the cluster of each pair, from 0."""
        if self.clusters is None:
            return np.arange(len(self), dtype=np.int64)
        return np.unique(self.clusters, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Uplift:
    """What showing caused.

    Attributes:
        mean: over all pairs, with its interval.
        naive: outcome of those shown less that of the others, as if it were an effect.
        effects: (n,) of each pair, by the learner; each by models that its cluster has not taught.
        contributions: (n,) ψ.
    """

    mean: Interval
    naive: float
    effects: Values
    contributions: Values
    _exposures: Exposures

    def by_group(self, groups: NDArray[np.generic], level: float = 0.95) -> Mapping[object, Interval]:
        """Return the mean effect in each of some groups (n,), with its interval over clusters."""
        owners = self._exposures.owners
        return {
            group.item() if isinstance(group, np.generic) else group: _interval(
                self.contributions[groups == group], owners[groups == group], level
            )
            for group in np.unique(groups)
        }

    def by_rank(self, parts: int = 4, level: float = 0.95) -> list[Interval]:
        """Return the mean effect of equal parts of the pairs, those of the largest predicted effect first."""
        places = np.argsort(np.argsort(-self.effects, kind="stable"), kind="stable")
        intervals = self.by_group(places * parts // len(places), level)
        return [intervals[part] for part in range(parts)]


def uplift(exposures: Exposures, learner: Learner = "dr", level: float = 0.95, seed: int = 0) -> Uplift:
    """Return what showing caused, over all and for each pair.

    Args:
        learner: that predicts the effect of each pair; the mean rests on ψ whichever it is.
        level: of the interval.
        seed: of the folds.

    Raises:
        ArgumentError: there are fewer than two clusters, or one side has nobody in some fold.
    """
    n = len(exposures)
    folds = fold_rows(exposures.owners, seed)
    with_it, without = np.zeros(n), np.zeros(n)
    for outside, inside in folds:
        with_it[inside] = _predicted(exposures, outside[exposures.shown[outside]], inside)
        without[inside] = _predicted(exposures, outside[~exposures.shown[outside]], inside)
    shown, e, y = exposures.shown, exposures.propensities, exposures.outcomes
    residual = np.where(shown, (y - with_it) / e, -(y - without) / (1 - e))
    psi = with_it - without + residual
    effects = with_it - without
    if learner != "t":
        effects = np.zeros(n)
        for outside, inside in folds:
            if learner == "dr":
                effects[inside] = _predicted(exposures, outside, inside, psi)
                continue
            on, off = outside[shown[outside]], outside[~shown[outside]]
            among_shown = _predicted(exposures, on, inside, y - without)
            among_others = _predicted(exposures, off, inside, with_it - y)
            effects[inside] = (1 - e[inside]) * among_shown + e[inside] * among_others
    naive = float(y[shown].mean() - y[~shown].mean())
    return Uplift(_interval(psi, exposures.owners, level), naive, effects, psi, exposures)


def _predicted(exposures: Exposures, taught: Codes, asked: Codes, goals: Values | None = None) -> Values:
    """Return (m,) what a ridge regression of some rows predicts of goals (n,); None: the outcomes."""
    if not len(taught):
        raise ArgumentError(
            "expected pairs that were shown and pairs that were not in every fold, found one side"
        )
    values = exposures.outcomes if goals is None else goals
    features = exposures.features
    middle, spread = features.mean(axis=0), features.std(axis=0)
    scaled = (features - middle) / np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(exposures)), scaled])
    penalty = PENALTY * np.eye(design.shape[1])
    penalty[0, 0] = 1e-9
    known = design[taught]
    weights = np.linalg.solve(known.T @ known + penalty, known.T @ values[taught])
    return np.asarray(design[asked] @ weights)


def _interval(psi: Values, owners: Codes, level: float) -> Interval:
    numbers = np.unique(owners, return_inverse=True)[1].astype(np.int64)
    contributions = Contributions(psi, np.zeros((len(psi), 0)), method="mean of doubly robust effects")
    value, low, high = bounds_of(contributions, numbers, "normal", level, 0, 0)
    size, clusters = effective_sample_size(contributions.weights), int(numbers.max()) + 1
    return Interval(value, low, high, level, size, len(psi), clusters, "uplift", contributions.method)
