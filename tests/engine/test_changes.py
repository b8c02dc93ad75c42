from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from polyscene.core.errors import RunError
from polyscene.core.types import Event
from polyscene.engine.changes import changes_of, resume
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.engine.recommending import similar
from polyscene.engine.state import System
from polyscene.engine.updates import Intake

if TYPE_CHECKING:
    from tests.engine.conftest import Describe, MakeSystem

MakeIntake = Callable[..., Intake]
START = datetime(2026, 3, 1, tzinfo=UTC)
USERS = ("person 1", "person 7", "new 0", "new 2", "nobody")


def drive(system: System, intake: Intake, describe: Describe, rows: range) -> None:
    """Let much happen, the same for the same rows: events, late ones too, new items, texts described anew."""
    for row in rows:
        draws = np.random.default_rng(row)
        for name in ("shop", "radio"):
            ids = system.scenarios[name].catalogue.ids
            item = ids[int(draws.integers(len(ids)))]
            late = timedelta(hours=float(draws.integers(-40, 2)))
            moment = START + timedelta(hours=row) + late if name == "shop" else None
            user = f"new {row % 4}" if row % 3 else system.users[int(draws.integers(9))].partition("/")[2]
            user = user or system.users[int(draws.integers(9))]
            intake.observe([Event(user, item, name, "like" if row % 2 else "click", None, moment)])
        if row % 5 == 0:
            width = system.scenarios["shop"].space.view("tuned").vectors.shape[1]
            known = system.scenarios["shop"].catalogue.ids[int(draws.integers(30))]
            vectors = draws.normal(size=(2, width)).astype(np.float32)
            intake.put("shop", [describe(f"item {row}", "fresh", vectors[0])])
            intake.put("shop", [describe(known, "described anew", vectors[1])])


def assert_same(first: System, second: System) -> None:
    assert first.position == second.position
    assert first.users.values() == second.users.values()
    for name, state in first.scenarios.items():
        other = second.scenarios[name]
        assert (state.latest, state.log.actions) == (other.latest, other.log.actions)
        assert (state.catalogue.texts, state.catalogue.titles) == (
            other.catalogue.texts,
            other.catalogue.titles,
        )
        items = range(len(state.catalogue))
        assert state.catalogue.items(items) == other.catalogue.items(items)
        for user in USERS:
            one, two = (decide(system, Request(user, name, 8)) for system in (first, second))
            assert np.array_equal(one.candidates, two.candidates)
            assert np.array_equal(one.scores, two.scores)
            assert np.array_equal(one.features.signals, two.features.signals)
            assert (one.codes.tolist(), one.reasons) == (two.codes.tolist(), two.reasons)
        item = state.catalogue.ids[3]
        assert similar(first, item, name, 9) == similar(second, item, name, 9)


@pytest.mark.parametrize("taken", [0, 1, 23])
def test_a_resumed_system_is_the_same_to_the_last_digit_and_stays_so(
    make_system: MakeSystem, make_intake: MakeIntake, describe: Describe, taken: int
) -> None:
    live, fresh = make_system(), make_system()
    live_intake = make_intake(live)
    drive(live, live_intake, describe, range(taken))
    changes = changes_of(live)
    drive(live, live_intake, describe, range(taken, 40))  # what was taken must not move with it

    resume(fresh, changes)
    replayed = make_system()
    drive(replayed, make_intake(replayed), describe, range(taken))
    assert_same(fresh, replayed)
    for system in (fresh, replayed):
        drive(system, make_intake(system), describe, range(taken, 40))
    assert_same(fresh, replayed)


def test_changes_of_a_resumed_system_count_from_the_same_start(
    make_system: MakeSystem, make_intake: MakeIntake, describe: Describe
) -> None:
    systems = [make_system() for _ in range(4)]
    drive(systems[0], make_intake(systems[0]), describe, range(30))
    for system in systems[1:3]:
        resume(system, changes_of(systems[0]))
    drive(systems[1], make_intake(systems[1]), describe, range(30, 40))
    drive(systems[2], make_intake(systems[2]), describe, range(30, 40))
    resume(systems[3], changes_of(systems[1]))
    assert_same(systems[3], systems[2])


def test_what_was_folded_in_is_taken_whole(
    make_system: MakeSystem, make_intake: MakeIntake, describe: Describe
) -> None:
    live, fresh = make_system(), make_system()
    drive(live, make_intake(live), describe, range(25))
    for state in live.scenarios.values():
        for signal in state.fusion.present().values():
            signal.state()  # as saving a run does
    drive(live, make_intake(live), describe, range(25, 30))
    resume(fresh, changes_of(live))
    for name, state in live.scenarios.items():
        for user in USERS:
            request = Request(user, name, 8)
            expected, scores = decide(live, request).scores, decide(fresh, request).scores
            assert scores == pytest.approx(expected, rel=1e-5)
        assert fresh.scenarios[name].timeline.history(3, None).items.tolist() == (
            state.timeline.history(3, None).items.tolist()
        )


def test_events_of_users_who_were_erased_since_the_start_are_dropped(make_system: MakeSystem) -> None:
    system, fresh = make_system(), make_system()
    changes = changes_of(system)
    users = list(changes.users)
    user = int(system.scenarios["shop"].log.events().user[0])
    users[user] = "erased"
    resume(fresh, replace(changes, users=users))
    assert fresh.users[user] == "erased"
    assert len(system.scenarios["shop"].timeline.history(user, None).items) > 0
    for state in fresh.scenarios.values():
        assert len(state.timeline.history(user, None).items) == 0
        assert not np.any(state.log.events().user == user)


def test_changes_of_another_system_are_refused(make_system: MakeSystem) -> None:
    changes = changes_of(make_system())
    with pytest.raises(RunError, match="expected changes of this run"):
        resume(make_system(names=("popularity",)), replace(changes, users=changes.users[:-1]))
    with pytest.raises(RunError, match="items in scenario"):
        resume(make_system(n_items=41), changes)
