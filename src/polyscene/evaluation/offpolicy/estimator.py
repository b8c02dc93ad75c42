"""The shape that every estimator has, and which there are by name.

With w_l the chance of the target policy over that of the log at place l, an estimator turns a log and a
target into one contribution per decision; value and interval follow from these alone (`interval`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, Field

from polyscene.core.errors import ArgumentError
from polyscene.core.registry import Registry
from polyscene.core.settings.block import Strict
from polyscene.evaluation.offpolicy.diagnostics import overlap, overlap_warnings, weight_warnings
from polyscene.evaluation.offpolicy.interval import (
    Contributions,
    Interval,
    IntervalKind,
    bounds_of,
    effective_sample_size,
)
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values

TargetKind = Literal["conditional", "marginal"]


class EstimatorSettings(Strict):
    """What every estimator may be settings."""

    interval: IntervalKind = Field("normal", description="how the bounds are made")
    level: float = Field(0.95, gt=0, lt=1, description="share of logs for which the bounds hold the truth")
    resamples: int = Field(1000, ge=2, description="of the bootstraps")
    seed: int = Field(0, description="of the bootstraps and of the folds")
    reward_range: tuple[float, float] | None = Field(
        None, description="between which every reward of a place lies, known beforehand"
    )
    max_weight: float | None = Field(
        None, gt=0, description="largest importance weight that the two policies allow, known beforehand"
    )


class Estimator(ABC):
    """Values a target policy by the log of another one.

    Args:
        settings: of `Settings`; None: its defaults.
    """

    name: ClassVar[str]
    assumes: ClassVar[str]
    """What must hold for the value to be unbiased, beside true propensities and a log that tries whatever the
    target does."""
    slates: ClassVar[bool] = False
    """Whether decisions may have several places."""
    reads: ClassVar[TargetKind] = "conditional"
    """Whether the target's rows are given the logged places before, or whatever stands there."""
    reads_all: ClassVar[bool] = False
    """Whether it must know what else the target would show; if not, chances of what was logged are enough."""
    Settings: ClassVar[type[EstimatorSettings]] = EstimatorSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        self.settings: Any = self.Settings() if settings is None else settings

    def __call__(self, log: LoggedDecisions, target: ArrayLike) -> Interval:
        """Return the value of the target policy: what a decision, all its places together, earns.

        Args:
            log: n decisions of k places.
            target: (n, k, A), or (n, A) where k = 1; the target's probabilities as `reads` says. Where the
                estimator does not `reads_all`, also (n, k): those of what was logged.

        Raises:
            DataError: the target does not fit the log, or the log lacks what the estimator needs.
            ArgumentError: the estimator or its interval cannot work on such a log.
        """
        self._demand_fit(log)
        logged = np.asarray(target, np.float64)
        if logged.shape == log.actions.shape and log.n_actions > 1 and not self.reads_all:
            return self.interval(log, self.contributions(log, log.target_at_logged(logged)))
        table = log.target_table(target)
        interval = self.interval(log, self.contributions(log, table))
        return replace(interval, warnings=(*overlap_warnings(*overlap(log, table)), *interval.warnings))

    @abstractmethod
    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return what each decision contributes; `target` is (n, k, A), or (n, k) as `reads_all` allows."""

    def interval(self, log: LoggedDecisions, contributions: Contributions) -> Interval:
        """Return value and bounds of what decisions contribute."""
        owners, settings = log.owners, self.settings
        value, low, high = bounds_of(
            contributions, owners, settings.interval, settings.level, settings.resamples, settings.seed
        )
        clusters = int(owners.max()) + 1
        bounds = {
            "normal": "normal bounds (delta method, Student's t)",
            "percentile": f"percentile bootstrap, {settings.resamples:,} resamples",
            "bca": f"BCa bootstrap, {settings.resamples:,} resamples",
            "bernstein": "empirical Bernstein bounds",
        }[settings.interval]
        return Interval(
            value=value,
            low=low,
            high=high,
            level=settings.level,
            effective_sample_size=effective_sample_size(contributions.weights),
            n=len(log),
            clusters=clusters,
            estimator=self.name,
            method="; ".join(
                part for part in (contributions.method, f"{bounds} over {clusters:,} clusters") if part
            ),
            bias_bound=contributions.bias_bound,
            warnings=(*contributions.warnings, *weight_warnings(contributions.weights, owners)),
        )

    def _demand_fit(self, log: LoggedDecisions) -> None:
        if log.places > 1 and not self.slates:
            raise ArgumentError(
                f"expected decisions of one place for '{self.name}', found {log.places} places; "
                "take an estimator of slates"
            )
        if not self.slates and not log.filled.all():
            raise ArgumentError(
                f"expected an action in every decision for '{self.name}', found "
                f"{int((~log.filled).sum()):,} without; leave them out of log and target"
            )

    def demand_weights_within(self, weights: Values) -> None:
        """Raise where a weight is larger than `max_weight` allows."""
        most = self.settings.max_weight
        if most is not None and weights.size and float(weights.max()) > most * (1 + 1e-9):
            raise ArgumentError(
                f"expected weights up to max_weight = {most:g}, found {float(weights.max()):g}; "
                "say the largest that the two policies allow"
            )

    def known_reward_range(self, log: LoggedDecisions) -> tuple[float, float] | None:
        """Return the known range of rewards; None where none was said; raise where a reward lies outside."""
        if self.settings.reward_range is None:
            return None
        least, most = self.settings.reward_range
        rewards = log.rewards[log.filled]
        outside = int(((rewards < least) | (rewards > most)).sum())
        if outside:
            raise ArgumentError(
                f"expected rewards from {least:g} to {most:g} as reward_range says, found {outside:,} "
                f"outside; "
                "say the range that holds for every reward"
            )
        return least, most


ESTIMATORS: Registry[type[Estimator]] = Registry(
    "polyscene.estimators",
    (
        *("ips", "clipped_ips", "snips", "direct", "doubly_robust", "switch_dr"),
        *("slate_ips", "independent_ips", "reward_interaction_ips", "cascade_dr", "pseudo_inverse"),
    ),
)
"""Every estimator by name."""
