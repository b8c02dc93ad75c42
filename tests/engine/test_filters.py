"""Conditions on attributes: what meets them, live, and what is said where they cannot be meant."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from polyscene.core.errors import DataError
from polyscene.core.settings.conditions import Conditions, plain_conditions
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Ids
from polyscene.engine.catalogue import LiveCatalogue
from polyscene.engine.decision import Request
from polyscene.engine.filters import meeting, unmet
from polyscene.engine.recommending import recommend
from polyscene.engine.state import System

_CONDITIONS: TypeAdapter[Any] = TypeAdapter(Conditions)
ITEMS = {
    "brand": ["Acme", "Bolt", None, "Acme", "Bolt, Acme"],
    "price": [10.0, 20.0, 30.0, None, 0.5],
}


def conditions(value: object) -> Any:
    return _CONDITIONS.validate_python(value)


@pytest.fixture
def catalogue() -> LiveCatalogue:
    import numpy as np

    ids = [f"i{code}" for code in range(5)]
    frame = pl.DataFrame(ITEMS, schema={"brand": pl.String, "price": pl.Float64})
    return LiveCatalogue(
        Catalogue(Ids(pl.Series("id", ids)), tuple(ids), tuple(ids), frame, np.full(5, UNKNOWN_TIME)), "shop"
    )


CASES: list[tuple[object, list[int]]] = [
    ({"brand": "Acme"}, [0, 3]),
    ({"brand": ["Acme", "Bolt"]}, [0, 1, 3]),
    ({"brand": {"none_of": ["Acme"]}}, [1, 4]),
    ({"brand": {"has": "Acme"}}, [0, 3, 4]),
    ({"brand": {"known": False}}, [2]),
    ({"price": 20}, [1]),
    ({"price": {"at_most": 20}}, [0, 1, 4]),
    ({"price": {"at_least": 20}}, [1, 2]),
    ({"price": {"at_least": 1, "at_most": 19.5}}, [0]),
    ({"price": {"known": True}, "brand": "Acme"}, [0]),
    ({"price": {"none_of": [10, 20]}}, [2, 4]),
    ({"brand": "nobody"}, []),
    ({}, [0, 1, 2, 3, 4]),
]


@pytest.mark.parametrize(("value", "expected"), CASES)
def test_items_meet_conditions(catalogue: LiveCatalogue, value: object, expected: list[int]) -> None:
    asked = conditions(value)
    assert meeting(catalogue, asked).nonzero()[0].tolist() == expected
    assert conditions(plain_conditions(asked)) == asked
    assert [code for code in range(5) if not unmet(catalogue, asked, code)] == expected


def test_what_is_put_is_seen_at_once(catalogue: LiveCatalogue) -> None:
    acme = conditions({"brand": "Acme", "price": {"at_most": 50}})
    assert meeting(catalogue, acme).tolist() == [True, False, False, False, False]
    catalogue.put("i9", "", "", {"brand": "Acme", "price": 7.0})
    catalogue.put("i0", "", "", {"brand": "Bolt", "price": 7.0})
    catalogue.put("i3", "", "", {"brand": "Acme", "price": 50.0})
    assert meeting(catalogue, acme).tolist() == [False, False, False, True, False, True]
    catalogue.put("i8", "", "", {"brand": "Fresh"})
    assert meeting(catalogue, conditions({"brand": "Fresh"})).nonzero()[0].tolist() == [6]
    assert catalogue.column("price").groups.tolist() == [1, 2, 3, 4, 0, 1, -1]


def test_what_an_item_lacks_is_told(catalogue: LiveCatalogue) -> None:
    asked = conditions({"brand": "Bolt", "price": {"at_most": 5}})
    assert unmet(catalogue, asked, 0) == [("brand", "Acme"), ("price", "10")]
    assert unmet(catalogue, asked, 2) == [("brand", "unknown"), ("price", "30")]


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ({"brnad": "Acme"}, ["one of 'brand', 'price'", "brnad", "did you mean 'brand'?"]),
        ({"brand": 3}, ["compares 'brand' with numbers", "3"]),
        ({"brand": {"at_most": 3}}, ["compares 'brand' with numbers"]),
        ({"price": "cheap"}, ["compares 'price' with texts", "cheap"]),
        ({"price": {"has": "x"}}, ["compares 'price' with texts"]),
        ({"price": ["x", 1]}, ["compares 'price' with texts"]),
    ],
)
def test_conditions_that_do_not_fit_name_the_attribute(
    catalogue: LiveCatalogue, value: object, parts: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        meeting(catalogue, conditions(value))
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    "value",
    [
        {"brand": {}},
        {"brand": None},
        {"brand": {"is": True}},
        {"brand": {"like": "A%"}},
        {"price": {"at_most": float("nan")}},
        {"price": {"at_most": 10**400}},
        {"price": {"at_most": "20"}},
        {"brand": []},
        {"brand": ["x"] * 1001},
        {"brand": "x" * 257},
        {"brand": "a\x00"},
        {"": "x"},
        {f"a{number}": "x" for number in range(21)},
        "brand = 'Acme'",
    ],
)
def test_what_is_no_condition_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        conditions(value)


def test_a_slate_holds_what_meets_the_filter(system: System) -> None:
    slate = recommend(system, "", Request("u1", "shop", 30, filter=conditions({"brand": "b1"})))
    assert {place.item.attributes["brand"] for place in slate} == {"b1"}
    assert "do not meet the filter" in slate.notes[-1]


@pytest.mark.parametrize("hide_seen", [True, False])
def test_a_request_may_show_or_hide_what_was_had(make_system: Any, hide_seen: bool) -> None:
    system = make_system(hide_seen=hide_seen)
    shop = system.scenarios["shop"]
    had = {shop.catalogue.ids[code] for code in system.queries(1, shop).history.items.tolist()}

    def slate(**asked: Any) -> set[str]:
        return set(recommend(system, "", Request("u1", "shop", 40, **asked)).ids)

    assert had <= slate(seen="allow")
    assert had.isdisjoint(slate(seen="hide"))
    assert had.isdisjoint(slate()) == hide_seen


def test_what_earlier_pages_showed_does_not_come_again(system: System) -> None:
    first = recommend(system, "", Request("u1", "shop", 5)).ids
    second = recommend(system, "", Request("u1", "shop", 40, earlier=[*first, "gone"]))
    assert set(first).isdisjoint(second.ids)
    assert "5 were shown on earlier pages" in second.notes[-1]
