"""Tests of headlines as bandits with known click rates, all of them served side by side.

Every test is a bandit of its own: its arms are its headlines, their rates the ones observed, its horizon the
impressions it had. A policy that serves a batch sees the clicks of the batches before. What the arms share is
the test's level, which nobody knows beforehand: it is estimated along the way from all arms together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

POLICIES = ("uniform", "greedy", "epsilon", "ucb", "thompson")
EPSILON, WIDTH = 0.1, 1.0
DRAWS = 32
"""Thompson sampling splits a batch among so many drawn winners."""


@dataclass(frozen=True)
class Bandits:
    """T tests with up to A arms.

    Attributes:
        rates: (T, A) true click rates; 0 where there is no arm.
        arms: (T, A) whether there is one.
        horizon: (T,) impressions.
    """

    rates: Values
    arms: NDArray[np.bool_]
    horizon: Values


@dataclass(frozen=True)
class Prior:
    """What is thought of log rates before anything is shown: the test's level, and each arm's own part.

    Attributes:
        lead: (T, A) expected of the arm's own part; 0 where nothing is known.
        spread: standard deviation of that part around it.
        level, level_spread: mean and standard deviation of the level.
    """

    lead: Values
    spread: float
    level: float
    level_spread: float


@dataclass(frozen=True)
class Posterior:
    """Log rates after some clicks: independent given the level, which all share.

    Attributes:
        mean: (T, A).
        own: (T, A) standard deviations given the level.
        shared: (T, A) what one standard deviation of the level moves each.
    """

    mean: Values
    own: Values
    shared: Values


def regrets(bandits: Bandits, prior: Prior, policy: str, steps: int, seed: int) -> Values:
    """Return (T, steps) clicks lost against the best arm, summed up to each of so many equal batches.

    Args:
        bandits: what is served.
        prior: of the policy.
        policy: one of `POLICIES`.
        steps: batches.
        seed: of clicks and of the policy's chance.
    """
    chance = np.random.default_rng(seed)
    shown, clicks = np.zeros(bandits.rates.shape), np.zeros(bandits.rates.shape)
    lost = (bandits.rates.max(axis=1, keepdims=True) - bandits.rates) * bandits.arms
    batches = _batches(bandits.horizon, steps)
    curves = np.zeros((len(bandits.rates), steps))
    for step in range(steps):
        split = shares(policy, posterior(prior, shown, clicks, bandits.arms), bandits.arms, chance)
        served = chance.multinomial(batches[:, step], split).astype(np.float64)
        shown += served
        clicks += chance.binomial(served.astype(np.int64), bandits.rates)
        curves[:, step] = (shown * lost).sum(axis=1)
    return curves


def posterior(prior: Prior, shown: Values, clicks: Values, arms: NDArray[np.bool_]) -> Posterior:
    """Return what is thought of (T, A) log rates given clicks: a normal model in two steps.

    An arm shown n times with c clicks is seen at y = log((c + ½) / n) with variance v = 1 / (c + ½), where
    it was not shown v is infinite. With τ the spread, the level λ is normal with precision 1/σ² + Σ 1/(τ² +
    v), and an arm, given λ, is B (λ + lead) + (1 - B) y with B = v / (τ² + v), and variance B τ².
    """
    counts = clicks + 0.5
    seen = arms & (shown > 0)
    logs = np.log(counts / np.maximum(shown, 1.0))
    pull = np.where(seen, 1.0 / (counts * prior.spread**2 + 1.0), 1.0)  # B
    weights = np.where(seen, (1.0 - pull) / prior.spread**2, 0.0)  # 1 / (τ² + v)
    precision = prior.level_spread**-2 + weights.sum(axis=1, keepdims=True)
    sums = prior.level * prior.level_spread**-2 + (weights * (logs - prior.lead)).sum(axis=1, keepdims=True)
    mean = pull * (sums / precision + prior.lead) + (1.0 - pull) * logs
    return Posterior(mean, np.sqrt(pull) * prior.spread, pull / np.sqrt(precision))


def shares(policy: str, known: Posterior, arms: NDArray[np.bool_], chance: np.random.Generator) -> Values:
    """Return (T, A) how a batch is split; equals share alike where the policy has no reason for one."""
    even: Values = arms / arms.sum(axis=1, keepdims=True)
    if policy == "uniform":
        return even
    if policy == "thompson":
        level = chance.standard_normal((len(arms), 1, DRAWS))
        drawn = known.own[..., None] * chance.standard_normal((*arms.shape, DRAWS))
        drawn += known.mean[..., None] + known.shared[..., None] * level
        drawn[~arms] = -np.inf
        return np.asarray((drawn == drawn.max(axis=1, keepdims=True)).mean(axis=2))
    deviation = np.hypot(known.own, known.shared)
    index = np.where(arms, known.mean + (WIDTH * deviation if policy == "ucb" else 0.0), -np.inf)
    best = index >= index.max(axis=1, keepdims=True) - 1e-12
    greedy: Values = best / best.sum(axis=1, keepdims=True)
    epsilon = EPSILON if policy == "epsilon" else 0.0
    return (1.0 - epsilon) * greedy + epsilon * even


def _batches(horizon: Values, steps: int) -> NDArray[np.int64]:
    """Return (T, steps) impressions in each batch; they sum to the horizon."""
    ends = np.round(horizon[:, None] * np.arange(steps + 1) / steps).astype(np.int64)
    return np.diff(ends, axis=1)
