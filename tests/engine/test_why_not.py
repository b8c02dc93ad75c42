"""Every stage that can keep an item out says so, and what it asks for lets the item in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from polyscene.core.settings.conditions import Conditions
from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.settings.rules import Rules
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.engine.recommending import recommend
from polyscene.engine.rules import RuleBook
from polyscene.engine.state import ItemDescription, System
from polyscene.engine.why_not import Obstacle, WhyNot, why_not
from polyscene.policies.registry import policy_of

_RULES: TypeAdapter[Any] = TypeAdapter(Rules)
_CONDITIONS: TypeAdapter[Any] = TypeAdapter(Conditions)
SHOP = Request("u1", "shop", 5)


def ranking(system: System, size: int = 40) -> list[str]:
    return recommend(system, "", Request("u1", "shop", size)).ids


def rule(system: System, **values: Any) -> None:
    system.scenarios["shop"].rules = RuleBook(_RULES.validate_python([{"name": "x"} | values]))


def only_obstacle(why: WhyNot) -> Obstacle:
    assert len(why.obstacles) == 1, why
    assert why.place is None
    return why.obstacles[0]


def test_what_is_in_the_slate_has_no_obstacle(system: System) -> None:
    why = why_not(system, SHOP, ranking(system)[2])
    assert (why.place, why.rank, why.obstacles, why.missing, why.enough) == (3, 3, (), None, None)


def test_an_unknown_item_is_an_answer(system: System) -> None:
    why = why_not(system, SHOP, "none")
    assert only_obstacle(why).stage == "unknown"
    assert (why.rank, why.score, why.enough) == (None, None, None)


@pytest.mark.parametrize("place", [5, 11, 25])
def test_what_is_ranked_behind_needs_a_longer_slate_or_a_better_score(system: System, place: int) -> None:
    item = ranking(system)[place]
    why = why_not(system, SHOP, item)
    obstacle = only_obstacle(why)
    assert obstacle.stage == "ranked"
    assert why.rank == obstacle.change["k"] == place + 1
    assert why.enough is True
    decision = decide(system, Request("u1", "shop", place + 1))
    gap = float(decision.scores[decision.places[4]] - decision.scores[decision.places[place]])
    assert why.missing == obstacle.change["score"] == pytest.approx(gap, abs=1e-5)
    assert item not in ranking(system, place)
    assert item in ranking(system, place + 1)


def test_what_was_had_needs_leave_to_come_again(system: System) -> None:
    shop = system.scenarios["shop"]
    had = shop.catalogue.ids[int(system.queries(1, shop).history.items[0])]
    why = why_not(system, Request("u1", "shop", 30), had)
    assert why.obstacles[0].stage == "seen"
    assert why.obstacles[0].change == {"seen": "allow"}
    assert why.rank is None
    assert why.enough is True
    assert only_obstacle(why_not(system, Request("u1", "shop", 40), had)).stage == "seen"


def test_what_is_not_there_yet_cannot_be_brought_in_by_asking(system: System) -> None:
    shop = system.scenarios["shop"]
    later = ItemDescription("later", "t", "t", {}, {"tuned": np.ones(6, np.float32)}, 2**62)
    shop.put([later])
    why = why_not(system, SHOP, "later")
    assert only_obstacle(why).stage == "not there yet"
    assert why.enough is None


@pytest.mark.parametrize(
    ("asked", "stage", "change"),
    [
        ({"exclude": ["BEST"]}, "excluded", {"exclude": "BEST"}),
        ({"earlier": ["BEST"]}, "shown on an earlier page", {"cursor": "BEST"}),
        ({"only": ["OTHER"]}, "not among those asked for", {"only": "BEST"}),
        ({"where": "id = 'OTHER'"}, "not among those asked for", {"only": "BEST"}),
        ({"filter": {"brand": "no such"}}, "filtered", {"filter": ["brand"]}),
    ],
)
def test_what_the_request_shuts_out_is_named(
    system: System, asked: dict[str, Any], stage: str, change: dict[str, Any]
) -> None:
    best, other = ranking(system)[:2]
    named = eval(repr((asked, change)).replace("BEST", best).replace("OTHER", other))
    asked, change = named
    if "filter" in asked:
        asked = {"filter": _CONDITIONS.validate_python(asked["filter"])}
    why = why_not(system, Request("u1", "shop", 5, **asked), best)
    obstacle = only_obstacle(why)
    assert (obstacle.stage, obstacle.change) == (stage, change)
    assert why.enough is True


def test_a_filter_tells_what_the_item_is(system: System) -> None:
    best = ranking(system)[0]
    brand = f"b{int(best.split('-')[1]) % 3}"
    filters = _CONDITIONS.validate_python({"brand": {"none_of": [brand]}})
    why = why_not(system, Request("u1", "shop", 5, filter=filters), best)
    assert only_obstacle(why).sentence == f"It does not meet the filter: brand is '{brand}'."


def test_rules_are_named(system: System) -> None:
    best = ranking(system)[0]
    rule(system, kind="block", items=[best])
    why = why_not(system, SHOP, best)
    assert only_obstacle(why).change == {"rule": "x"}
    assert why.enough is True


def test_a_full_cap_says_how_many_it_would_have_to_allow(system: System) -> None:
    order = ranking(system)
    brands = [int(item.split("-")[1]) % 3 for item in order]
    second = next(item for place, item in enumerate(order[1:6], 1) if brands[place] in brands[:place])
    rule(system, kind="cap", by="brand", most=1)
    why = why_not(system, Request("u1", "shop", 3), second)
    assert why.obstacles[0].stage == "cap"
    assert why.obstacles[0].change == {"rule": "x", "most": 2}
    assert why.enough is True


def test_places_that_rules_give_away_are_told(system: System) -> None:
    order = ranking(system)
    rule(system, kind="pin", item=order[-1], place=1)
    why = why_not(system, SHOP, order[4])
    assert only_obstacle(why) == Obstacle(
        "places taken", "It is ranked 5, but rules give its place to others.", {"k": 6}
    )
    assert why.enough is True


def test_chance_is_told(system: System) -> None:
    policy = policy_of(PolicyChoice(name="epsilon", epsilon=1.0))
    request = Request("u1", "shop", 3, policy=policy, seed=3)
    shown = {system.scenarios["shop"].catalogue.ids[code] for code in decide(system, request).codes.tolist()}
    missed = next(item for item in ranking(system, 3) if item not in shown)
    why = why_not(system, request, missed)
    assert only_obstacle(why).stage == "chance"
    assert only_obstacle(why).change == {"explore": False}
    assert why.enough is True


def test_what_no_signal_puts_forward_is_told(make_system: Any) -> None:
    system = make_system(2100)
    decision = decide(system, SHOP)
    codes = set(range(2100)) - set(decision.candidates.tolist()) - set(decision.closed.nonzero()[0].tolist())
    item = f"shop-{max(codes)}"
    why = why_not(system, SHOP, item)
    assert [one.stage for one in why.obstacles] == ["not put forward", "ranked"]
    assert why.rank is not None
    assert why.rank > len(decision.candidates)
    assert why.enough is True


def test_several_obstacles_are_all_told_and_all_changed(system: System) -> None:
    item = ranking(system)[20]
    filters = _CONDITIONS.validate_python({"brand": "none"})
    rule(system, kind="block", items=[item])
    why = why_not(system, Request("u1", "shop", 5, exclude=[item], filter=filters), item)
    assert [one.stage for one in why.obstacles] == ["blocked", "excluded", "filtered"]
    assert why.enough is True
