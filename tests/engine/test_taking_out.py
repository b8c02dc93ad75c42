"""Items that are taken out are shown by no path, and users that are erased are known to none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from polyscene.core.errors import UnknownIdError
from polyscene.core.types import Event, FloatArray
from polyscene.data.schema import Ids
from polyscene.engine.bulk import BulkRequest, recommend_many
from polyscene.engine.catalogue import ERASED, Numbering
from polyscene.engine.decision import Request
from polyscene.engine.recommending import explain, recommend, similar
from polyscene.engine.state import NO_USER, ItemDescription, System
from polyscene.engine.updates import Intake
from polyscene.recommenders.fusion.features import Features

MakeSystem = Callable[..., System]
Describe = Callable[..., ItemDescription]
GONE = ["shop-0", "shop-7"]


@pytest.mark.parametrize("n_items", [40, 3_000])
def test_what_is_taken_out_is_shown_by_no_path(
    make_system: MakeSystem, make_intake: Callable[..., Intake], n_items: int
) -> None:
    system = make_system(n_items)
    state = system.scenario("shop")
    make_intake(system).remove("shop", GONE)
    for user in ("u1", "nobody"):
        assert not set(GONE) & set(recommend(system, "", Request(user, "shop", n_items)).ids)
    assert recommend(system, "", Request("nobody", "shop", 5, only=GONE)).ids == []
    many = recommend_many(system, "", BulkRequest(["u1", "nobody"], "shop", 50))
    assert not set(GONE) & set(many.items)
    assert not set(GONE) & {place.item.id for place in similar(system, "shop-3", "shop", n_items)}
    assert similar(system, GONE[0], "shop", 3)  # what is like it is still told
    why = explain(system, "u1", GONE[0], "shop")
    assert (why.rank, why.reason) == (None, "It was taken out of the catalogue.")
    assert state.fusion.features.removed.sum() == 2


def test_a_short_slate_says_that_items_were_taken_out(system: System, intake: Intake) -> None:
    intake.remove("shop", GONE)
    (_, note) = recommend(system, "", Request("nobody", "shop", 40)).notes
    assert note == "only 38 of 40 can be shown: of 40 items, 2 were taken out"


def test_others_are_shown_as_before(make_system: MakeSystem, make_intake: Callable[..., Intake]) -> None:
    system = make_system()
    request = Request("u1", "shop", 40)
    before = recommend(system, "", request)
    make_intake(system).remove("shop", GONE)
    after = recommend(system, "", request)
    assert after.ids == [item for item in before.ids if item not in GONE]
    events = system.scenario("shop").log.events()
    assert len(events) == len(make_system().scenario("shop").log.events())


def test_what_is_put_again_is_shown_again(system: System, intake: Intake, describe: Describe) -> None:
    vector: FloatArray = np.ones(6, np.float32)
    intake.remove("shop", GONE)
    intake.put("shop", [describe("new", "a new one", vector), describe(GONE[0], "again", vector)])
    shown = recommend(system, "", Request("nobody", "shop", 100)).ids
    assert {"new", GONE[0]} <= set(shown)
    assert GONE[1] not in shown


def test_an_unknown_item_takes_nothing_out(system: System, intake: Intake) -> None:
    with pytest.raises(UnknownIdError, match="none"):
        intake.remove("shop", ["shop-1", "none"])
    assert not system.scenario("shop").fusion.features.removed.any()


def test_what_was_taken_out_is_kept_with_the_features(system: System, intake: Intake) -> None:
    features = system.scenario("shop").fusion.features
    assert "removed" not in features.state()
    intake.remove("shop", GONE)
    restored = Features.restore(features.state())
    assert np.flatnonzero(restored.removed).tolist() == [0, 7]
    assert np.array_equal(restored.removed, features.removed)


def known(system: System, user: str) -> list[str]:
    return [name for name in system.scenarios if system.user(user, name) != NO_USER]


def test_an_erased_user_is_known_nowhere_and_has_done_nothing(system: System, intake: Intake) -> None:
    intake.observe([Event("u1", f"radio-{code}", "radio") for code in (1, 2)])  # radio/u1, another person
    intake.observe([Event("u1", "shop-5", "shop"), Event("u2", "shop-6", "shop")])
    shop, radio = system.scenario("shop"), system.scenario("radio")
    codes = [code for name in ("u1", "radio/u1") if (code := system.users.get(name)) is not None]
    counts, position = shop.fusion.features.counts.copy(), system.position
    own = sum(int(np.isin(state.log.events().user, codes).sum()) for state in (shop, radio))
    others = recommend(system, "", Request("u2", "shop", 40)).ids

    assert intake.forget(lambda user: user == "u1") == 2
    assert known(system, "u1") == []
    assert [system.users[code] for code in codes] == [f"{ERASED}{code}" for code in codes]
    for state in (shop, radio):
        assert not np.isin(state.log.events().user, codes).any()
        for code in codes:
            assert not len(state.timeline.history(code, None).items)
            assert not len(state.timeline.histories(np.array([code], np.int32), None).items)
    assert own >= 8
    assert system.position == position - own
    assert np.array_equal(shop.fusion.features.counts, counts)
    assert recommend(system, "", Request("u2", "shop", 40)).ids == others
    assert known(system, "u2") == ["shop", "radio"]
    assert known(system, "u10") == ["shop", "radio"]


def test_an_erased_id_that_comes_again_is_somebody_new(system: System, intake: Intake) -> None:
    old = system.user("u1", "shop")
    intake.forget(lambda user: user == "u1")
    assert recommend(system, "", Request("u1", "shop", 3)).user_known is False
    intake.observe([Event("u1", "shop-9", "shop")])
    new = system.user("u1", "shop")
    assert new == len(system.users) - 1 != old
    assert system.scenario("shop").timeline.history(new, None).items.tolist() == [9]


def test_nobody_is_erased_by_a_name_alike(system: System, intake: Intake) -> None:
    before = system.users.ids().values.to_list()
    assert intake.forget(lambda user: user == "radio/u1") == 0
    assert system.users.ids().values.to_list() == before


def test_somebody_is_met_before_they_do_anything(system: System, intake: Intake) -> None:
    intake.meet("zoë")
    assert known(system, "zoë") == ["shop", "radio"]
    count = len(system.users)
    intake.meet("zoë")
    assert len(system.users) == count


def test_pages_of_a_numbering_leave_out_who_was_erased() -> None:
    numbering = Numbering(Ids(pl.Series("id", ["a", "b", "c", "d"])))
    numbering.forget(1)
    assert numbering.after(-1, 2) == [(0, "a"), (2, "c")]
    assert numbering.after(2, 9) == [(3, "d")]
    assert numbering.get("b") is None
    assert numbering.add("b") == 4
    assert Numbering(numbering.ids()).after(0, 9) == [(2, "c"), (3, "d"), (4, "b")]
