"""Reasons are true of the two items they name, differ within a slate, and never name the item itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from polyscene.core.types import Slate
from polyscene.engine.decision import Request
from polyscene.engine.recommending import explain, recommend
from polyscene.engine.state import CodedEvent, System

if TYPE_CHECKING:
    from tests.engine.conftest import Describe, MakeSystem

ALONE = ("transitions", "neighbours", "content", "linear", "factors", "content_transitions")


def slate_of(system: System, user: str, k: int = 5) -> Slate:
    return recommend(system, "", Request(user, "shop", k))


def quoted(reason: str) -> list[str]:
    return re.findall("“([^”]*)”", reason)


@pytest.mark.parametrize("signal", ALONE)
@pytest.mark.parametrize("hide_seen", [True, False])
def test_only_past_items_are_named_and_never_the_item_itself(
    make_system: MakeSystem, signal: str, hide_seen: bool
) -> None:
    system = make_system(names=("popularity", signal), hide_seen=hide_seen)
    shop = system.scenarios["shop"]
    shop.fusion.fallback = signal
    for code in range(30):
        user = f"u{code}"
        past = {shop.catalogue.titles[item] for item in system.queries(code, shop).history.items.tolist()}
        for place in slate_of(system, user, 8):
            named = [title for title in quoted(place.reason) if title.startswith("Title")]
            assert set(named) <= past
            assert place.item.text not in named
            if place.item.text in past:
                assert place.reason.startswith("You chose it")


def test_texts_that_share_nothing_are_not_said_to_be_alike(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity", "content"))
    shop = system.scenarios["shop"]
    shop.fusion.fallback = "content"
    shop.catalogue.texts[:] = [f"word{code}x" for code in range(40)]
    shop.catalogue.titles[:] = [f"Title {code}" for code in range(40)]
    shop.catalogue._changed.update({code: {} for code in range(40)})
    for user in range(10):
        for place in slate_of(system, f"u{user}"):
            assert "To a language model its text lies close to" in place.reason


def test_the_shared_word_is_named_where_there_is_one(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity", "content"))
    shop = system.scenarios["shop"]
    shop.fusion.fallback = "content"
    shop.catalogue._changed.update({code: {} for code in range(40)})
    history = system.queries(3, shop).history.items
    support = shop.fusion.present()["content"].support(history, np.arange(40))
    shop.catalogue.texts[:] = [f"word{code}x" for code in range(40)]
    shop.catalogue.titles[:] = [f"Title {code}" for code in range(40)]
    code = shop.catalogue.code(slate_of(system, "u3").ids[0])
    past = int(history[int(np.argmax(support[code]))])
    for item in (code, past):
        shop.catalogue.texts[item] = f"word{item}x kettle"
    title = shop.catalogue.titles[past]
    assert slate_of(system, "u3").items[0].reason == f"Like “{title}”, which you chose, it has “kettle”."


@pytest.mark.parametrize("signal", ALONE)
def test_a_slate_does_not_say_one_thing_five_times(make_system: MakeSystem, signal: str) -> None:
    system = make_system(names=("popularity", signal))
    system.scenarios["shop"].fusion.fallback = signal
    shop = system.scenarios["shop"]
    people = [code for code in range(30) if len(set(system.queries(code, shop).history.items.tolist())) > 3]
    slates = [slate_of(system, f"u{code}") for code in people]
    assert len(slates) > 5
    assert sum(len({place.reason for place in slate}) == 1 for slate in slates) <= 2
    assert len({place.reason for place in slate_of(system, "nobody")}) == 5


def test_popularity_tells_the_place_and_only_of_what_is_popular(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity",))
    shop = system.scenarios["shop"]
    shop.fusion.fallback = "popularity"
    reasons = [place.reason for place in slate_of(system, "nobody", 40)]
    assert reasons[0].startswith("Nothing is chosen more often")
    assert reasons[2].startswith("Only 2 of 40 items are chosen more often")
    signal, counts = shop.fusion.present()["popularity"], shop.fusion.features.counts
    assert signal.fact(int(np.argmin(counts))) is None
    assert len(set(reasons[:8])) == 8


def test_what_was_had_is_explained_as_had(make_system: MakeSystem) -> None:
    system = make_system()
    shop = system.scenarios["shop"]
    had = int(system.queries(1, shop).history.items[-1])
    times = int(np.sum(system.queries(1, shop).history.items == had))
    why = explain(system, "u1", shop.catalogue.ids[had], "shop")
    assert why.rank is None
    assert why.times_had == times >= 1
    assert why.reason.startswith("You have had it already")
    assert all(past.id != shop.catalogue.ids[had] for _, past in why.past)
    assert why.user_known
    assert not explain(system, "nobody", shop.catalogue.ids[had], "shop").user_known


def test_what_was_had_and_may_come_again_says_when(make_system: MakeSystem) -> None:
    system = make_system(hide_seen=False)
    shop = system.scenarios["shop"]
    had = int(system.queries(1, shop).history.items[-1])
    why = explain(system, "u1", shop.catalogue.ids[had], "shop")
    assert re.fullmatch(r"You chose it (\d+ times )?before, (last )?on 2023-\d\d-\d\d\.", why.reason)


@pytest.mark.parametrize("hide_seen", [True, False])
@pytest.mark.parametrize("names", [("popularity", *ALONE), ("popularity", "content"), ("popularity",)])
def test_an_explanation_says_what_the_slate_says(
    make_system: MakeSystem, names: tuple[str, ...], hide_seen: bool
) -> None:
    system = make_system(names=names, hide_seen=hide_seen)
    for user in ("u1", "u7", "nobody"):
        for place in slate_of(system, user, 12):
            assert explain(system, user, place.item.id, "shop").reason == place.reason


def test_what_is_shown_again_is_told_apart_by_what_it_goes_with(make_system: MakeSystem) -> None:
    """Many choices of one day: only one place says no more than the day."""
    system = make_system(names=("popularity", "neighbours"), hide_seen=False)
    shop = system.scenarios["shop"]
    shop.fusion.fallback = "neighbours"
    day = shop.latest + 1
    for item in (5, 6, 7, 8):
        shop.observe(CodedEvent(2, item, 0, float("nan"), 1.0, True, day))
    slate = slate_of(system, "u2", 12)
    on = f"on {np.datetime64(day, 'us').astype('datetime64[D]')}"
    again = [place.reason for place in slate if on in place.reason]
    assert len(again) == len(set(again)) == 4
    assert again[0] == f"You chose it before, {on}."
    for reason in again[1:]:
        assert reason.startswith(f"You chose it before, {on}; people who chose “Title shop-")


def test_a_fact_that_was_given_is_told_with_what_the_item_shares_with_the_last_ones(
    make_system: MakeSystem, describe: Describe
) -> None:
    system = make_system(names=("recency", "content"))
    shop = system.scenarios["shop"]
    shop.fusion.fallback = "recency"
    vector = np.zeros(6, np.float32)
    texts = ("blue kettle", "green kettle", "plain pan", "flat pan", "deep pan")
    shop.put([describe(text, text, vector, since=shop.latest) for text in texts])
    old = int(system.queries(3, shop).history.items[-1])
    shop.put([describe(shop.catalogue.ids[old], "old kettle", vector)])
    slate = slate_of(system, "u3", 5)
    reasons = {place.item.id: place.reason for place in slate}
    assert set(reasons) == set(texts)
    hits = [reason for reason in reasons.values() if "old kettle" in reason]
    assert len(hits) == (1 if slate.ids[0].endswith("kettle") else 2)
    for reason in hits:
        assert reason.startswith("It is new, here since ")
        assert reason.endswith("; like “Title old kettle”, which you chose, it has “kettle”.")
    (reason,) = set(reasons.values()) - set(hits)
    assert slate.notes == (f"{5 - len(hits)} of 5 places have one reason, the same for everybody: {reason}",)


def test_a_past_item_that_was_named_often_stands_back(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity", "content"))
    shop = system.scenarios["shop"]
    shop.fusion.fallback = "content"
    for code in range(30):
        distinct = len(set(system.queries(code, shop).history.items.tolist()))
        titles = [title for place in slate_of(system, f"u{code}", 8) for title in quoted(place.reason)]
        most = max((titles.count(title) for title in titles if title.startswith("Title")), default=0)
        if distinct > 3:
            assert most <= 6
