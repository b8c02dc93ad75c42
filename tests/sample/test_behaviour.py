from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.core.clock import DAY
from polyscene.core.seeds import generator
from polyscene.sample.behaviour import (
    FOLLOW_UP,
    completes,
    draw_slates,
    examination,
    follow_ups,
    intents,
    preference,
)
from polyscene.sample.items import make_items
from polyscene.sample.people import make_people
from polyscene.sample.words import KINDS, vocabulary


def test_first_place_is_drawn_as_often_as_its_propensity_says() -> None:
    scores = np.array([1.5, 0.0, -1.0, 0.7, 9.0])
    allowed = np.array([True, True, True, True, False])
    chances = np.exp(scores) * allowed / (np.exp(scores) * allowed).sum()
    draws = 40_000
    slates = draw_slates(np.tile(scores, (draws, 1)), np.tile(allowed, (draws, 1)), 3, generator(5, "draws"))
    frequency = np.bincount(slates.items[:, 0], minlength=5) / draws
    np.testing.assert_allclose(frequency, chances, atol=4 * np.sqrt(0.25 / draws))
    np.testing.assert_allclose(slates.propensity[:, 0], chances[slates.items[:, 0]])
    assert chances.sum() == pytest.approx(1.0)
    assert (slates.candidates == 4).all()


def test_second_place_is_drawn_as_often_as_its_propensity_says() -> None:
    scores = np.tile(np.array([2.0, 1.0, 0.0]), (60_000, 1))
    slates = draw_slates(scores, np.ones(scores.shape, dtype=np.bool_), 2, generator(6, "draws"))
    after_first = slates.items[slates.items[:, 0] == 0]
    expected = np.e / (np.e + 1.0)
    assert (after_first[:, 1] == 1).mean() == pytest.approx(expected, abs=0.01)


@given(
    seed=st.integers(0, 10_000),
    width=st.integers(1, 12),
    size=st.integers(1, 12),
)
@settings(max_examples=60)
def test_propensities_follow_the_definition(seed: int, width: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (4, width))
    allowed = rng.random((4, width)) < 0.7
    slates = draw_slates(scores, allowed, size, rng)
    for row in range(4):
        left = {item: np.exp(scores[row, item]) for item in np.flatnonzero(allowed[row]).tolist()}
        for item, propensity in zip(slates.items[row].tolist(), slates.propensity[row].tolist(), strict=True):
            if not left:
                assert item == -1
                assert np.isnan(propensity)
                continue
            assert propensity == pytest.approx(left[item] / sum(left.values()))
            del left[item]


def test_examination_falls_from_one() -> None:
    looks = examination(8)
    assert looks[0] == 1.0
    assert (np.diff(looks) < 0).all()
    assert looks[-1] > 0


def test_intents_are_probabilities_that_prefer_the_liked() -> None:
    chances = intents(np.array([[2.0, 0.0, -50.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    np.testing.assert_allclose(chances[1], 1 / 3)
    assert chances[0, 0] > chances[0, 1] > chances[0, 2]


def test_follow_ups_go_round_the_ring_and_fade() -> None:
    items = make_items(vocabulary(), "shop", 300, 10, 7)
    every = np.arange(300)[None, :]
    last = np.array([17])
    fits = completes(items, every, last)[0]
    assert fits.any()
    assert (items.topic[fits] == items.topic[17]).all()
    assert (items.kind[fits] == (items.kind[17] + 1) % KINDS).all()
    assert not completes(items, every, np.array([-1])).any()
    fresh = follow_ups(items, every, last, np.array([0.0]))
    stale = follow_ups(items, every, last, np.array([7.0]))
    assert fresh.max() == FOLLOW_UP
    assert stale.max() == pytest.approx(FOLLOW_UP / np.e)


def test_preference_moves_with_taste() -> None:
    people = make_people(400, 60, 7)
    items = make_items(vocabulary(), "video", 100, 60, 7)
    time = items.since.max()
    users, codes = np.arange(400)[:, None], np.arange(100)[None, :]
    values = preference("video", people, items, users, codes, time)
    taste = people.taste(np.arange(400), time)[:, items.topic]
    assert values.shape == (400, 100)
    assert np.corrcoef(values.ravel(), taste.ravel())[0, 1] > 0.6


def test_chinese_items_please_those_who_read_chinese() -> None:
    people = make_people(1000, 60, 7)
    items = make_items(vocabulary(), "news", 100, 60, 7)
    values = preference(
        "news", people, items, np.arange(1000)[:, None], np.arange(100)[None, :], items.since.max()
    )
    chinese = values[:, items.chinese].mean(axis=1)
    assert chinese[people.reads_chinese].mean() > 4 * chinese[~people.reads_chinese].mean()


def test_interest_in_a_story_decays() -> None:
    people = make_people(50, 60, 7)
    items = make_items(vocabulary(), "news", 40, 60, 7)
    day = DAY
    same_taste = np.flatnonzero((people.taste_before == people.taste_after).all(axis=1))
    code = np.array([39])
    fresh, week = (
        preference("news", people, items, same_taste, code, items.since[39] + days * day) for days in (0, 7)
    )
    assert (fresh > week).all()
