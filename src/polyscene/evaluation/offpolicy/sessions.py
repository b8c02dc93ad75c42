"""Long-term value: what a policy earns over a visit, where what is shown now changes what comes later.

A session is a row of steps: features x_t, an action a_t of A with its propensity p_t, a reward r_t. Its
return is Σ_t γ^t r_t. A policy that takes the best next reward can lose over a session (it shows what is
clicked and drives people away), and only an estimate over sessions sees that:

    per-decision importance sampling   V = 1/n Σ_i Σ_t γ^t ρ_{i,t} r_{i,t},   ρ_t = Π_{s <= t} w_s
    weighted                           the same with ρ_{i,t} over its mean over the sessions
    doubly robust                      V_t = v̂(x_t) + w_t (r_t + γ V_{t+1} - q̂(x_t, a_t)),   V = mean V_0

with w_t = π(a_t | x_t) / p_t the weight of the step alone and v̂(x) = Σ_a π(a | x) q̂(x, a) (Precup, Sutton and
Singh 2000, Eligibility traces for off-policy policy evaluation; Jiang and Li 2016, Doubly robust off-policy
value evaluation for reinforcement learning). q̂ comes of fitted Q evaluation, and the best policy of fitted Q
iteration, linear in the features for every action (Ernst, Geurts and Wehenkel 2005, Tree-based batch mode
reinforcement learning).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.comparison import Difference, difference_of
from polyscene.evaluation.offpolicy.interval import Contributions, Interval, bounds_of, effective_sample_size
from polyscene.evaluation.offpolicy.log import Codes, Values
from polyscene.evaluation.offpolicy.reward_models import FOLDS, fold_rows

RIDGE = 1e-3
"""Penalty on all weights, in decisions."""

Method = Literal["doubly_robust", "weighted", "per_decision"]


@dataclass(frozen=True, eq=False)
class Sessions:
    """n sessions of at most T steps; steps behind the end of a session are empty.

    Attributes:
        features: (n, T, d) of the state before each step.
        actions: (n, T) codes below `n_actions`, -1 behind the end.
        propensities: (n, T) in (0, 1] of the action; anything behind the end.
        rewards: (n, T).
        n_actions: A.
        clusters: (n,) number of the user of each session, from 0; None: each stands alone.

    Raises:
        ArgumentError: shapes do not fit, propensities are none, or a session goes on after its end.
    """

    features: Values
    actions: Codes
    propensities: Values
    rewards: Values
    n_actions: int
    clusters: Codes | None = None

    def __post_init__(self) -> None:
        shape = self.actions.shape
        if len(shape) != 2 or self.features.shape[:2] != shape or self.rewards.shape != shape:
            raise ArgumentError(
                f"expected features (n, T, d), actions and rewards (n, T), "
                f"found {self.features.shape}, {shape} and {self.rewards.shape}"
            )
        there = self.there
        if (there[:, 1:] & ~there[:, :-1]).any() or not there[:, 0].all():
            raise ArgumentError("expected sessions without gaps, found steps after an empty one")
        chances = self.propensities[there]
        if not ((chances > 0) & (chances <= 1)).all() or self.actions.max() >= self.n_actions:
            raise ArgumentError(
                f"expected actions below {self.n_actions} with propensities in (0, 1], found others; log them"
            )

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def there(self) -> NDArray[np.bool_]:
        """(n, T) which steps there are."""
        return np.asarray(self.actions >= 0)

    @property
    def codes(self) -> Codes:
        """(n, T) the actions, 0 where there is none."""
        return np.where(self.there, self.actions, 0)

    @property
    def owners(self) -> Codes:
        """(n,) number of the cluster of each session."""
        if self.clusters is None:
            return np.arange(len(self), dtype=np.int64)
        return np.unique(self.clusters, return_inverse=True)[1].astype(np.int64)

    def pick(self, rows: Codes) -> Sessions:
        """Return some sessions."""
        return Sessions(
            self.features[rows],
            self.actions[rows],
            self.propensities[rows],
            self.rewards[rows],
            self.n_actions,
            self.owners[rows],
        )


@dataclass(frozen=True)
class LinearQ:
    """`q̂(x, a) = x̄ᵀ w_a` with x̄ = (1, x): what an action is worth with all that follows.

    Attributes:
        weights: (A, 1 + d).
    """

    weights: Values

    def values(self, features: Values) -> Values:
        """Return (…, A) of (…, d)."""
        return np.asarray(_with_one(features) @ self.weights.T)

    def greedy(self, features: Values) -> Values:
        """Return (…, A) probabilities of taking the action of the largest value; of equals the first."""
        return np.asarray(np.eye(len(self.weights))[self.values(features).argmax(axis=-1)])


def fitted_q(sessions: Sessions, discount: float, target: Values | None = None) -> LinearQ:
    """Return what actions are worth by fitted Q iteration, or evaluation where a policy is named.

    There are as many sweeps as the longest session has steps: so far can a reward travel back.

    Args:
        discount: γ in [0, 1]; 0 looks at the next reward alone.
        target: (n, T, A) probabilities of the policy that goes on; None: the best one.

    Raises:
        ArgumentError: γ lies outside.
    """
    if not 0 <= discount <= 1:
        raise ArgumentError(f"expected a discount from 0 to 1, found {discount}")
    there, last = sessions.there, np.zeros((len(sessions), 1), np.bool_)
    goes_on = np.concatenate([there[:, 1:], last], axis=1)[there]
    design, actions, rewards = (
        _with_one(sessions.features[there]),
        sessions.actions[there],
        sessions.rewards[there],
    )
    following = np.zeros_like(design)
    following[goes_on] = _with_one(sessions.features)[:, 1:][there[:, 1:]]
    chances = None
    if target is not None:
        chances = np.zeros((len(design), sessions.n_actions))
        chances[goes_on] = target[:, 1:][there[:, 1:]]
    d = design.shape[1]
    of = [np.flatnonzero(actions == action) for action in range(sessions.n_actions)]
    inverses = [np.linalg.inv(design[rows].T @ design[rows] + RIDGE * np.eye(d)) for rows in of]
    weights = np.zeros((sessions.n_actions, d))
    for _ in range(there.shape[1]):
        values = following @ weights.T
        later = values.max(axis=1) if chances is None else (chances * values).sum(axis=1)
        goals = rewards + discount * goes_on * later
        weights = np.stack(
            [inverse @ design[rows].T @ goals[rows] for inverse, rows in zip(inverses, of, strict=True)]
        )
    return LinearQ(weights)


def session_value(
    sessions: Sessions, target: Values, discount: float, method: Method = "doubly_robust", level: float = 0.95
) -> Interval:
    """Return what a session earns by a policy, discounted, with its interval over clusters.

    Args:
        target: (n, T, A) the policy's probabilities of every action at every step.
        discount: γ.
        method: `doubly_robust`, with q̂ of fitted Q evaluation in folds of clusters; `weighted`;
        `per_decision`. level: of the interval.

    Raises:
        ArgumentError: the target does not fit.
    """
    contributions, owners = session_contributions(sessions, target, discount, method), sessions.owners
    value, low, high = bounds_of(contributions, owners, "normal", level, 0, 0)
    return Interval(
        value,
        low,
        high,
        level,
        effective_sample_size(contributions.weights),
        len(sessions),
        int(owners.max()) + 1,
        method,
        contributions.method,
    )


def session_difference(
    sessions: Sessions,
    policy: Values,
    against: Values,
    discount: float,
    method: Method = "doubly_robust",
    level: float = 0.95,
) -> Difference:
    """Return how much more a session earns by one policy than by another, in pairs; see `session_value`."""
    first, second = (session_contributions(sessions, one, discount, method) for one in (policy, against))
    return difference_of(first, second, sessions.owners, level)


def session_contributions(
    sessions: Sessions, target: Values, discount: float, method: Method
) -> Contributions:
    """Return what each session contributes to the value of a policy."""
    shape = (*sessions.actions.shape, sessions.n_actions)
    if target.shape != shape:
        raise ArgumentError(
            f"expected probabilities {shape} of every action at every step, found {target.shape}"
        )
    there, codes = sessions.there, sessions.codes[..., None]
    chances = np.take_along_axis(target, codes, axis=2)[..., 0]
    steps = np.where(there, chances / np.where(there, sessions.propensities, 1.0), 1.0)
    weights: Values = np.cumprod(steps, axis=1, dtype=np.float64)
    rewards = np.where(there, sessions.rewards, 0.0)
    fading = discount ** np.arange(rewards.shape[1])
    last = weights[:, -1:]
    if method == "doubly_robust":
        return Contributions(
            _doubly_robust(sessions, target, steps, discount), last, method="fitted Q evaluation, corrected"
        )
    if method == "weighted":
        means = weights.mean(axis=0)
        weights = np.divide(weights, means, out=np.zeros_like(weights), where=means > 0)
    return Contributions((fading * weights * rewards).sum(axis=1), last, method="weights of the steps so far")


def _doubly_robust(sessions: Sessions, target: Values, steps: Values, discount: float) -> Values:
    """Return (n,) V_0 of each session, by a q̂ that other clusters taught."""
    q = np.zeros(target.shape)
    for outside, inside in fold_rows(sessions.owners, 0, FOLDS):
        q[inside] = fitted_q(sessions.pick(outside), discount, target[outside]).values(
            sessions.features[inside]
        )
    states = (target * q).sum(axis=2)
    taken = np.take_along_axis(q, sessions.codes[..., None], axis=2)[..., 0]
    value: Values = np.zeros(len(sessions))
    for step in reversed(range(sessions.actions.shape[1])):
        error = sessions.rewards[:, step] + discount * value - taken[:, step]
        value = np.where(sessions.there[:, step], states[:, step] + steps[:, step] * error, 0.0)
    return value


def _with_one(features: Values) -> Values:
    return np.concatenate([np.ones((*features.shape[:-1], 1)), features], axis=-1)
