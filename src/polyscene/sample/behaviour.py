"""The sample world's behaviour model: pure functions of people, items and time.

With σ the logistic function, a person u who looks at item i of scenario s at time t with intent z
(a topic) after last having taken item j acts on it with probability

    r = σ( ℓ(u, i, t) + INTENT · 1[topic_i = z] + FOLLOW_UP · 1[i completes j] · exp(-Δt / 7 days) )
    ℓ = c_s + τ_u(t)ᵀ θ_i + q_i + f_uᵀ g_i + ½ e_u level_i - thrift_u · dearness_i
        + language(u, i) + FRESH_s · exp(-age_i(t) / fade_s)

and looks at position k (from 1) with probability `k ** -EYES`, independently of what stands there: the
examination hypothesis (Craswell and others, WSDM 2008). `docs/sample-world.md` names every symbol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyscene.core.clock import DAY
from polyscene.core.types import BoolArray, LongArray
from polyscene.sample.items import Items
from polyscene.sample.people import People
from polyscene.sample.words import KINDS, ScenarioName

Floats = NDArray[np.float64]

SLATE = 8
INTENT = 1.5
INTENT_SHARPNESS = 1.0
FOLLOW_UP = 2.6
FOLLOW_UP_DAYS = 7.0
EYES = 0.6
_OWN_CHINESE, _FOREIGN_CHINESE = 0.5, -3.0


@dataclass(frozen=True)
class Mood:
    """What differs between scenarios.

    Attributes:
        base: c_s, the logit of acting on an average item.
        fresh: what a brand-new item gains, in logits.
        fade_days: how fast that gain is lost.
    """

    base: float
    fresh: float
    fade_days: float


MOODS: dict[ScenarioName, Mood] = {
    "shop": Mood(base=-2.3, fresh=0.3, fade_days=20.0),
    "news": Mood(base=-2.7, fresh=1.9, fade_days=4.0),
    "video": Mood(base=-2.3, fresh=0.7, fade_days=12.0),
}


def logistic(logits: Floats) -> Floats:
    """Return `1 / (1 + exp(-logits))`, safe for large numbers."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0))))


def standing_logits(
    scenario: ScenarioName, people: People, items: Items, users: LongArray, codes: LongArray, time: LongArray
) -> Floats:
    """Return ℓ(u, i, t) for user codes, item codes and microseconds that broadcast together."""
    mood = MOODS[scenario]
    age = np.maximum(time - items.since[codes], 0) / DAY
    taste = people.taste(users, time)
    language = np.where(people.reads_chinese[users], _OWN_CHINESE, _FOREIGN_CHINESE)
    return np.asarray(
        mood.base
        + np.einsum("...k,...k->...", taste, items.topics[codes])
        + np.einsum("...k,...k->...", people.factors[users], items.factors[codes])
        + items.quality[codes]
        + 0.5 * people.experience[users] * items.level[codes]
        - people.thrift[users] * items.dearness[codes]
        + language * items.chinese[codes]
        + mood.fresh * np.exp(-age / mood.fade_days)
    )


def intents(taste: Floats) -> Floats:
    """Return the chance that a visit is about each topic: the softmax of the taste over the last axis."""
    weights = np.exp(INTENT_SHARPNESS * (taste - taste.max(axis=-1, keepdims=True)))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def preference(
    scenario: ScenarioName, people: People, items: Items, users: LongArray, codes: LongArray, time: LongArray
) -> Floats:
    """Return the chance that u, looking at i at t, acts on it: the mean over what the visit may be about.

    `P(intent is i's topic) σ(ℓ + INTENT) + P(it is not) σ(ℓ)`, with no position and no follow-up.
    """
    logits = standing_logits(scenario, people, items, users, codes, time)
    chances = intents(people.taste(users, time))
    wide = np.broadcast_to(chances, (*logits.shape, chances.shape[-1]))
    topic = np.broadcast_to(items.topic[codes], logits.shape)[..., None]
    meant = np.take_along_axis(wide, topic, axis=-1)[..., 0]
    return np.asarray(meant * logistic(logits + INTENT) + (1.0 - meant) * logistic(logits))


def completes(items: Items, codes: LongArray, last: LongArray) -> BoolArray:
    """Return where item `codes` (m, k) is next in the chain after item `last` (m,); -1 stands for no item."""
    fits = items.topic[codes] == items.topic[last][:, None]
    fits &= items.kind[codes] == (items.kind[last][:, None] + 1) % KINDS
    return np.asarray(fits & (last >= 0)[:, None])


def follow_ups(items: Items, codes: LongArray, last: LongArray, days_since: Floats) -> Floats:
    """Return FOLLOW_UP, faded by the days (m,) since, where `codes` (m, k) complete the item `last` (m,)."""
    faded = FOLLOW_UP * np.exp(-days_since / FOLLOW_UP_DAYS)
    return np.asarray(completes(items, codes, last) * faded[:, None])


def examination(positions: int) -> Floats:
    """Return the chance that a person looks at positions 1 to `positions`."""
    return np.asarray(np.arange(1, positions + 1, dtype=np.float64) ** -EYES)


@dataclass(frozen=True)
class DrawnSlates:
    """m slates of k places; places that could not be filled have no item (-1) and propensity NaN."""

    items: LongArray
    propensity: Floats
    candidates: LongArray


def draw_slates(scores: Floats, allowed: BoolArray, size: int, rng: np.random.Generator) -> DrawnSlates:
    """Draw slates without repetition from a Plackett-Luce policy and record their propensities.

    The item in place k is drawn with probability `exp(score) / Σ exp(score)` over the candidates that are not
    in places 1 to k - 1; that probability is the propensity (Plackett, 1975). Drawn as an exponential race:
    the smallest of `Exp(1) / exp(score)` wins.

    Args:
        scores: (m, n) finite scores.
        allowed: (m, n) which items are candidates.
        size: places per slate.
        rng: where the chance comes from.
    """
    size = min(size, scores.shape[1])
    top = np.max(scores, axis=1, keepdims=True, where=allowed, initial=-np.inf)
    weights = np.where(allowed, np.exp(scores - np.where(np.isfinite(top), top, 0.0)), 0.0)
    arrivals = np.full(scores.shape, np.inf)
    np.divide(rng.standard_exponential(scores.shape), weights, out=arrivals, where=weights > 0)
    fastest = np.argpartition(arrivals, size - 1, axis=1)[:, :size]
    order = np.argsort(np.take_along_axis(arrivals, fastest, axis=1), axis=1, kind="stable")
    chosen = np.take_along_axis(fastest, order, axis=1)
    picked = np.take_along_axis(weights, chosen, axis=1)
    np.put_along_axis(weights, chosen, 0.0, axis=1)
    left = weights.sum(axis=1, keepdims=True) + np.cumsum(picked[:, ::-1], axis=1)[:, ::-1]
    filled = picked > 0
    propensity = np.full(picked.shape, np.nan)
    np.divide(picked, left, out=propensity, where=filled)
    return DrawnSlates(np.where(filled, chosen, -1), propensity, allowed.sum(axis=1).astype(np.int64))
