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
LEVEL_CLICKS = 1.0
"""The usual click rate counts as if it had been seen on so many clicks."""


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
    """What is thought of arms before they are shown: a rate is the test's level times a factor.

    Attributes:
        factors: (T, A) expected; 1 where nothing is known.
        spread: standard deviation of the factor around it, relative: gamma with shape spread⁻².
        level: usual click rate.
    """

    factors: Values
    spread: float
    level: float


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
        mean, deviation = posterior(prior, shown, clicks)
        split = shares(policy, mean, deviation, bandits.arms, chance)
        served = chance.multinomial(batches[:, step], split).astype(np.float64)
        shown += served
        clicks += chance.binomial(served.astype(np.int64), bandits.rates)
        curves[:, step] = (shown * lost).sum(axis=1)
    return curves


def posterior(prior: Prior, shown: Values, clicks: Values) -> tuple[Values, Values]:
    """Return (T, A) means and standard deviations of the rates: gamma and Poisson, level by level.

    level = (c₀ + Σ clicks) / (c₀ / usual + Σ shown · factor); each arm's rate has the prior gamma(a, a / (level
    · factor)) with a = spread⁻², so given its clicks gamma(a + clicks, a / (level · factor) + shown).
    """
    shape = prior.spread**-2
    seen = LEVEL_CLICKS / prior.level + (shown * prior.factors).sum(axis=1, keepdims=True)
    level = (LEVEL_CLICKS + clicks.sum(axis=1, keepdims=True)) / seen
    shapes, rates = shape + clicks, shape / (level * prior.factors) + shown
    return shapes / rates, np.sqrt(shapes) / rates


def shares(
    policy: str, mean: Values, deviation: Values, arms: NDArray[np.bool_], chance: np.random.Generator
) -> Values:
    """Return (T, A) how a batch is split; equals share alike where the policy has no reason for one."""
    if policy == "uniform":
        return arms / arms.sum(axis=1, keepdims=True)
    if policy == "thompson":
        drawn = mean[..., None] + deviation[..., None] * chance.standard_normal((*mean.shape, DRAWS))
        drawn[~arms] = -np.inf
        return (drawn == drawn.max(axis=1, keepdims=True)).mean(axis=2)
    index = np.where(arms, mean + (WIDTH * deviation if policy == "ucb" else 0.0), -np.inf)
    best = index >= index.max(axis=1, keepdims=True) * (1.0 - 1e-12)
    greedy = best / best.sum(axis=1, keepdims=True)
    if policy != "epsilon":
        return greedy
    return (1.0 - EPSILON) * greedy + EPSILON * arms / arms.sum(axis=1, keepdims=True)


def _batches(horizon: Values, steps: int) -> NDArray[np.int64]:
    """Return (T, steps) impressions in each batch; they sum to the horizon."""
    ends = np.round(horizon[:, None] * np.arange(steps + 1) / steps).astype(np.int64)
    return np.diff(ends, axis=1)
