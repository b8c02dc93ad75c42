"""Estimators of single actions that also read a model of the reward: direct, doubly robust, switch-DR."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, Field

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.diagnostics import place_weights
from polyscene.evaluation.offpolicy.estimator import Estimator, EstimatorSettings
from polyscene.evaluation.offpolicy.interval import Contributions
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values
from polyscene.evaluation.offpolicy.reward_models import REWARD_MODELS, cross_fitted

SWITCH_GRID = 20


class ModelledSettings(EstimatorSettings):
    """What an estimator with a reward model may be told."""

    reward_model: Literal["tabular", "ridge", "logistic"] = Field(
        "tabular",
        description="fitted on the log, cross-fitted over clusters; not read where predictions are given",
    )


class Modelled(Estimator):
    """An estimator with a reward model.

    Args:
        settings: of `Settings`; None: its defaults.
        predictions: (n, A), or (n, k, A), what each action would earn, by a model that has not seen these
            decisions;
            None: one is fitted inside.
    """

    reads_all: ClassVar[bool] = True
    Settings: ClassVar[type[EstimatorSettings]] = ModelledSettings

    def __init__(self, settings: BaseModel | None = None, predictions: ArrayLike | None = None) -> None:
        super().__init__(settings)
        self._fixed = None if predictions is None else np.asarray(predictions, np.float64)

    def predictions(self, log: LoggedDecisions) -> tuple[Values, str]:
        """Return (n, k, A) what each action would earn, and where that comes from, in words.

        Raises:
            ArgumentError: given predictions do not fit the log or are no numbers.
        """
        if self._fixed is None:
            name = self.settings.reward_model
            return cross_fitted(
                REWARD_MODELS[name](), log, self.settings.seed
            ), f"{name} reward model, cross-fitted"
        table = self._fixed[:, None, :] if self._fixed.ndim == 2 and log.places == 1 else self._fixed
        shape = (len(log), log.places, log.n_actions)
        if table.shape != shape or not np.isfinite(table).all():
            raise ArgumentError(
                f"expected finite predictions {shape}, found {table.shape}; one per place and action"
            )
        return table, "given predictions"


class Direct(Modelled):
    """The direct method: the model's word, over what the target would show.

        V = 1/n Σ_i Σ_a π(a | x_i) q̂(x_i, a)

    No weights, so little variance, and as wrong as the model is: its interval covers the chance in the
    contexts, not the model's error, and is not honest (Beygelzimer and Langford 2009, The offset tree).
    """

    name: ClassVar[str] = "direct"
    assumes: ClassVar[str] = (
        "a reward model that is right for every action; its interval does not cover its error"
    )

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return Σ_a π q̂."""
        predictions, source = self.predictions(log)
        return Contributions(
            numerator=(target * predictions).sum(axis=2)[:, 0],
            weights=np.zeros((len(log), 0)),
            bias_bound=None,
            method=f"mean prediction for the target ({source})",
            warnings=("The interval does not cover the error of the reward model.",),
        )


