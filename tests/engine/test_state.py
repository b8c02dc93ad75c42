"""The live state changes event by event and item by item, and the next request sees it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from polyscene.core.errors import UnknownIdError
from polyscene.core.types import FloatArray
from polyscene.data.queries import HISTORY_LENGTH
from polyscene.data.timeline import LiveTimeline
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.engine.recommending import explain, recommend, similar
from polyscene.engine.requests import block_queries
from polyscene.engine.state import NO_USER, CodedEvent, ScenarioState, System
from polyscene.representation.items import unit

if TYPE_CHECKING:
    from tests.engine.conftest import Describe, MakeSystem

DAY = 86_400_000_000


@pytest.fixture
def shop(system: System) -> ScenarioState:
    return system.scenarios["shop"]


def event(user: int, item: int, time: int | None = None, weight: float = 1.0) -> CodedEvent:
    return CodedEvent(user, item, 0, float("nan"), weight, True, time)


def raw(seed: int) -> FloatArray:
    return np.random.default_rng(seed).normal(size=6).astype(np.float32)


def test_the_next_request_sees_an_event(system: System, shop: ScenarioState) -> None:
    before = recommend(system, "", Request("u1", "shop"))
    first = shop.catalogue.code(before.ids[0])
    shop.observe(event(1, first))
    after = recommend(system, "", Request("u1", "shop"))
    assert before.ids[0] not in after.ids
    queries = system.queries(1, shop)
    assert queries.history.items[-1] == first
    assert int(queries.time[0]) == shop.latest + 1


def test_events_reach_the_counts_and_the_other_scenarios_histories(
    system: System, shop: ScenarioState
) -> None:
    counts = shop.fusion.features.counts.copy()
    popularity = shop.fusion.present()["popularity"]
    before = popularity.score(system.queries(NO_USER, shop))[0]
    for _ in range(3):
        shop.observe(event(2, 39))
    assert shop.fusion.features.counts[39] == counts[39] + 3
    assert popularity.score(system.queries(NO_USER, shop))[0, 39] > before[39]
    elsewhere = system.queries(2, system.scenarios["radio"]).elsewhere
    assert elsewhere["shop"].items[-3:].tolist() == [39, 39, 39]


def test_the_log_holds_all_events_in_the_order_of_time(system: System, shop: ScenarioState) -> None:
    before, position = shop.log.events(), system.position
    shop.observe(event(3, 5, shop.latest + DAY))
    shop.observe(event(3, 6, int(before.time[0]) + 1))  # late
    shop.observe(event(3, 7, weight=0.0))
    log = shop.log.events()
    assert len(log) == len(shop.log) == len(before) + 3
    assert system.position == position + 3
    assert log.time.tolist() == sorted(log.time.tolist())
    assert log.item[1] == 6
    assert log.item[-2:].tolist() == [5, 7]
    assert log.time[-1] == log.time[-2] + 1
    assert log.weight[-1] == 0.0
    for name in ("user", "item", "action", "value", "weight", "time", "part", "choice"):
        assert getattr(log, name).dtype == getattr(before, name).dtype


def test_latest_is_the_moment_of_the_last_event(shop: ScenarioState) -> None:
    latest = shop.latest
    shop.observe(event(1, 1, latest - DAY))
    assert shop.latest == latest
    shop.observe(event(1, 1))
    assert shop.latest == latest + 1
    shop.observe(event(1, 1, latest + DAY, weight=0.0))
    assert shop.latest == latest + DAY


def test_now_is_told_by_all_who_share_a_clock(system: System) -> None:
    shop, radio = system.scenarios["shop"], system.scenarios["radio"]
    assert system.now(radio) == radio.latest + 1
    system.clocks_shared = True
    assert system.now(radio) == system.now(shop) == shop.latest + 1


@pytest.mark.parametrize(("hide_seen", "known"), [(True, 80), (False, HISTORY_LENGTH)])
def test_the_whole_history_is_told_where_it_bars(
    make_system: MakeSystem, hide_seen: bool, known: int
) -> None:
    system = make_system(100, hide_seen=hide_seen)
    shop = system.scenarios["shop"]
    user = system.users.add("busy")
    for item in range(80):
        shop.observe(event(user, item))
    queries = system.queries(user, shop)
    assert queries.history.items.tolist() == list(range(80 - known, 80))
    assert int(np.sum(shop.fusion.closed(queries))) == (80 if hide_seen else 0)


def test_a_new_item_can_be_recommended_at_once(
    system: System, shop: ScenarioState, describe: Describe
) -> None:
    mean = shop.space.view("tuned").mean
    taste = shop.fusion.present()["content"].users(system.queries(1, shop))[0]  # type: ignore[attr-defined]
    shop.put([describe("fresh", "nice", (mean + taste).astype(np.float32))])
    assert shop.catalogue.code("fresh") == 40
    queries = system.queries(1, shop)
    whole = shop.fusion.score_all(queries)
    assert all(scores.shape == (1, 41) for scores in whole.values())
    assert whole["content"][0].argmax() == 40
    slate = recommend(system, "", Request("u1", "shop", 41))
    (place,) = (one for one in slate if one.item.id == "fresh")
    assert (place.item.text, place.item.attributes) == ("Title nice", {"brand": "new"})


def test_events_of_a_new_item_count(system: System, shop: ScenarioState, describe: Describe) -> None:
    shop.put([describe("fresh", "nice", raw(1))])
    for user in range(30):
        shop.observe(event(user, 40))
    queries = system.queries(NO_USER, shop)
    assert shop.fusion.present()["popularity"].score(queries)[0].argmax() == 40
    assert shop.fusion.features.counts[40] == 30
    assert similar(system, "fresh", "shop", 3)


def test_an_item_described_anew_is_another_one(
    system: System, shop: ScenarioState, describe: Describe
) -> None:
    vectors = shop.space.view("tuned").vectors.copy()
    shop.put([describe("shop-4", "other", raw(2))])
    assert len(shop.catalogue) == len(shop.space) == 40
    now, mean = shop.space.view("tuned").vectors, shop.space.view("tuned").mean
    np.testing.assert_allclose(now[4], unit((raw(2) - mean)[None].astype(np.float32))[0], atol=1e-6)
    np.testing.assert_array_equal(np.delete(now, 4, axis=0), np.delete(vectors, 4, axis=0))
    assert (shop.catalogue.texts[4], shop.catalogue.titles[4]) == ("other", "Title other")


def test_new_and_known_items_may_come_in_any_order(
    system: System, shop: ScenarioState, describe: Describe
) -> None:
    ids = ["b", "shop-7", "a", "shop-2", "b"]
    shop.put([describe(item, f"{item} {place}", raw(place)) for place, item in enumerate(ids)])
    assert [shop.catalogue.ids[code] for code in (40, 41)] == ["b", "a"]
    view = shop.space.view("tuned")
    for code, place in ((40, 4), (41, 2), (7, 1), (2, 3)):  # of one that comes twice the last counts
        assert shop.catalogue.texts[code] == f"{ids[place]} {place}"
        expected = unit((raw(place) - view.mean)[None].astype(np.float32))[0]
        np.testing.assert_allclose(view.vectors[code], expected, atol=1e-6)
    assert len(shop.fusion.features) == len(shop.space) == 42


def test_an_item_of_the_future_is_not_shown_yet(
    system: System, shop: ScenarioState, describe: Describe
) -> None:
    opens = time.time_ns() // 1000 + DAY
    shop.put([describe("later", "soon", raw(3), since=opens)])
    assert decide(system, Request("u1", "shop", 41)).closed[40]
    assert "later" not in recommend(system, "", Request("u1", "shop", 41)).ids
    shop.observe(event(5, 5, opens))
    assert "later" in recommend(system, "", Request("u1", "shop", 41)).ids


def test_an_item_that_is_there_by_now_is_shown_before_any_later_event(
    system: System, shop: ScenarioState, describe: Describe
) -> None:
    opens = shop.latest + DAY
    shop.put([describe("there", "now", raw(3), since=opens)])
    assert shop.latest == opens
    assert "there" in recommend(system, "", Request("u1", "shop", 41)).ids


def test_items_without_vectors_have_no_text(system: System, shop: ScenarioState, describe: Describe) -> None:
    shop.put([describe("mute", "", np.zeros(6, np.float32))])
    assert not shop.space.view("tuned").vectors[40].any()
    assert shop.fusion.present()["content"].score(system.queries(1, shop))[0, 40] == 0


def test_scenarios_and_users_are_known_by_name(system: System) -> None:
    assert system.scenario("radio") is system.scenarios["radio"]
    with pytest.raises(UnknownIdError, match="shop, radio, found none"):
        system.scenario(None)
    with pytest.raises(UnknownIdError, match="shop, radio, found 'kiosk'"):
        system.scenario("kiosk")
    system.users.add("radio/u1")
    system.users.add("radio/ann")
    assert system.user("u3", "shop") == 3
    assert system.user("ann", "radio") == len(system.users) - 1
    assert system.user("ann", "shop") == NO_USER


def test_one_scenario_needs_no_name(system: System) -> None:
    one = System(system.users.ids(), {"shop": system.scenarios["shop"]}, clocks_shared=True)
    assert one.scenario(None).name == "shop"
    assert recommend(one, "", Request("u1")).scenario == "shop"


def test_what_was_had_without_liking_it_is_barred_and_teaches_nothing(
    system: System, shop: ScenarioState
) -> None:
    user = system.users.add("critic")
    counts = shop.fusion.features.counts.copy()
    shop.observe(CodedEvent(user, 7, 0, 1.0, 0.0, False, had=True))
    shop.observe(event(user, 8, weight=0.0))
    queries = system.queries(user, shop)
    assert queries.history.items.tolist() == []
    assert np.flatnonzero(shop.fusion.closed(queries)[0]).tolist() == [7]
    np.testing.assert_array_equal(shop.fusion.features.counts, counts)
    slate = recommend(system, "", Request("critic", "shop", 40))
    assert len(slate) == 39
    assert "shop-7" not in slate.ids
    assert any("1 were had already" in note for note in slate.notes)
    together = block_queries(system, shop, np.array([user, NO_USER], np.int32))
    assert together.had is not None
    assert together.had.items.tolist() == [7]
    assert shop.fusion.closed(together).sum(axis=1).tolist() == [1, 0]
    explanation = explain(system, "critic", "shop-7", "shop")
    assert (explanation.rank, explanation.times_had) == (None, 1)


def test_the_log_keeps_what_was_had(shop: ScenarioState) -> None:
    assert shop.log.events().had is None
    shop.observe(CodedEvent(1, 7, 0, 1.0, 0.0, False, had=True))
    shop.observe(event(1, 8))
    log = shop.log.events()
    assert log.only_had().item.tolist() == [7]
    assert LiveTimeline(log, 30, only_had=True).history(1, None).items.tolist() == [7]


def test_shown_again_where_repeats_are_usual(make_system: MakeSystem) -> None:
    system = make_system(hide_seen=False)
    shop = system.scenarios["shop"]
    shop.observe(CodedEvent(1, 7, 0, 1.0, 0.0, False, had=True))
    assert not shop.fusion.closed(system.queries(1, shop)).any()
