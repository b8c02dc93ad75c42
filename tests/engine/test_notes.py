"""A slate says that its user is unknown, that it suits everybody, and why it is short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from polyscene.core.clock import DAY
from polyscene.core.types import Event, Slate
from polyscene.engine.decision import Request
from polyscene.engine.notes import SUITS_EVERYBODY as EVERYBODY
from polyscene.engine.recommending import recommend
from polyscene.engine.state import System
from polyscene.engine.updates import Intake

if TYPE_CHECKING:
    from tests.engine.conftest import Describe, MakeSystem

PERSONAL = ("transitions", "neighbours", "content")


def slate_of(system: System, user: str, k: int = 5, **more: object) -> Slate:
    return recommend(system, "run", Request(user, "shop", k, **more))  # type: ignore[arg-type]


def most_chosen(system: System, k: int) -> list[str]:
    shop = system.scenarios["shop"]
    best = np.argsort(-shop.fusion.features.counts, kind="stable")[:k]
    return [shop.catalogue.ids[int(code)] for code in best]


@pytest.mark.parametrize("fallback", [None, *PERSONAL])
@pytest.mark.parametrize("n_items", [40, 2100])
def test_strangers_get_what_everybody_chooses(
    make_system: MakeSystem, fallback: str | None, n_items: int
) -> None:
    system = make_system(n_items, names=PERSONAL)  # nothing among them speaks to a stranger
    system.scenarios["shop"].fusion.fallback = fallback
    slate = slate_of(system, "nobody")
    assert slate.ids == most_chosen(system, 5)
    assert not slate.user_known
    assert slate.notes == ("nobody called 'nobody' is known: this is what suits everybody",)
    assert all(place.score > 0 for place in slate)


def test_popularity_speaks_where_it_is_fitted(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity", *PERSONAL))
    shop = system.scenarios["shop"]
    shop.fusion.fallback = "transitions"
    queries = system.queries(-1, shop)
    scores = shop.fusion.present()["popularity"].score(queries)[0]
    best = [shop.catalogue.ids[int(code)] for code in np.argsort(-scores, kind="stable")[:5]]
    assert slate_of(system, "nobody").ids == best


def test_known_users_get_their_own_slate_without_a_note(system: System) -> None:
    slate = slate_of(system, "u1")
    assert slate.user_known
    assert slate.notes == ()


def test_users_of_whom_nothing_counts_are_told_apart_from_strangers(system: System, intake: Intake) -> None:
    system.users.add("quiet")
    slate = slate_of(system, "quiet")
    assert slate.user_known
    assert slate.notes == (f"'quiet' is known, but nothing they did counts here yet: {EVERYBODY}",)
    assert slate.ids == slate_of(system, "nobody").ids


def test_a_signal_alone_that_has_nothing_to_say_of_a_user_is_named(
    make_system: MakeSystem, describe: Describe
) -> None:
    system = make_system(names=("popularity", "transitions"))
    shop = system.scenarios["shop"]
    shop.fusion.fallback = "transitions"
    shop.put([describe("lonely", "Lonely", np.ones(6, np.float32))])
    user = system.users.add("hermit")
    shop.timeline.add(user, shop.catalogue.code("lonely"), shop.latest + 1, 1.0)
    slate = slate_of(system, "hermit")
    assert slate.notes == (
        f"'transitions', which is used alone here, has nothing to say of 'hermit': {EVERYBODY}",
    )
    assert slate.ids == slate_of(system, "nobody").ids


def test_what_answers_people_without_events_here_is_named_to_them(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity", "transitions", "content"))
    shop, radio = system.scenarios["shop"], system.scenarios["radio"]
    shop.fusion.fallback, shop.fusion.fallback_of_new = "content", "transitions"
    user = system.users.add("listener")
    radio.timeline.add(user, 0, radio.latest + 1, 1.0)
    assert slate_of(system, "listener").notes == (
        f"'transitions', which is used alone here, has nothing to say of 'listener': {EVERYBODY}",
    )
    shop.fusion.fallback_of_new = "popularity"
    assert slate_of(system, "listener").notes == ()


def test_who_has_everything_gets_an_empty_slate_with_a_reason(system: System, intake: Intake) -> None:
    ids = system.scenarios["shop"].catalogue.ids
    intake.observe([Event("glutton", ids[code], "shop") for code in range(len(ids))])
    slate = slate_of(system, "glutton")
    assert len(slate) == 0
    assert slate.notes == ("no item can be shown: of 40 items, 40 were had already and are not shown again",)


def test_a_short_slate_says_what_closed_the_rest(system: System, intake: Intake, describe: Describe) -> None:
    shop = system.scenarios["shop"]
    ids = [shop.catalogue.ids[code] for code in range(40)]
    later = system.now(shop) + 400 * 365 * DAY
    intake.put("shop", [describe("to come", "To come", np.ones(6, np.float32), since=later)])
    intake.observe([Event("eater", item, "shop") for item in ids[:30]])
    slate = slate_of(system, "eater", 20, exclude=ids[25:35])
    assert set(slate.ids) == set(ids[35:])
    assert slate.notes == (
        "only 5 of 20 can be shown: of 41 items, 30 were had already and are not shown again, "
        "5 are excluded, 1 are not there yet",
    )


def test_a_long_request_of_a_small_catalogue_says_that_there_are_no_more(make_system: MakeSystem) -> None:
    slate = slate_of(make_system(hide_seen=False), "u1", 100)
    assert len(slate) == 40
    assert slate.notes == ("only 40 of 100 can be shown: there are no more",)
