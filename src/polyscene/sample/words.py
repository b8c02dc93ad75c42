"""The sample world's written vocabulary, as it lies in `words/*.toml`.

Each topic is one file with six kinds of products, stories and videos in English and some in Chinese.
The order of the kinds matters: a person who has taken one of them looks for the next.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

ScenarioName = Literal["shop", "news", "video"]
Language = Literal["en", "zh"]
Level = Literal["starter", "regular", "seasoned"]

SCENARIOS: tuple[ScenarioName, ...] = ("shop", "news", "video")
LEVELS: tuple[Level, ...] = ("starter", "regular", "seasoned")
TOPICS = (
    "cooking", "cycling", "astronomy", "gardening", "travel", "music", "running", "photography",
    "woodworking", "camping", "coffee", "birds", "boardgames", "swimming", "knitting", "robotics",
)  # fmt: skip
KINDS = 6
"""Kinds per topic and scenario; kind k is completed by kind (k + 1) mod KINDS."""

_TABLES: Mapping[ScenarioName, str] = {"shop": "products", "news": "stories", "video": "videos"}


@dataclass(frozen=True)
class Kind:
    """One kind of item within a topic, with the patterns its texts are made of.

    Attributes:
        number: its place 0 to KINDS - 1 in the chain of things that complete each other.
        titles: title patterns with the slots brand, variant, place, person and n.
        text: sentence patterns with the same slots, in reading order.
        label: the shop's category or the video's genre; empty for news.
        bounds: lowest and highest price (shop) or length in minutes (video).
        variants: words that tell products of one kind apart.
    """

    number: int
    titles: tuple[str, ...]
    text: tuple[str, ...]
    label: str = ""
    bounds: tuple[float, float] = (0.0, 0.0)
    variants: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Topic:
    """What people care about in all three scenarios."""

    name: str
    people: str
    activity: Mapping[Language, str]
    section: str
    brands: tuple[str, ...]
    channels: tuple[str, ...]
    kinds: Mapping[tuple[ScenarioName, Language], tuple[Kind, ...]]


@dataclass(frozen=True)
class Vocabulary:
    """All topics, and the names and closing sentences they share.

    Attributes:
        places: invented places, by language.
        people: invented people, by language.
        authors: the newspaper's authors.
        closings: sentences by scenario, language and level.
        bridges: English sentences that lead to a second topic, by scenario.
    """

    topics: tuple[Topic, ...]
    places: Mapping[Language, tuple[str, ...]]
    people: Mapping[Language, tuple[str, ...]]
    authors: tuple[str, ...]
    closings: Mapping[tuple[ScenarioName, Language, Level], tuple[str, ...]]
    bridges: Mapping[ScenarioName, tuple[str, ...]]


@cache
def vocabulary() -> Vocabulary:
    """Read the vocabulary that is carried in the package."""
    common = _read("common")
    tables: dict[Language, dict[str, Any]] = {"en": common, "zh": common["zh"]}
    return Vocabulary(
        topics=tuple(_topic(_read(name)) for name in TOPICS),
        places={"en": tuple(common["places"]), "zh": tuple(common["zh"]["places"])},
        people={"en": tuple(common["people"]), "zh": tuple(common["zh"]["people"])},
        authors=tuple(common["authors"]),
        closings={
            (scenario, language, level): tuple(table[scenario][level])
            for language, table in tables.items()
            for scenario in SCENARIOS
            for level in LEVELS
        },
        bridges={scenario: tuple(common[scenario]["bridge"]) for scenario in SCENARIOS},
    )


def _read(name: str) -> dict[str, Any]:
    resource = files("polyscene.sample") / "words" / f"{name}.toml"
    return tomllib.loads(resource.read_text(encoding="utf-8"))


def _topic(table: Mapping[str, Any]) -> Topic:
    kinds: dict[tuple[ScenarioName, Language], tuple[Kind, ...]] = {}
    for scenario in SCENARIOS:
        english = tuple(_kind(number, row) for number, row in enumerate(table[_TABLES[scenario]]))
        kinds[scenario, "en"] = english
        kinds[scenario, "zh"] = tuple(_chinese(row, english) for row in table["zh"][_TABLES[scenario]])
    return Topic(
        name=table["name"],
        people=table["people"],
        activity={"en": table["activity"], "zh": table["zh"]["activity"]},
        section=table["section"],
        brands=tuple(table["brands"]),
        channels=tuple(table["channels"]),
        kinds=kinds,
    )


def _kind(number: int, row: Mapping[str, Any]) -> Kind:
    titles = row.get("headlines") or row.get("titles") or ["{brand} {variant} " + row["name"]]
    low, high = row.get("price") or row.get("minutes") or (0, 0)
    return Kind(
        number=number,
        titles=tuple(titles),
        text=tuple(row["text"]),
        label=row.get("category") or row.get("genre") or "",
        bounds=(float(low), float(high)),
        variants=tuple(row.get("variants", ("",))),
    )


def _chinese(row: Mapping[str, Any], english: tuple[Kind, ...]) -> Kind:
    same = english[row["kind"]]
    return Kind(same.number, (row["title"],), tuple(row["text"]), same.label, same.bounds)
