"""A policy learned from a log: a softmax over features, by the gradient of its estimated value.

With φ(x, a) the features of an action, π_θ(a | x) = exp(θ·φ(x, a)) / Σ_b exp(θ·φ(x, b)), weights
w_i = min(π_θ(a_i | x_i) / p_i, M) and a reward model q̂, θ maximises

    V̂(θ) + trust · 1/n Σ_i ln π_θ(a_i | x_i) + entropy · 1/n Σ_i H(π_θ(· | x_i))

where V̂ is the mean of `w_i r_i` (ips), `Σ w_i r_i / Σ w_i` (snips), or the mean of `Σ_a π_θ(a | x_i)
q̂(x_i, a) + w_i (r_i - q̂(x_i, a_i))` (doubly_robust). The second term is, but for a constant, the estimated
divergence KL(p ‖ π_θ) of the policy of the log from the learned one: it keeps π_θ where the log can speak of
it (Swaminathan and Joachims 2015, Batch learning from logged bandit feedback; Dudík, Langford and Li 2011,
Doubly robust policy evaluation and learning). Clipped weights count and have no gradient.

What is learned on some clusters is judged on the others, against the policy of the log. The estimate that the
policy was chosen by says nothing of its worth: it is the largest of many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import log_softmax

from polyscene.core.errors import ArgumentError
from polyscene.core.seeds import generator
from polyscene.core.settings.block import Strict
from polyscene.evaluation.offpolicy.comparison import Difference, difference_of
from polyscene.evaluation.offpolicy.interval import Interval
from polyscene.evaluation.offpolicy.log import Codes, LoggedDecisions, Values
from polyscene.evaluation.offpolicy.modelled import DoublyRobust, ModelledSettings
from polyscene.evaluation.offpolicy.reward_models import REWARD_MODELS, cross_fitted

Open = NDArray[np.bool_]
"""(n, A) which actions could be taken."""
TRUSTS = (1.0, 0.1, 0.01, 0.001)
"""What is tried where none is named, in shares of the mean reward."""
INNER_SHARE = 0.3
"""Of the clusters that are learned from, to choose among them."""


class LearningSettings(Strict):
    """How a policy is learned."""

    reward: Literal["doubly_robust", "ips", "snips"] = "doubly_robust"
    reward_model: Literal["tabular", "ridge", "logistic"] = "tabular"
    clip: float = Field(20.0, gt=0, description="M, largest weight of a decision while learning")
    trust: float | None = Field(
        None,
        ge=0,
        description="how much nearness to the log counts; default: chosen among those learned from",
    )
    entropy: float = Field(0.0, ge=0, description="how much leaving things to chance counts")
    held_out: float = Field(0.4, gt=0, lt=1, description="share of the clusters that judges")
    level: float = Field(0.95, gt=0, lt=1)
    seed: int = 0


@dataclass(frozen=True)
class LearnedPolicy:
    """What was learned, and what those who did not teach it say of it.

    Attributes:
        weights: (d,) θ.
        trust: that was taken.
        value: of the policy, on the clusters held out.
        against: of the policy of the log, on the same.
        difference: of both, in pairs.
    """

    weights: Values
    trust: float
    value: Interval
    against: float
    difference: Difference

    @property
    def may_be_used(self) -> bool:
        """Whether it certainly earns more than the policy of the log, and the log can speak of it."""
        return self.difference.verdict == "better" and not self.value.warnings

    def probabilities(self, features: Values, open_: Open | None = None) -> Values:
        """Return (n, A) chances of actions of (n, A, d) features; 0 where `open_` (n, A) is."""
        return np.exp(_logs(self.weights, features, open_))


def learn_policy(
    log: LoggedDecisions,
    features: Values,
    settings: LearningSettings | None = None,
    open_: Open | None = None,
) -> LearnedPolicy:
    """Learn a policy from a log of single places.

    Args:
        log: n decisions of one place.
        features: (n, A, d) of every action of every decision, finite.
        settings: None: the defaults.
        open_: (n, A) whether an action could have been taken; None: all could.

    Raises:
        ArgumentError: the shapes do not fit, or there are fewer than 10 clusters.
    """
    chosen = settings or LearningSettings()
    _demand_fit(log, features, open_)
    rows, held = _parted(log.owners, chosen.held_out, chosen.seed, "held out")
    teaching = _Decisions.of(log, features, open_, rows)
    trust = _trust(teaching, chosen)
    weights = _fitted(teaching, trust, chosen)
    judging = _Decisions.of(log, features, open_, held)
    return LearnedPolicy(weights, trust, *_judged(weights, judging, chosen))


def fitted(log: LoggedDecisions, features: Values, open_: Open | None, settings: LearningSettings) -> Values:
    """Return (d,) θ learned from the whole of a log: to be judged on another one. As `learn_policy`."""
    _demand_fit(log, features, open_)
    decisions = _Decisions.of(log, features, open_, np.arange(len(log)))
    return _fitted(decisions, _trust(decisions, settings), settings)


def _trust(decisions: _Decisions, settings: LearningSettings) -> float:
    """Return the trust as set, or the one whose policy is worth most to users who did not teach it."""
    if settings.trust is not None:
        return settings.trust
    inner, outer = _parted(decisions.log.owners, INNER_SHARE, settings.seed, "inner")
    scale = max(float(np.abs(decisions.log.rewards).mean()), 1e-12)
    teaching, judging = decisions.pick(inner), decisions.pick(outer)
    values = [_judged(_fitted(teaching, scale * one, settings), judging, settings)[2].value for one in TRUSTS]
    return scale * TRUSTS[int(np.argmax(values))]


@dataclass(frozen=True)
class _Decisions:
    """Some decisions of a log, (n, A, d) features of their actions, and (n, A) which were open."""

    log: LoggedDecisions
    features: Values
    open_: Open | None

    @classmethod
    def of(cls, log: LoggedDecisions, features: Values, open_: Open | None, rows: Codes) -> _Decisions:
        return cls(log, np.asarray(features, np.float64), open_).pick(rows)

    def pick(self, rows: Codes) -> _Decisions:
        open_ = None if self.open_ is None else self.open_[rows]
        return _Decisions(_part(self.log, rows), self.features[rows], open_)

    def logs(self, weights: Values) -> Values:
        return _logs(weights, self.features, self.open_)


def _demand_fit(log: LoggedDecisions, features: Values, open_: Open | None) -> None:
    shape = (len(log), log.n_actions)
    if (
        log.places != 1
        or features.ndim != 3
        or features.shape[:2] != shape
        or not np.isfinite(features).all()
    ):
        raise ArgumentError(
            f"expected a log of one place and finite features {(*shape, 'd')}, found {log.places} places and "
            f"features {features.shape}; give every action of every decision its features"
        )
    if open_ is not None and (open_.shape != shape or not open_[np.arange(len(log)), log.codes[:, 0]].all()):
        raise ArgumentError(
            f"expected which of {shape} actions were open, those of the log among them, found {open_.shape}"
        )
    if log.owners.max() < 9:
        raise ArgumentError(
            f"expected at least 10 clusters to learn from and to judge by, found "
            f"{int(log.owners.max()) + 1}; let the service decide for more users"
        )


def _parted(owners: Codes, share: float, seed: int, what: str) -> tuple[Codes, Codes]:
    """Return the rows of some clusters, and of the share of the others."""
    groups = np.unique(owners)
    drawn = generator(seed, "policy learning", what).permutation(groups)
    apart = np.isin(owners, drawn[: max(round(share * len(groups)), 1)])
    return np.flatnonzero(~apart), np.flatnonzero(apart)


def _logs(weights: Values, features: Values, open_: Open | None) -> Values:
    logits = features @ weights
    if open_ is not None:
        logits = np.where(open_, logits, -np.inf)
    return np.asarray(log_softmax(logits, axis=1))


def _part(log: LoggedDecisions, rows: Codes) -> LoggedDecisions:
    positions = None if log.positions is None else log.positions[rows]
    contexts = None if log.contexts is None else log.contexts[rows]
    return replace(
        log,
        actions=log.actions[rows],
        propensities=log.propensities[rows],
        rewards=log.rewards[rows],
        positions=positions,
        clusters=log.owners[rows],
        contexts=contexts,
        marginals=None,
        distribution=None,
    )


def _fitted(decisions: _Decisions, trust: float, settings: LearningSettings) -> Values:
    """Return (d,) the θ that maximises the objective."""
    objective = _Objective(decisions, trust, settings)
    start = np.zeros(decisions.features.shape[2])
    best: Any = minimize(objective.loss, start, jac=True, method="L-BFGS-B")
    return np.asarray(best.x, np.float64)


class _Objective:
    """What a policy is learned by: its value, its nearness to the log, and what it leaves to chance."""

    def __init__(self, decisions: _Decisions, trust: float, settings: LearningSettings) -> None:
        log = decisions.log
        self.decisions, self.trust, self.settings = decisions, trust, settings
        self._each, self._actions = np.arange(len(log)), log.codes[:, 0]
        self._model = np.zeros((len(log), log.n_actions))
        if settings.reward == "doubly_robust":
            self._model = cross_fitted(REWARD_MODELS[settings.reward_model](), log, settings.seed)[:, 0]
        self._residuals = log.rewards[:, 0] - self._model[self._each, self._actions]
        self._taken = decisions.features[self._each, self._actions]  # (n, d)

    def loss(self, weights: Values) -> tuple[float, Values]:
        """Return what is minimised, and its gradient (d,)."""
        logs = self.decisions.logs(weights)
        chances = np.exp(logs)
        mean = self._mean(chances)
        value, gradient = self._value(chances, mean)
        value += self.trust * float(logs[self._each, self._actions].mean())
        gradient = gradient + self.trust * (self._taken - mean).mean(axis=0)
        if self.settings.entropy:
            shares = chances * np.where(chances > 0, logs, 0.0)
            value -= self.settings.entropy * float(shares.sum(axis=1).mean())
            slope = self._mean(shares) - shares.sum(axis=1)[:, None] * mean
            gradient = gradient - self.settings.entropy * slope.mean(axis=0)
        return -value, -gradient

    def _value(self, chances: Values, mean: Values) -> tuple[float, Values]:
        """Return the estimated value, and its gradient (d,)."""
        free = chances[self._each, self._actions] / self.decisions.log.propensities[:, 0]
        clipped = np.minimum(free, self.settings.clip)
        slopes = np.where(free < self.settings.clip, free, 0.0)[:, None] * (self._taken - mean)
        if self.settings.reward == "snips":
            total = clipped.sum()
            value = float(clipped @ self._residuals / total)
            return value, np.asarray((self._residuals - value) @ slopes / total)
        predicted = (chances * self._model).sum(axis=1)
        pulled = self._mean(chances * self._model) - predicted[:, None] * mean
        value = float((predicted + clipped * self._residuals).mean())
        return value, np.asarray((pulled + self._residuals[:, None] * slopes).mean(axis=0))

    def _mean(self, shares: Values) -> Values:
        """Return (n, d) features summed over actions by (n, A) shares."""
        return np.asarray(np.einsum("na,nad->nd", shares, self.decisions.features))


def _judged(
    weights: Values, decisions: _Decisions, settings: LearningSettings
) -> tuple[Interval, float, Difference]:
    """Return the doubly robust value of a policy on decisions, what they earned, and the difference."""
    log = decisions.log
    target = np.exp(decisions.logs(weights))[:, None, :]
    estimator = DoublyRobust(
        ModelledSettings(level=settings.level, seed=settings.seed, reward_model=settings.reward_model)
    )
    contributions = estimator.contributions(log, target)
    earned = replace(contributions, numerator=log.rewards[:, 0])
    difference = difference_of(contributions, earned, log.owners, settings.level)
    return estimator.interval(log, contributions), float(log.rewards.mean()), difference
