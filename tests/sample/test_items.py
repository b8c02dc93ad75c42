from __future__ import annotations

import re
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from polyscene.sample.items import make_items
from polyscene.sample.words import SCENARIOS, TOPICS, ScenarioName, vocabulary
from polyscene.sample.world import SampleWorld

APPEARED: dict[ScenarioName, str] = {"shop": "listed", "news": "published", "video": "released"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_tenth_is_chinese_and_all_titles_differ(world: SampleWorld, name: ScenarioName) -> None:
    items = world.items[name]
    chinese = sum(bool(CHINESE.search(text)) for text in items["description"])
    assert len(items) == 300
    assert chinese == 30
    assert items["title"].n_unique() == 300
    assert items["item_id"].n_unique() == 300


@pytest.mark.parametrize("name", SCENARIOS)
def test_texts_are_whole_sentences_without_open_slots(world: SampleWorld, name: ScenarioName) -> None:
    for title, description in world.items[name].select("title", "description").iter_rows():
        assert not re.search(r"[{}]|  ", title + description)
        assert title == title.strip()
        assert description[-1] in ".。!?"
        assert len(re.findall(r"[.。!?]", description)) >= 3


@pytest.mark.parametrize("name", SCENARIOS)
def test_topics_are_spread_evenly(world: SampleWorld, name: ScenarioName) -> None:
    items = make_items(vocabulary(), name, 300, world.days, world.seed)
    counts = np.bincount(items.topic, minlength=len(TOPICS))
    assert counts.min() >= 18
    assert counts.max() <= 19
    assert set(np.unique(items.topics)) == {0.0, 0.35, 1.0}


@pytest.mark.parametrize(("name", "share"), [("shop", 0.15), ("news", 0.75), ("video", 0.35)])
def test_new_items_keep_appearing(world: SampleWorld, name: ScenarioName, share: float) -> None:
    times = world.items[name][APPEARED[name]]
    assert times.is_sorted()
    assert (times >= world.start).mean() == pytest.approx(share)
    assert times.max() < world.end  # type: ignore[operator]
    last_week = times.filter(times >= world.end - timedelta(days=7))
    assert len(last_week) > 0


def test_attributes_are_sensible(world: SampleWorld) -> None:
    assert world.items["shop"]["price"].min() > 4  # type: ignore[operator]
    assert world.items["shop"]["brand"].n_unique() > 40
    assert world.items["video"]["minutes"].is_between(5, 120).all()
    assert world.items["news"]["author"].n_unique() == 12
    assert world.items["news"]["section"].n_unique() == 8


def test_many_more_items_than_patterns_still_have_their_own_titles() -> None:
    items = make_items(vocabulary(), "shop", 2400, 5, 1)
    assert items.frame["title"].n_unique() == 2400
    assert items.frame.filter(pl.col("title").str.contains(", edition 2")).height > 0
