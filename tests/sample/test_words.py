from __future__ import annotations

import re
from string import Formatter

import pytest

from polyscene.sample.words import KINDS, SCENARIOS, TOPICS, Topic, vocabulary

SLOTS = {"brand", "variant", "place", "person", "n"}


def patterns(topic: Topic) -> list[str]:
    return [text for kinds in topic.kinds.values() for kind in kinds for text in (*kind.titles, *kind.text)]


def slots(pattern: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}


@pytest.mark.parametrize("topic", vocabulary().topics, ids=TOPICS)
def test_every_topic_has_all_kinds_and_only_known_slots(topic: Topic) -> None:
    for scenario in SCENARIOS:
        assert [kind.number for kind in topic.kinds[scenario, "en"]] == list(range(KINDS))
        assert len(topic.kinds[scenario, "zh"]) == 3
    assert all(slots(pattern) <= SLOTS for pattern in patterns(topic))


@pytest.mark.parametrize("topic", vocabulary().topics, ids=TOPICS)
def test_english_sentences_begin_and_end_like_sentences(topic: Topic) -> None:
    for (_, language), kinds in topic.kinds.items():
        for text in (text for kind in kinds for text in kind.text):
            if language == "en":
                assert re.match(r"[A-Z0-9{]", text), text
                assert text.endswith((".", "?", "!")), text
            else:
                assert text.endswith("。"), text


def test_topics_are_the_named_ones_and_no_sentence_is_written_twice() -> None:
    topics = vocabulary().topics
    assert tuple(topic.name for topic in topics) == TOPICS
    texts = [
        text for topic in topics for kinds in topic.kinds.values() for kind in kinds for text in kind.text
    ]
    assert len(texts) == len(set(texts))
    assert len(texts) > 1000


def test_prices_and_lengths_are_ranges() -> None:
    for topic in vocabulary().topics:
        for scenario in ("shop", "video"):
            for kind in topic.kinds[scenario, "en"]:
                assert 0 < kind.bounds[0] < kind.bounds[1]
                assert kind.label
