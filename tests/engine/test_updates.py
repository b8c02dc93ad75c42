"""Events are checked, coded and taken in, all or none; the next request sees them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from polyscene.core.errors import DataError, UnknownIdError
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.types import Event
from polyscene.engine.decision import Request
from polyscene.engine.recommending import recommend
from polyscene.engine.state import NO_USER, ItemDescription, System
from polyscene.engine.updates import Intake

MakeIntake = Callable[..., Intake]
FINE = Event("newcomer", "shop-3", "shop", "gaze")


def _everything(system: System) -> dict[str, object]:
    """Return what an event could change."""
    facts: dict[str, object] = {"users": system.users.ids().values.to_list(), "position": system.position}
    for name, state in system.scenarios.items():
        user = system.user("u1", name)
        facts[name] = (
            state.latest,
            list(state.log.actions),
            len(state.log),
            state.timeline.history(user, None).items.tolist(),
            state.fusion.features.counts.tolist(),
            {
                signal: one.score(system.queries(user, state)).tolist()
                for signal, one in state.fusion.present().items()
            },
        )
    return facts


BAD = {
    "item": (Event("u1", "shop-x", "shop"), UnknownIdError, "shop-x"),
    "item of another scenario": (Event("u1", "radio-1", "shop"), UnknownIdError, "'shop'.*radio-1"),
    "scenario": (Event("u1", "shop-1", "kiosk"), UnknownIdError, "shop, radio.*kiosk"),
    "value": (Event("u1", "shop-1", "shop", value=math.nan), DataError, "no number"),
    "endless value": (Event("u1", "shop-1", "shop", value=math.inf), DataError, "no number"),
    "time": (Event("u1", "radio-1", "radio", time=datetime(2026, 1, 1, tzinfo=UTC)), DataError, "an order"),
}


@pytest.mark.parametrize("bad", BAD, ids=list(BAD))
def test_one_bad_event_keeps_all_out(system: System, intake: Intake, bad: str) -> None:
    event, error, message = BAD[bad]
    before = _everything(system)
    with pytest.raises(error, match=message):
        intake.observe([Event("u1", "shop-2", "shop"), FINE, event])
    assert _everything(system) == before


@pytest.mark.parametrize("bad", BAD, ids=list(BAD))
def test_looking_refuses_what_taking_would_and_changes_nothing(
    system: System, intake: Intake, bad: str
) -> None:
    event, error, message = BAD[bad]
    before = _everything(system)
    intake.check([FINE])
    with pytest.raises(error, match=message):
        intake.check([FINE, event])
    assert _everything(system) == before


def test_no_events_change_nothing(system: System, intake: Intake) -> None:
    before = _everything(system)
    intake.observe([])
    assert _everything(system) == before


def test_times_without_a_zone_are_utc(system: System, intake: Intake) -> None:
    naive = datetime(2026, 5, 4, 3, 2, 1, 7)
    east = datetime(2026, 5, 4, 5, 2, 1, 7, tzinfo=timezone(timedelta(hours=2)))
    intake.observe([Event("u1", "shop-1", "shop", time=moment) for moment in (naive, east)])
    times = system.scenarios["shop"].log.events().time[-2:]
    expected = int(naive.replace(tzinfo=UTC).timestamp()) * 1_000_000 + 7
    assert times.tolist() == [expected, expected]


def test_an_event_without_a_time_happens_now(
    system: System, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_999)
    intake.observe([Event("u1", "shop-1", "shop")])
    assert system.scenarios["shop"].latest == 1_800_000_000_000_000


def test_where_only_order_counts_events_follow_what_is_known(system: System, intake: Intake) -> None:
    radio = system.scenarios["radio"]
    last = radio.latest
    intake.observe([Event("ann", f"radio-{code}", "radio") for code in (5, 6, 7)])
    assert radio.latest == last + 3
    assert radio.log.events().time[-3:].tolist() == [last + 1, last + 2, last + 3]
    assert radio.timeline.history(system.user("ann", "radio"), None).items.tolist() == [5, 6, 7]


def test_a_new_user_is_known_to_the_next_request(system: System, intake: Intake) -> None:
    assert system.user("newcomer", "shop") == NO_USER
    stranger = recommend(system, "", Request("newcomer", "shop"))
    intake.observe([Event("newcomer", item, "shop") for item in stranger.ids[:2]])
    assert system.user("newcomer", "shop") == len(system.users) - 1
    slate = recommend(system, "", Request("newcomer", "shop"))
    assert slate.ids[:8] != stranger.ids[2:]
    assert set(stranger.ids[:2]).isdisjoint(slate.ids)


def test_the_same_id_is_another_person_where_users_are_local(system: System, intake: Intake) -> None:
    intake.observe([Event("u1", "radio-9", "radio"), Event("ann", "radio-9", "radio")])
    ids = system.users.ids().values.to_list()
    assert ids[-2:] == ["radio/u1", "radio/ann"]
    assert system.users.get("ann") is None
    assert system.user("ann", "shop") == NO_USER
    radio = system.scenarios["radio"]
    assert radio.timeline.history(system.users.add("radio/u1"), None).items.tolist() == [9]
    assert 9 not in radio.timeline.history(system.users.add("u1"), None).items[-1:]


def test_actions_count_what_the_settings_say(system: System, make_intake: MakeIntake) -> None:
    objectives = [{"action": "buy", "weight": 2.0}]
    intake = make_intake(system, actions={"view": 0.0, "buy": 3.0}, objectives=objectives)
    shop, user = system.scenarios["shop"], system.user("u1", "shop")
    before = shop.timeline.history(user, None)
    counts = shop.fusion.features.counts.copy()
    intake.observe([Event("u1", "shop-9", "shop", action, 4.5) for action in ("view", "buy", "wish")])
    log = shop.log.events()
    assert log.weight[-3:].tolist() == [0.0, 6.0, 1.0]
    assert log.choice[-3:].tolist() == [False, True, False]
    assert [log.actions[code] for code in log.action[-3:]] == ["view", "buy", "wish"]
    assert log.value[-3:].tolist() == [4.5] * 3
    after = shop.timeline.history(user, None)
    assert after.items.tolist() == [*before.items.tolist(), 9, 9], "what counts nothing is no history"
    assert after.weights[-2:].tolist() == [6.0, 1.0]
    assert shop.fusion.features.counts[9] == counts[9] + 2


def test_what_counts_nothing_changes_no_slate(system: System, make_intake: MakeIntake) -> None:
    intake = make_intake(system, actions={"view": 0.0})
    moment = datetime.fromtimestamp(system.scenarios["shop"].latest / 1e6, UTC) - timedelta(days=1)
    before = recommend(system, "", Request("u1", "shop"))
    intake.observe([Event("u1", before.ids[0], "shop", "view", time=moment)])
    assert recommend(system, "", Request("u1", "shop")) == before
    assert len(system.scenarios["shop"].log) == len(system.scenarios["shop"].log.events())


def test_actions_are_not_told_apart_where_no_column_names_them(system: System, intake: Intake) -> None:
    radio = system.scenarios["radio"]
    before = list(radio.log.actions)
    intake.observe([Event("ann", "radio-1", "radio", "like"), Event("ann", "radio-1", "radio", "skip")])
    log = radio.log.events()
    assert log.action[-2:].tolist() == [0, 0]
    assert list(log.actions) == before
    assert np.isnan(log.value[-1])


def test_a_late_event_takes_its_place_in_the_past(system: System, intake: Intake) -> None:
    shop, user = system.scenarios["shop"], system.user("u1", "shop")
    latest, history = shop.latest, shop.timeline.history(user, None)
    between = datetime.fromtimestamp((int(history.times[0]) + 1_000_000) / 1e6, UTC)
    intake.observe([Event("u1", "shop-33", "shop", time=between)])
    assert shop.latest == latest
    items = history.items.tolist()
    assert shop.timeline.history(user, None).items.tolist() == [items[0], 33, *items[1:]]
    log = shop.log.events()
    assert np.all(np.diff(log.time) >= 0)
    assert len(log) == len(shop.log)


def test_items_are_put_into_a_known_scenario_only(system: System, intake: Intake) -> None:
    item = ItemDescription("x", "text", "title", {}, {})
    for name in ("kiosk", None):
        with pytest.raises(UnknownIdError, match="shop, radio"):
            intake.put(name, [item])
    intake.put("shop", [])
    assert all(len(state.catalogue) == 40 for state in system.scenarios.values())


def test_values_below_what_is_liked_are_had(system: System, make_intake: MakeIntake) -> None:
    events = {"path": "e", "user": "u", "item": "i", "action": "a", "value": "v", "liked_from": 4}
    intake = Intake(system, {"shop": ScenarioSettings(items={"path": "i", "id": "i"}, events=events)})
    shop = system.scenarios["shop"]
    grades = {"shop-3": 3.9, "shop-4": 4.0, "shop-5": None}
    intake.observe([Event("critic", item, "shop", "rate", value=grade) for item, grade in grades.items()])
    queries = system.queries(system.user("critic", "shop"), shop)
    assert queries.history.items.tolist() == [4, 5]
    assert queries.had is not None
    assert queries.had.items.tolist() == [3]
    log = shop.log.events()
    assert log.weight[-3:].tolist() == [0, 1, 1]
    assert log.choice[-3:].tolist() == [False, True, True]
    np.testing.assert_array_equal(log.value[-3:], np.array([3.9, 4.0, np.nan], np.float32))
    before = len(shop.log)
    make_intake(system).observe([Event("critic", "shop-6", "shop", "rate", value=1.0)])
    assert shop.log.events().weight[before] == 1, "without the setting every grade counts"
