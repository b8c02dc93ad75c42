"""Estimators of slates: what is assumed of how places act on each other decides which weights are needed.

Rewards are those of the places; the value is that of the whole slate, their sum. `w_l` is the target's
chance of the item at place l given the places before it, over the log's; `w_{1:l}` their product up to l.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from polyscene.evaluation.offpolicy.diagnostics import place_weights
from polyscene.evaluation.offpolicy.estimator import Estimator, TargetKind
from polyscene.evaluation.offpolicy.interval import Contributions
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values
from polyscene.evaluation.offpolicy.modelled import Modelled
from polyscene.evaluation.offpolicy.reward_models import REWARD_MODELS, fold_rows


class SlateIps(Estimator):
    """Standard IPS of whole slates.

        V = 1/n Σ_i w_{1:k} Σ_l r_l

    Assumes nothing of how places act on each other; weights grow with every place.
    """

    name: ClassVar[str] = "slate_ips"
    assumes: ClassVar[str] = "nothing more, and pays for it with the largest weights"
    slates: ClassVar[bool] = True

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return the product of all weights times the slate's reward."""
        weights = place_weights(log, target).prod(axis=1)
        self.demand_weights_within(weights)
        return Contributions(
            numerator=weights * log.earned.sum(axis=1),
            weights=weights[:, None],
            bounds=_range(self, log),
            method="mean of the slate's weight times its reward",
        )


class IndependentIps(Estimator):
    """IPS of each place by itself.

        V = 1/n Σ_i Σ_l  π(a_l at l) / μ(a_l at l) · r_l

    (Li, Abbasi-Yadkori and others 2018, Offline evaluation of ranking policies with click models: the
    item-position model), with marginal probabilities, whatever stands at the other places. Unbiased where
    what a place earns depends on its item and its position alone.
    """

    name: ClassVar[str] = "independent_ips"
    assumes: ClassVar[str] = "a place earns by its own item and position alone"
    slates: ClassVar[bool] = True
    reads: ClassVar[TargetKind] = "marginal"

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return the sum over places of marginal weight times reward."""
        weights = log.at_logged(target) / np.where(log.filled, log.marginal_propensities(), 1.0)
        self.demand_weights_within(weights)
        return Contributions(
            numerator=(weights * log.earned).sum(axis=1),
            weights=weights,
            bounds=_range(self, log),
            method="mean of each place's marginal weight times its reward, summed over places",
        )


class RewardInteractionIps(Estimator):
    """IPS in which a place's reward is weighted by the places up to it.

        V = 1/n Σ_i Σ_l w_{1:l} r_l

    Unbiased where what a place earns does not depend on the places after it: the cascade (McInerney and
    others 2020, Counterfactual evaluation of slate recommendations with sequential reward interactions;
    without their normalisation).
    """

    name: ClassVar[str] = "reward_interaction_ips"
    assumes: ClassVar[str] = "people look from the top: a place does not earn by what stands after it"
    slates: ClassVar[bool] = True

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return the sum over places of the weight up to the place times its reward."""
        weights = np.asarray(np.cumprod(place_weights(log, target), axis=1), np.float64)
        self.demand_weights_within(weights)
        return Contributions(
            numerator=(weights * log.earned).sum(axis=1),
            weights=weights,
            bounds=_range(self, log),
            method="mean of the weight up to each place times its reward, summed over places",
        )


class CascadeDr(Modelled):
    """Doubly robust under the cascade.

        V = 1/n Σ_i Σ_l [ w_{1:l} (r_l - Q̂_l(a_l)) + w_{1:l-1} Σ_a π(a | a_1 … a_{l-1}) Q̂_l(a) ]

    (Kiyohara and others 2022, Doubly robust off-policy evaluation for ranking policies under the cascade
    behavior model.) Q̂_l(a) is what the places from l on are expected to earn under the target when a stands
    at l. Given predictions are Q̂. Fitted inside, Q̂_l(a) = r̂_l(a) + the mean over the other folds of what r̂
    says of the target's later
    places: the model need not be right for the value to be unbiased.
    """

    name: ClassVar[str] = "cascade_dr"
    assumes: ClassVar[str] = (
        "people look from the top: a place does not earn by what stands after it; "
        "a good reward model makes it narrower"
    )
    slates: ClassVar[bool] = True

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return the recursion's sum."""
        returns, source = self.returns(log, target)
        weights = np.asarray(np.cumprod(place_weights(log, target), axis=1), np.float64)
        self.demand_weights_within(weights)
        before = np.column_stack([np.ones(len(log)), weights[:, :-1]])
        filled = log.filled
        expected = np.where(filled, (target * returns).sum(axis=2), 0.0)
        residuals = np.where(filled, log.earned - log.at_logged(returns), 0.0)
        return Contributions(
            numerator=(weights * residuals + before * expected).sum(axis=1),
            weights=weights,
            method=f"returns from each place on, corrected by weighted residuals ({source})",
        )

    def returns(self, log: LoggedDecisions, target: Values) -> tuple[Values, str]:
        """Return (n, k, A) Q̂, and where it comes from, in words."""
        if self._fixed is not None:
            return self.predictions(log)
        name = self.settings.reward_model
        table = np.empty(target.shape)
        for outside, inside in fold_rows(log.owners, self.settings.seed):
            model = REWARD_MODELS[name]().fit(log, outside)
            earned = (target[outside] * model.predict(log, outside)).sum(axis=2) * log.filled[outside]
            later = np.cumsum(earned.mean(axis=0)[::-1])[::-1] - earned.mean(axis=0)  # (k,) after each place
            table[inside] = model.predict(log, inside) + later[:, None]
        return table, f"{name} reward model, cross-fitted"


def _range(estimator: Estimator, log: LoggedDecisions) -> tuple[float, float] | None:
    """Return between which Σ_l w_l r_l lies: `max_weight` times the range of a place's reward, k times."""
    rewards, most = estimator.known_reward_range(log), estimator.settings.max_weight
    if rewards is None or most is None:
        return None
    return min(0.0, most * rewards[0]) * log.places, max(0.0, most * rewards[1]) * log.places
