"""What comes of a click in the sample world: the rows of its event tables.

A visit to an item leaves one row with the furthest step it reached (shop: click, then purchase; news and
video: click, then dwell, then like), so that no step of one visit gives another away. A rating follows days
after a purchase as a row of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polyscene.core.clock import DAY
from polyscene.core.types import LongArray
from polyscene.sample.behaviour import Floats, logistic
from polyscene.sample.words import ScenarioName

_BUY, _LIKE = -0.3, -0.9
_STAYED_SECONDS = 15.0
_TYPICAL_SECONDS = {"news": 50.0, "video": 150.0}
_RATED = 0.4
_STARS = 3.9


@dataclass(frozen=True)
class Clicks:
    """Who clicked what: (m,) user and item codes, microseconds, and ℓ(u, i, t) at that moment."""

    user: LongArray
    item: LongArray
    time: LongArray
    logits: Floats


@dataclass(frozen=True)
class Happenings:
    """Event rows: (m,) user and item codes, action names, values (NaN where none), microseconds."""

    user: LongArray
    item: LongArray
    action: NDArray[np.str_]
    value: Floats
    time: LongArray


def happenings(
    scenario: ScenarioName, clicks: Clicks, items: pl.DataFrame, end: int, rng: np.random.Generator
) -> Happenings:
    """Return what came of `clicks`, ordered by time; nothing happens after `end` (microseconds)."""
    rows = (
        _purchases(clicks, items["price"].to_numpy(), rng)
        if scenario == "shop"
        else _stays(clicks, scenario, _longest(scenario, items)[clicks.item], rng)
    )
    kept = rows.time < end
    order = np.argsort(rows.time, kind="stable")
    order = order[kept[order]]
    return Happenings(
        rows.user[order], rows.item[order], rows.action[order], rows.value[order], rows.time[order]
    )


def _purchases(clicks: Clicks, prices: Floats, rng: np.random.Generator) -> Happenings:
    """A click becomes a purchase with σ(ℓ - .3), its value the price; four in ten buyers rate it later.

    Stars: `3.9 + .6 tanh(ℓ) + N(0, .8²)`, rounded into 1 to 5, two to nine days later.
    """
    bought = rng.random(len(clicks.user)) < logistic(clicks.logits + _BUY)
    rated = np.flatnonzero(bought & (rng.random(len(bought)) < _RATED))
    stars = _STARS + 0.6 * np.tanh(clicks.logits[rated]) + rng.normal(0.0, 0.8, len(rated))
    later = clicks.time[rated] + (rng.uniform(2.0, 9.0, len(rated)) * DAY).astype(np.int64)
    return Happenings(
        user=np.r_[clicks.user, clicks.user[rated]],
        item=np.r_[clicks.item, clicks.item[rated]],
        action=np.r_[np.where(bought, "purchase", "click"), np.full(len(rated), "rating")],
        value=np.r_[np.where(bought, prices[clicks.item], np.nan), np.clip(np.round(stars), 1.0, 5.0)],
        time=np.r_[clicks.time, later],
    )


def _stays(clicks: Clicks, scenario: ScenarioName, longest: Floats, rng: np.random.Generator) -> Happenings:
    """A click becomes a dwell where somebody stays 15 s or more, and a like with σ(ℓ - .9) of those.

    Seconds: `typical · exp(.45 ℓ + N(0, .9²))`, never longer than the item; the value of a dwell or a like.
    """
    noise = rng.normal(0.0, 0.9, len(clicks.user))
    seconds = np.minimum(np.round(_TYPICAL_SECONDS[scenario] * np.exp(0.45 * clicks.logits + noise)), longest)
    stayed = seconds >= _STAYED_SECONDS
    liked = stayed & (rng.random(len(stayed)) < logistic(clicks.logits + _LIKE))
    action = np.where(liked, "like", np.where(stayed, "dwell", "click"))
    return Happenings(clicks.user, clicks.item, action, np.where(stayed, seconds, np.nan), clicks.time)


def _longest(scenario: ScenarioName, items: pl.DataFrame) -> Floats:
    if scenario == "video":
        return np.asarray(items["minutes"].to_numpy() * 60.0)
    return np.full(len(items), 900.0)
