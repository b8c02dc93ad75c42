"""The sample world's catalogues: what people see of an item, and what only the world knows of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polyscene.core.clock import DAY
from polyscene.core.seeds import generator
from polyscene.core.types import BoolArray, LongArray
from polyscene.sample.clock import START, stamps
from polyscene.sample.words import Kind, ScenarioName, Topic, Vocabulary
from polyscene.sample.writing import Draft, write_drafts

FACTORS = 4
"""Hidden dimensions of appeal that no text tells."""
CHINESE_SHARE = 0.1
_NEW_SHARE = {"shop": 0.15, "news": 0.75, "video": 0.35}
_PAST_DAYS = {"shop": 300.0, "news": 12.0, "video": 240.0}
_PREFIX = {"shop": "P", "news": "N", "video": "V"}


@dataclass(frozen=True)
class Items:
    """One scenario's n items, oldest first.

    Attributes:
        frame: the table a company would have; one row per item.
        topics: (n, 16) how much of each topic is in the item: 1 for its own, .35 for a second one.
        topic: (n,) the item's own topic.
        kind: (n,) its place in the chain of things that complete each other.
        level: (n,) -1 for beginners, 0 for all, 1 for the experienced.
        chinese: (n,) True where the text is Chinese.
        quality: (n,) hidden appeal to everybody, in logits.
        factors: (n, FACTORS) hidden appeal that differs between people.
        dearness: (n,) standardised logarithm of the price; zero outside the shop.
        since: (n,) microseconds since 1970 when it became available.
    """

    frame: pl.DataFrame
    topics: NDArray[np.float64]
    topic: LongArray
    kind: LongArray
    level: LongArray
    chinese: BoolArray
    quality: NDArray[np.float64]
    factors: NDArray[np.float64]
    dearness: NDArray[np.float64]
    since: LongArray

    def __len__(self) -> int:
        return len(self.topic)


def make_items(words: Vocabulary, scenario: ScenarioName, count: int, days: int, seed: int) -> Items:
    """Write `count` items of one scenario, some of them appearing within the `days` of the world."""
    rng = generator(seed, "sample", "items", scenario)
    drafts = write_drafts(words, scenario, count, round(CHINESE_SHARE * count), rng)
    since = _appearances(scenario, count, days, rng)
    dearness = np.zeros(count)
    columns: dict[str, pl.Series | list[str]] = {
        "item_id": [f"{_PREFIX[scenario]}{number:04d}" for number in range(1, count + 1)],
        "title": [draft.title for draft in drafts],
        "description": [draft.description for draft in drafts],
    }
    if scenario == "shop":
        prices = _prices(drafts, rng)
        dearness = (np.log(prices) - np.log(prices).mean()) / max(float(np.log(prices).std()), 1e-9)
        columns["brand"] = [draft.maker for draft in drafts]
        columns["category"] = [draft.kind.label for draft in drafts]
        columns["price"] = pl.Series(prices)
        columns["listed"] = stamps(since)
    elif scenario == "news":
        columns["section"] = [draft.topic.section for draft in drafts]
        columns["author"] = [draft.maker for draft in drafts]
        columns["published"] = stamps(since)
    else:
        columns["genre"] = [draft.kind.label for draft in drafts]
        columns["channel"] = [draft.maker for draft in drafts]
        columns["minutes"] = pl.Series([_minutes(draft.kind, rng) for draft in drafts])
        columns["released"] = stamps(since)
    return Items(
        frame=pl.DataFrame(columns),
        topics=_topic_weights(words.topics, drafts),
        topic=np.array([words.topics.index(draft.topic) for draft in drafts], dtype=np.int64),
        kind=np.array([draft.kind.number for draft in drafts], dtype=np.int64),
        level=np.array([draft.level for draft in drafts], dtype=np.int64),
        chinese=np.array([draft.language == "zh" for draft in drafts]),
        quality=rng.normal(0.0, 0.55, count),
        factors=rng.normal(0.0, 0.5, (count, FACTORS)),
        dearness=dearness,
        since=since,
    )


def _appearances(scenario: ScenarioName, count: int, days: int, rng: np.random.Generator) -> LongArray:
    """Return when each item appears, oldest first: before the world starts, or on one of its days."""
    fresh = round(_NEW_SHARE[scenario] * count)
    old = -np.ceil(rng.uniform(0.0, _PAST_DAYS[scenario], count - fresh))
    new = np.floor(rng.uniform(0.0, days, fresh))
    clock = rng.uniform(6 / 24, 20 / 24, count)  # between six in the morning and eight at night
    offsets = np.sort(np.concatenate([old, new]) + clock)
    seconds = np.round(offsets * 86_400).astype(np.int64)
    return np.asarray(START + seconds * (DAY // 86_400), dtype=np.int64)


def _prices(drafts: list[Draft], rng: np.random.Generator) -> NDArray[np.float64]:
    low, high = np.array([draft.kind.bounds for draft in drafts]).T
    place = np.clip(
        0.4 + 0.2 * np.array([draft.level for draft in drafts]) + rng.normal(0, 0.15, len(low)), 0, 1
    )
    return np.asarray(np.floor(low * (high / low) ** place) + 0.9, dtype=np.float64)


def _minutes(kind: Kind, rng: np.random.Generator) -> int:
    low, high = kind.bounds
    return int(rng.integers(int(low), int(high) + 1))


def _topic_weights(topics: tuple[Topic, ...], drafts: list[Draft]) -> NDArray[np.float64]:
    weights = np.zeros((len(drafts), len(topics)))
    for row, draft in enumerate(drafts):
        weights[row, topics.index(draft.topic)] = 1.0
        if draft.second is not None:
            weights[row, topics.index(draft.second)] = 0.35
    return weights
