"""Estimators of single actions by importance weights alone: IPS, clipped IPS, SNIPS."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

import numpy as np
from pydantic import Field

from polyscene.evaluation.offpolicy.diagnostics import place_weights
from polyscene.evaluation.offpolicy.estimator import Estimator, EstimatorSettings
from polyscene.evaluation.offpolicy.interval import Contributions
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values


class Ips(Estimator):
    """Inverse propensity scores.

        V = 1/n Σ_i w_i r_i,   w_i = π(a_i | x_i) / p_i

    with π the target policy, p_i the logged propensity and r_i the reward. Unbiased wherever p is positive
    where π is; its variance grows with the squares of the weights (Horvitz and Thompson 1952; Strehl,
    Langford, Li and Kakade 2010, Learning from logged implicit exploration data).
    """

    name: ClassVar[str] = "ips"
    assumes: ClassVar[str] = "nothing more"

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return w_i r_i."""
        weights = place_weights(log, target)[:, 0]
        self.demand_weights_within(weights)
        return Contributions(
            numerator=weights * log.rewards[:, 0],
            weights=weights[:, None],
            bounds=_range(self.known_reward_range(log), self.settings.max_weight),
            method="mean of weight times reward",
        )


class ClippedSettings(EstimatorSettings):
    """What clipped IPS may be told."""

    clip: float | None = Field(None, gt=0, description="largest weight; by default the root of n")


class ClippedIps(Estimator):
    """IPS with weights cut at a limit M.

        V = 1/n Σ_i min(w_i, M) r_i

    By default M = √n (Ionides 2008, Truncated importance sampling). Biased, and the bias is bounded: with
    rewards in [a, b], `|bias| <= max(|a|, |b|) · E[w - min(w, M)]`, and as E[w] = 1 that expectation is
    estimated by 1 - the mean cut weight. The interval is that of the cut mean; `Interval.widened` adds the
    bound.
    """

    name: ClassVar[str] = "clipped_ips"
    assumes: ClassVar[str] = "no weight beyond the clip; else the bias stays within the stated bound"
    Settings: ClassVar[type[EstimatorSettings]] = ClippedSettings

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return min(w_i, M) r_i."""
        clip = sqrt(len(log)) if self.settings.clip is None else float(self.settings.clip)
        weights = place_weights(log, target)[:, 0]
        cut, touched = np.minimum(weights, clip), int((weights > clip).sum())
        known = self.known_reward_range(log)
        largest = max(map(abs, known)) if known else float(np.abs(log.rewards[:, 0]).max())
        lost = max(0.0, 1.0 - float(cut.mean())) if touched else 0.0
        return Contributions(
            numerator=cut * log.rewards[:, 0],
            weights=cut[:, None],
            bounds=_range(known, clip),
            bias_bound=largest * lost,
            method=f"mean of weight times reward, weights clipped at {clip:g} in "
            f"{touched:,} of {len(log):,} decisions "
            f"(bias at most {largest * lost:.6g})",
        )


class Snips(Estimator):
    """Self-normalised IPS: the weighted mean of the rewards.

        V = Σ_i w_i r_i / Σ_i w_i

    Its bias vanishes as 1/n; it lies between the smallest and the largest reward, and does not change with an
    offset of the rewards (Swaminathan and Joachims 2015, The self-normalized estimator for counterfactual
    learning).
    """

    name: ClassVar[str] = "snips"
    assumes: ClassVar[str] = "many decisions: its bias vanishes as 1/n"

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return w_i r_i over w_i."""
        weights = place_weights(log, target)[:, 0]
        return Contributions(
            numerator=weights * log.rewards[:, 0],
            denominator=weights,
            weights=weights[:, None],
            method="mean of the rewards by weight",
        )


def _range(rewards: tuple[float, float] | None, most: float | None) -> tuple[float, float] | None:
    """Return between which a weight in [0, most] times a reward lies; None where something is unknown."""
    if rewards is None or most is None:
        return None
    return min(0.0, most * rewards[0]), max(0.0, most * rewards[1])
