"""The sample world's people: what a company knows of them, and what only the world knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polyscene.core.clock import DAY
from polyscene.core.seeds import generator
from polyscene.core.types import BoolArray, LongArray
from polyscene.sample.clock import START
from polyscene.sample.items import FACTORS
from polyscene.sample.words import SCENARIOS, TOPICS

Floats = NDArray[np.float64]

_COUNTRIES = ("DE", "FR", "GB", "US", "IN", "BR", "NG", "SE", "CN", "SG")
_COUNTRY_SHARES = (0.14, 0.12, 0.14, 0.2, 0.1, 0.09, 0.06, 0.05, 0.07, 0.03)
_READS_CHINESE = {"CN": 0.98, "SG": 0.7}
_FAVOURITES = (3.0, 2.3, 1.6)
_AGE_LOADING = np.linspace(-0.8, 0.8, len(TOPICS))
_DRIFT_WIDTH_DAYS = 2.0


@dataclass(frozen=True)
class People:
    """n people, shared by all scenarios.

    Attributes:
        frame: the table a company would have: user_id, country, age (missing for some).
        taste_before: (n, 16) liking of each topic in logits, as the world starts.
        taste_after: (n, 16) the same after the person has changed; equal for many.
        drift_day: (n,) day around which the change happens.
        reads_chinese: (n,) True for those who read Chinese.
        experience: (n,) liking of items for the experienced over those for beginners.
        thrift: (n,) dislike of dear items.
        factors: (n, FACTORS) liking of the hidden dimensions of appeal.
        sessions_per_day: (n,) how often the person comes.
        joined: (n,) day of the first possible visit.
        habits: (n, 3) share of visits in each scenario; zero where the person never goes.
    """

    frame: pl.DataFrame
    taste_before: Floats
    taste_after: Floats
    drift_day: Floats
    reads_chinese: BoolArray
    experience: Floats
    thrift: Floats
    factors: Floats
    sessions_per_day: Floats
    joined: LongArray
    habits: Floats

    def __len__(self) -> int:
        return len(self.joined)

    def taste(self, users: LongArray, time: LongArray) -> Floats:
        """Return the liking of each topic, in logits, of `users` at `time` (microseconds).

        `τ_u(t) = (1 - s) τ_before + s τ_after` with `s = σ((t - drift day) / 2 days)`.

        Returns:
            the broadcast shape of users and time, and 16 more.
        """
        day = (time - START) / DAY
        share = 1.0 / (1.0 + np.exp(np.clip((self.drift_day[users] - day) / _DRIFT_WIDTH_DAYS, -50, 50)))
        before, after = self.taste_before[users], self.taste_after[users]
        return np.asarray(before + share[..., None] * (after - before))


def make_people(count: int, days: int, seed: int) -> People:
    """Draw `count` people for a world of `days` days."""
    rng = generator(seed, "sample", "people")
    country = rng.choice(len(_COUNTRIES), count, p=_COUNTRY_SHARES)
    age = np.clip(np.round(rng.gamma(9.0, 4.3, count)), 16, 88)
    before, after = _tastes(country, age, rng)
    chance = np.array([_READS_CHINESE.get(name, 0.03) for name in _COUNTRIES])[country]
    ages = pl.Series(
        [None if missing else value for missing, value in zip(rng.random(count) < 0.04, age, strict=True)]
    )
    return People(
        frame=pl.DataFrame(
            {
                "user_id": [f"u{number:05d}" for number in range(1, count + 1)],
                "country": [_COUNTRIES[code] for code in country],
                "age": ages.cast(pl.Int64),
            }
        ),
        taste_before=before,
        taste_after=after,
        drift_day=rng.uniform(0.15 * days, 0.9 * days, count),
        reads_chinese=rng.random(count) < chance,
        experience=rng.normal(0.0, 0.8, count),
        thrift=rng.normal(0.25, 0.35, count),
        factors=rng.normal(0.0, 0.9, (count, FACTORS)),
        sessions_per_day=np.clip(rng.lognormal(-1.6, 0.75, count), 0.02, 1.5),
        joined=np.where(rng.random(count) < 0.7, 0, rng.integers(0, days, count)).astype(np.int64),
        habits=_habits(count, rng),
    )


def _tastes(country: LongArray, age: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return tastes before and after: three favourites each; in six of ten people one of them changes."""
    count, topics = len(age), len(TOPICS)
    national = rng.normal(0.0, 0.5, (len(_COUNTRIES), topics))
    lean = national[country] + np.outer((age - age.mean()) / 15.0, _AGE_LOADING)
    order = np.argsort(-(lean + rng.gumbel(size=(count, topics))), axis=1)
    before = rng.normal(-0.9, 0.3, (count, topics))
    after = before.copy()
    rows = np.arange(count)
    changes = rng.random(count) < 0.6
    lost = rng.integers(0, len(_FAVOURITES), count)
    for place, liking in enumerate(_FAVOURITES):
        amount = liking + rng.normal(0.0, 0.2, count)
        swapped = changes & (lost == place)
        before[rows, order[:, place]] = amount
        after[rows, np.where(swapped, order[:, len(_FAVOURITES)], order[:, place])] = amount
    return before, after


def _habits(count: int, rng: np.random.Generator) -> Floats:
    """Return shares of visits: three people in ten know one scenario, the others two or all."""
    places = len(SCENARIOS)
    known = rng.choice([1, 2, 3], count, p=[0.3, 0.35, 0.35])
    rank = np.argsort(np.argsort(rng.random((count, places)), axis=1), axis=1)
    shares = np.where(rank < known[:, None], rng.gamma(3.0, 1.0, (count, places)), 0.0)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