class DoublyRobust(Modelled):
    """The model's word, corrected by weighted residuals.

        V = 1/n Σ_i [ Σ_a π(a | x_i) q̂(x_i, a) + w_i (r_i - q̂(x_i, a_i)) ]

    Unbiased with true propensities whatever q̂ is, as long as q̂ did not learn from decision i; its variance
    is less than that of IPS where q̂ is near the truth (Dudík, Langford and Li 2011, Doubly robust policy
    evaluation and learning).
    """

    name: ClassVar[str] = "doubly_robust"
    assumes: ClassVar[str] = "nothing more; a good reward model makes it narrower"

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return Σ_a π q̂ + w (r - q̂)."""
        predictions, source = self.predictions(log)
        weights = place_weights(log, target)[:, 0]
        self.demand_weights_within(weights)
        return Contributions(
            numerator=_corrected(log, target, predictions, weights),
            weights=weights[:, None],
            bounds=self._range(log, predictions, self.settings.max_weight),
            method=f"predictions corrected by weighted residuals ({source})",
        )

    def _range(
        self, log: LoggedDecisions, predictions: Values, most: float | None
    ) -> tuple[float, float] | None:
        """Return between which contributions lie, from the ranges of rewards and predictions."""
        rewards = self.known_reward_range(log)
        if rewards is None or most is None:
            return None
        least, largest = min(rewards[0], float(predictions.min())), max(rewards[1], float(predictions.max()))
        return least - most * (largest - least), largest + most * (largest - least)


class SwitchSettings(ModelledSettings):
    """What switch-DR may be told."""

    threshold: float | None = Field(
        None, gt=0, description="largest weight that corrects the model; by default chosen on the log"
    )


class SwitchDr(DoublyRobust):
    """Doubly robust where the weight is at most τ, the model's word alone where it is larger.

        V = 1/n Σ_i [ Σ_a π(a | x_i) q̂(x_i, a) + w_i 1(w_i <= τ) (r_i - q̂(x_i, a_i)) ]

    τ is the one of `SWITCH_GRID` quantiles of the weights with the least estimated squared error, variance
    of the mean plus the square of a bound on the bias, `R · E_π[1(w > τ)]` with R the range of rewards (Wang,
    Agarwal and Dudík 2017, Optimal and adaptive off-policy evaluation in contextual bandits, section 4.2).
    The expectation is taken over the log as mean w 1(w > τ), which has the same expectation.
    """

    name: ClassVar[str] = "switch_dr"
    assumes: ClassVar[str] = "a right reward model for the actions whose weight is beyond the threshold"
    Settings: ClassVar[type[EstimatorSettings]] = SwitchSettings

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return Σ_a π q̂ + w 1(w <= τ) (r - q̂)."""
        predictions, source = self.predictions(log)
        weights = place_weights(log, target)[:, 0]
        known = self.known_reward_range(log)
        seen = (*(known or (0.0, *log.rewards[:, 0])), float(predictions.min()), float(predictions.max()))
        largest = max(seen) - min(seen)
        threshold, chosen = self.settings.threshold, "as set"
        if threshold is None:
            threshold, chosen = (
                self._threshold(log, target, predictions, weights, largest),
                "chosen on the log",
            )
        beyond = weights > threshold
        kept = np.where(beyond, 0.0, weights)
        bias = largest * min(1.0, float(np.mean(weights * beyond)))
        return Contributions(
            numerator=_corrected(log, target, predictions, kept),
            weights=weights[:, None],
            bounds=self._range(log, predictions, threshold),
            bias_bound=bias,
            method=f"doubly robust up to weight {threshold:g}, {chosen}; beyond it, in "
            f"{int(beyond.sum()):,} of "
            f"{len(log):,} decisions, the model alone (bias at most {bias:.6g}; {source})",
        )

    def _threshold(
        self, log: LoggedDecisions, target: Values, predictions: Values, weights: Values, largest: float
    ) -> float:
        grid = (
            np.unique(np.quantile(weights[weights > 0], np.linspace(0, 1, SWITCH_GRID)))
            if weights.any()
            else [1.0]
        )
        errors = []
        for threshold in grid:
            beyond = weights > threshold
            values = _corrected(log, target, predictions, np.where(beyond, 0.0, weights))
            bias = largest * min(1.0, float(np.mean(weights * beyond)))
            errors.append(float(values.var()) / len(log) + bias**2)
        return float(grid[int(np.argmin(errors))])


def _corrected(log: LoggedDecisions, target: Values, predictions: Values, weights: Values) -> Values:
    """Return (n,) the predictions for the target plus the weighted residuals of what was logged."""
    residuals = log.rewards[:, 0] - log.at_logged(predictions)[:, 0]
    return np.asarray((target * predictions).sum(axis=2)[:, 0] + weights * residuals)
