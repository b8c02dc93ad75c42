"""How the sample world's titles and descriptions are composed from the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from polyscene.sample.words import (
    LEVELS,
    Kind,
    Language,
    ScenarioName,
    Topic,
    Vocabulary,
)

_T = TypeVar("_T")
_SENTENCES = 2
_SEQUEL = {"shop": ", edition {}", "news": ": part {}", "video": ", part {}"}
_SEQUEL_ZH = "（第{}期）"


@dataclass(frozen=True)
class Draft:
    """An item as it is written, before it has an id, a price or a date.

    Attributes:
        level: -1 for beginners, 0 for all, 1 for the experienced.
        second: a topic that the text leads to at its end, if any.
        maker: the brand, the author or the channel.
    """

    topic: Topic
    kind: Kind
    language: Language
    level: int
    second: Topic | None
    maker: str
    title: str
    description: str


def write_drafts(
    words: Vocabulary, scenario: ScenarioName, count: int, chinese: int, rng: np.random.Generator
) -> list[Draft]:
    """Write `count` items with different titles, `chinese` of them in Chinese, topics evenly spread."""
    topics = rng.permutation(np.arange(count) % len(words.topics))
    in_chinese = set(rng.choice(count, chinese, replace=False).tolist())
    drafts: list[Draft] = []
    taken: set[str] = set()
    for row, topic in enumerate(topics.tolist()):
        language: Language = "zh" if row in in_chinese else "en"
        draft = _with_new_title(words, scenario, words.topics[topic], language, taken, rng)
        taken.add(draft.title)
        drafts.append(draft)
    return drafts


def _with_new_title(
    words: Vocabulary,
    scenario: ScenarioName,
    topic: Topic,
    language: Language,
    taken: set[str],
    rng: np.random.Generator,
) -> Draft:
    for _ in range(12):
        draft = _draft(words, scenario, topic, language, rng)
        if draft.title not in taken:
            return draft
    sequel = _SEQUEL[scenario] if language == "en" else _SEQUEL_ZH
    number = 2
    while draft.title + sequel.format(number) in taken:
        number += 1
    return replace(draft, title=draft.title + sequel.format(number))


def _draft(
    words: Vocabulary, scenario: ScenarioName, topic: Topic, language: Language, rng: np.random.Generator
) -> Draft:
    kind = _one(topic.kinds[scenario, language], rng)
    level = int(rng.choice([-1, 0, 1], p=[0.25, 0.5, 0.25]))
    maker = _maker(words, scenario, topic, rng)
    slots = {
        "brand": maker,
        "variant": _one(kind.variants, rng),
        "place": _one(words.places[language], rng),
        "person": _one(words.people[language], rng),
        "n": str(rng.integers(4, 25)),
    }
    own = {"activity": topic.activity[language], "people": topic.people}
    chosen = sorted(rng.choice(len(kind.text), min(_SENTENCES, len(kind.text)), replace=False).tolist())
    sentences = [kind.text[row].format(**slots) for row in chosen]
    sentences.append(_one(words.closings[scenario, language, LEVELS[level + 1]], rng).format(**own))
    second = _second(words, topic, rng) if language == "en" else None
    if second is not None:
        bridge = _one(words.bridges[scenario], rng)
        sentences.append(bridge.format(activity=second.activity["en"], people=second.people))
    title = _one(kind.titles, rng).format(**slots)
    description = (" " if language == "en" else "").join(sentences)
    return Draft(topic, kind, language, level, second, maker, title, description)


def _maker(words: Vocabulary, scenario: ScenarioName, topic: Topic, rng: np.random.Generator) -> str:
    if scenario == "shop":
        return _one(topic.brands, rng)
    if scenario == "video":
        return _one(topic.channels, rng)
    first = 2 * words.topics.index(topic)  # two authors know the topic
    return words.authors[(first + int(rng.integers(2))) % len(words.authors)]


def _second(words: Vocabulary, topic: Topic, rng: np.random.Generator) -> Topic | None:
    other = _one(words.topics, rng)
    return other if other is not topic and rng.random() < 0.35 else None


def _one(choices: Sequence[_T], rng: np.random.Generator) -> _T:
    return choices[int(rng.integers(len(choices)))]
