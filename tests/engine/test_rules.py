"""Rules do what they say, tell it, and leave the propensities right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.settings.rules import Rules
from polyscene.data.schema import UNKNOWN_TIME, Catalogue
from polyscene.engine.bulk import BulkRequest, recommend_many
from polyscene.engine.catalogue import LiveCatalogue
from polyscene.engine.decision import Decision, Request
from polyscene.engine.marks import Mark, marks_of
from polyscene.engine.pipeline import decide
from polyscene.engine.recommending import explain, recommend
from polyscene.engine.rules import Effect, RuleBook
from polyscene.engine.state import System
from polyscene.policies.registry import policy_of
from polyscene.recommenders.fusion.calibration import Temperatures

_RULES: TypeAdapter[Any] = TypeAdapter(Rules)
SHOP = Request("u1", "shop", 6)
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def book(*rules: dict[str, Any]) -> RuleBook:
    named = [{"name": f"r{number}"} | rule for number, rule in enumerate(rules)]
    return RuleBook(_RULES.validate_python(named))


def ruled(system: System, *rules: dict[str, Any], request: Request = SHOP) -> Decision:
    system.scenarios["shop"].rules = book(*rules)
    return decide(system, request)


def ids(decision: Decision) -> list[str]:
    catalogue = decision.state.catalogue
    return [catalogue.ids[code] for code in decision.codes.tolist()]


def brands(decision: Decision) -> list[int]:
    return [code % 3 for code in decision.codes.tolist()]


def test_without_rules_nothing_is_told(system: System) -> None:
    decision = decide(system, SHOP)
    assert (decision.effects, decision.rules_version, bool(decision.limits)) == ([], "", False)
    assert marks_of(decision) == []
    assert all(place.rules == () for place in recommend(system, "", SHOP))


def test_a_pin_holds_its_place_and_the_others_move_on(system: System) -> None:
    before = recommend(system, "", Request("u1", "shop", 30))
    last = before.ids[-1]
    decision = ruled(system, {"kind": "pin", "item": last, "place": 2})
    assert ids(decision) == [before.ids[0], last, *before.ids[1:5]]
    assert decision.effects == [Effect("r0", "pin", 1, 2)]
    slate = recommend(system, "", SHOP)
    assert slate[1].rules == ("pinned here by the rule 'r0'",)
    assert slate[1].reason == "It is placed here by the rule “r0”."
    assert slate[1].propensity == 1.0
    assert slate[0].rules == ()


@pytest.mark.parametrize(
    ("pin", "note"),
    [
        ({"item": "none"}, "there is no such item"),
        ({"item": "shop-5", "place": 7}, "the slate has 6 places"),
        ({"item": "HAD"}, "the item may not be shown"),
    ],
)
def test_a_pin_that_cannot_hold_says_why(system: System, pin: dict[str, Any], note: str) -> None:
    before = ids(decide(system, SHOP))
    had = int(system.queries(system.user("u1", "shop"), system.scenarios["shop"]).history.items[0])
    pin["item"] = f"shop-{had}" if pin["item"] == "HAD" else pin["item"]
    decision = ruled(system, {"kind": "pin"} | pin)
    assert ids(decision) == before
    assert [effect.note for effect in decision.effects] == [note]


def test_two_pins_of_one_place_leave_it_to_the_first(system: System) -> None:
    first, second = recommend(system, "", Request("u1", "shop", 20)).ids[-2:]
    decision = ruled(
        system, {"kind": "pin", "item": first, "place": 1}, {"kind": "pin", "item": second, "place": 1}
    )
    assert ids(decision)[0] == first
    assert decision.effects[1].note == "an earlier rule holds the place or pins the item"


def test_a_block_takes_items_and_values_away(system: System) -> None:
    best = ids(decide(system, SHOP))[0]
    decision = ruled(system, {"kind": "block", "items": [best], "where": {"brand": "b1"}})
    assert best not in ids(decision)
    assert 1 not in brands(decision)
    n_blocked = sum(code % 3 == 1 or f"shop-{code}" == best for code in range(40))
    assert decision.effects == [Effect("r0", "block", n_blocked, 0.0)]
    notes = recommend(system, "", Request("u1", "shop", 40)).notes
    assert "are blocked by a rule" in notes[-1]


def test_an_explanation_names_the_rule_that_blocks(system: System) -> None:
    best = ids(decide(system, SHOP))[0]
    system.scenarios["shop"].rules = book({"kind": "block", "items": [best]})
    why = explain(system, "u1", best, "shop")
    assert (why.rank, why.reason) == (None, "The rule “r0” blocks it.")


def test_a_boost_adds_spreads_to_the_score(system: System) -> None:
    plain = decide(system, SHOP)
    spread = float(np.std(plain.scores))
    decision = ruled(system, {"kind": "boost", "where": {"brand": "b2"}, "offset": 1.5})
    lifted = plain.candidates % 3 == 2
    np.testing.assert_allclose(decision.scores - plain.scores, np.where(lifted, 1.5 * spread, 0), atol=1e-5)
    assert decision.effects[0].items == int(lifted.sum())
    assert decision.effects[0].amount == pytest.approx(1.5 * spread, rel=1e-5)
    assert {mark.place for mark in marks_of(decision)} == {
        place for place, brand in enumerate(brands(decision)) if brand == 2
    }
    sunk = ruled(system, {"kind": "boost", "where": {"brand": "b2"}, "offset": -50})
    assert 2 not in brands(sunk)


def priced(system: System, prices: list[float | None]) -> None:
    """Give the items of the shop prices."""
    state = system.scenarios["shop"]
    ids, texts, titles = state.catalogue.ids.ids(), state.catalogue.texts, state.catalogue.titles
    prices_of = pl.DataFrame({"price": prices}, schema={"price": pl.Float64})
    since = np.full(len(prices), UNKNOWN_TIME)
    state.catalogue = LiveCatalogue(Catalogue(ids, tuple(texts), tuple(titles), prices_of, since), "shop")


def test_a_value_orders_by_probability_times_a_power_of_the_price(system: System) -> None:
    prices: list[float | None] = [float(1 + code % 7) for code in range(40)]
    prices[3], prices[5] = None, 0.0
    priced(system, prices)
    state = system.scenarios["shop"]
    state.fusion.weights = state.fusion.weights.tempered(Temperatures(2.0, 2.0))
    plain = decide(system, SHOP)
    decision = ruled(system, {"kind": "value", "by": "price", "weight": 0.5})
    known = {code: price for code, price in enumerate(prices) if price}
    usual = np.median(np.log([known[code] for code in plain.candidates.tolist() if code in known]))
    added = [0.5 * 2.0 * (np.log(known[c]) - usual) if c in known else 0.0 for c in plain.candidates.tolist()]
    np.testing.assert_allclose(decision.scores - plain.scores, added, atol=1e-5)
    missing = sum(code not in known for code in plain.candidates.tolist())
    (effect,) = decision.effects
    assert (effect.kind, effect.items, effect.amount) == ("value", len(added) - missing, 0.5)
    assert effect.note == f"{missing} without a number above 0 count as the typical one"
    marks = marks_of(decision)
    assert [mark.place for mark in marks] == list(range(6))
    worth = np.log(np.exp(plain.scores / 2.0)) + np.array(added) / 2.0
    assert ids(decision)[0] == state.catalogue.ids[int(plain.candidates[np.argmax(worth)])]


def test_a_value_by_what_is_no_number_is_a_problem(system: System) -> None:
    catalogue = system.scenarios["shop"].catalogue
    (problem,) = book({"kind": "value", "by": "brand"}).problems(catalogue)
    assert "'brand' holds texts" in problem.what
    (unknown,) = book({"kind": "value", "by": "brnd"}).problems(catalogue)
    assert "did you mean 'brand'" in unknown.remedy


def test_caps_and_quotas_bind_the_whole_slate(system: System) -> None:
    capped = ruled(system, {"kind": "cap", "by": "brand", "most": 2})
    assert np.bincount(brands(capped), minlength=3).tolist() == [2, 2, 2]
    one = ruled(system, {"kind": "cap", "where": {"brand": "b0"}, "most": 0})
    assert 0 not in brands(one)
    wanted = ruled(system, {"kind": "quota", "where": {"brand": "b1"}, "least": 5})
    assert brands(wanted).count(1) >= 5
    assert Mark(brands(wanted).index(1), "r0", "quota") in marks_of(wanted)


def test_a_cap_that_leaves_a_large_slate_short_looks_at_everything(make_system: Any) -> None:
    system = make_system(2100)
    few = len(decide(system, SHOP).candidates)
    decision = ruled(
        system, {"kind": "cap", "by": "brand", "most": 1}, {"kind": "block", "where": {"brand": "b0"}}
    )
    assert sorted(brands(decision)) == [1, 2]
    assert len(decision.candidates) > few


def test_rules_hold_in_their_context_and_time(system: System) -> None:
    rule = {"kind": "block", "where": {"brand": "b1"}, "when": {"page": ["home", "cart"], "member": True}}
    rule |= {"from": "2026-05-01T12:00:00", "until": "2026-05-02T12:00:00Z"}
    system.scenarios["shop"].rules = book(rule)

    def active(moment: datetime = NOW, **context: Any) -> bool:
        request = Request("u1", "shop", 6, context=context, moment=moment)
        return bool(decide(system, request).rules)

    assert active(page="home", member=True)
    assert active(page="cart", member=True, more=1)
    assert not active(page="home")
    assert not active(page="search", member=True)
    assert not active(NOW - timedelta(seconds=1), page="home", member=True)
    assert active(NOW + timedelta(hours=23), page="home", member=True)
    assert not active(NOW + timedelta(hours=24), page="home", member=True)
    assert decide(system, Request("u1", "shop", 6, moment=NOW)).rules_version


def test_a_book_is_told_apart_by_what_it_says(system: System) -> None:
    one, other = ({"kind": "block", "items": [item]} for item in ("a", "b"))
    assert book(one).version == book(one).version != book(other).version
    assert book().version == ""
    assert not book()


def test_propensities_stay_right_under_rules(system: System) -> None:
    """Drawn often, the items of the free places come as often as their propensities say."""
    rules = [
        {"kind": "pin", "item": ids(decide(system, Request("u1", "shop", 20)))[-1], "place": 1},
        {"kind": "cap", "by": "brand", "most": 1},
        {"kind": "boost", "where": {"brand": "b1"}, "offset": 1.0},
    ]
    policy = policy_of(PolicyChoice(name="plackett_luce", temperature=1.0))
    counts: dict[int, int] = {}
    chances: dict[int, float] = {}
    for seed in range(400):
        decision = ruled(
            system, *rules, request=Request("u1", "shop", 3, policy=policy, seed=seed, reasons=False)
        )
        assert decision.propensities[0] == 1.0
        assert sorted(brands(decision)) == [0, 1, 2]
        second = int(decision.codes[1])
        counts[second] = counts.get(second, 0) + 1
        chances[second] = float(decision.propensities[1])
    for code, chance in chances.items():
        assert counts[code] / 400 == pytest.approx(chance, abs=4 * (chance / 400) ** 0.5)
    assert sum(chances.values()) > 0.9


def test_a_seed_draws_the_same_slate_and_no_seed_another(system: System) -> None:
    policy = policy_of(PolicyChoice(name="epsilon", epsilon=0.9))
    request = Request("u1", "shop", 6, policy=policy, seed=11, reasons=False)
    one, again = decide(system, request), decide(system, request)
    assert ids(one) == ids(again)
    assert one.propensities.tolist() == again.propensities.tolist()
    free = [decide(system, Request("u1", "shop", 6, policy=policy, reasons=False)) for _ in range(6)]
    assert len({tuple(ids(decision)) for decision in free}) > 1
    assert len({decision.seed for decision in free}) == 6
    calm = decide(system, Request("u1", "shop", 6, policy=policy, explore=False))
    assert (ids(calm), calm.propensities.tolist()) == (ids(decide(system, SHOP)), [1.0] * 6)


def test_slates_for_many_know_neither_rules_nor_chance(make_system: Any) -> None:
    system = make_system(2100, names=("transitions", "neighbours"))
    asked = BulkRequest([*(f"u{code}" for code in range(6)), "nobody"], "shop", 30)
    before = recommend_many(system, "", asked)
    shop = system.scenarios["shop"]
    shop.rules = book({"kind": "block", "where": {"brand": "b1"}})
    shop.policy = policy_of(PolicyChoice(name="epsilon", epsilon=1.0))
    after = recommend_many(system, "", asked)
    assert [after[row] for row in range(7)] == [before[row] for row in range(7)]


def test_the_scenarios_policy_is_used_unless_the_request_says_otherwise(system: System) -> None:
    system.scenarios["shop"].policy = policy_of(PolicyChoice(name="epsilon", epsilon=1.0))
    assert decide(system, SHOP).propensities.max() < 1
    greedy = policy_of(PolicyChoice())
    assert decide(system, Request("u1", "shop", 6, policy=greedy)).propensities.tolist() == [1.0] * 6
    assert decide(system, Request("u1_radio", "radio", 6)).propensities.tolist() == [1.0] * 6


def test_problems_of_rules_are_told(system: System) -> None:
    catalogue = system.scenarios["shop"].catalogue
    problems = book(
        {"kind": "block", "items": ["shop-1", "gone"]},
        {"kind": "cap", "by": "colour", "most": 1},
        {"kind": "quota", "where": {"brand": {"at_least": 3}}, "least": 1},
        {"kind": "pin", "item": "shop-2"},
    ).problems(catalogue)
    assert [(one.severity, one.found) for one in problems] == [
        ("warning", "'gone'"),
        ("error", "'colour'"),
        ("error", "3"),
    ]
    assert problems[2].what == "the rule 'r2': the filter compares 'brand' with numbers"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"kind": "block"}, "expected `items` or `where`"),
        ({"kind": "cap", "most": 1}, "expected either `by`"),
        ({"kind": "cap", "most": 1, "by": "brand", "items": ["a"]}, "expected either `by`"),
        ({"kind": "boost", "items": ["a"]}, "offset"),
        ({"kind": "pin", "item": "a", "place": 0}, "greater than or equal to 1"),
        ({"kind": "hide", "items": ["a"]}, "'pin', 'block', 'boost', 'value', 'cap', 'quota'"),
        ({"kind": "block", "items": ["a"], "wehn": {}}, "wehn"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        book(rule)


def test_rules_have_names_of_their_own() -> None:
    with pytest.raises(ValidationError, match="found 'x' twice"):
        book({"kind": "pin", "item": "a", "name": "x"}, {"kind": "pin", "item": "b", "name": "x"})
