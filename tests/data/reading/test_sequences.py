"""One row per choice: overlapping histories give every event once."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.clock import DAY
from polyscene.core.errors import Problem
from polyscene.data.reading.check import CheckReport
from polyscene.data.reading.sequences import entering
from polyscene.data.schema import Dataset, EventLog, Part


class Shop(Protocol):
    folder: Any

    def write(self, name: str, content: str | bytes) -> Any: ...
    def check(self, items: Any = ..., events: Any = ..., **scenario: Any) -> CheckReport: ...
    def problem(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Problem: ...
    def read(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Dataset: ...


KEYS = {"item": None, "items": "list", "action": None, "value": None, "time": "at", "split": "part"}


def told(data: Dataset) -> list[tuple[str, str, str, bool]]:
    """Return user, item, part and choice of every event, in the order of the log."""
    scenario = data.scenarios["shop"]
    log: EventLog = scenario.events
    return [
        (data.users[u], scenario.catalogue.ids[i], Part(p).name, bool(c))
        for u, i, p, c in zip(log.user, log.item, log.part, log.choice, strict=True)
    ]


def test_overlapping_rows_give_every_event_once(shop: Shop) -> None:
    shop.write(
        "events.csv",
        "who,list,at,part\n"
        "u,a b c,2024-01-03,test\n"
        "v,c,2024-01-01,train\n"
        "u,a b,2024-01-02,train\n"
        "w,b a b,2024-01-04,valid\n",
    )
    data = shop.read(events=KEYS)
    assert told(data) == [
        ("v", "c", "TRAIN", True),
        ("u", "a", "TRAIN", False),
        ("u", "b", "TRAIN", True),
        ("u", "c", "TEST", True),
        ("w", "b", "CONTEXT", False),
        ("w", "a", "CONTEXT", False),
        ("w", "b", "VALID", True),
    ]
    days = data.scenarios["shop"].events.time // DAY
    assert (days - days[0]).tolist() == [0, 1, 1, 2, 3, 3, 3]
    assert data.scenarios["shop"].has_split


@pytest.mark.parametrize(
    "lists",
    [
        ["a b", "a b c"],
        ["a,b", "a, b ,c"],
        ['["a", "b"]', '["a", "b", "c"]'],
    ],
)
def test_lists_as_text(shop: Shop, lists: list[str]) -> None:
    pl.DataFrame({"who": "u", "list": lists, "at": [1, 2]}).write_csv(shop.folder / "events.csv")
    data = shop.read(events={**KEYS, "split": None})
    assert [(item, choice) for _, item, _, choice in told(data)] == [("a", False), ("b", True), ("c", True)]


def test_lists_of_numbers_in_parquet(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\n1,x,,\n2,y,,\n3,z,,\n")
    pl.DataFrame({"who": [9], "list": [[3, 1, 2]]}).write_parquet(shop.folder / "events.parquet")
    data = shop.read(events={**KEYS, "path": "events.parquet", "time": None, "split": None})
    assert [item for _, item, _, _ in told(data)] == ["3", "1", "2"]
    assert data.scenarios["shop"].clock == "sequence"
    assert data.scenarios["shop"].events.time.tolist() == [0, 1, 2]


def test_the_value_belongs_to_the_choice(shop: Shop) -> None:
    shop.write("events.csv", "who,list,kind,stars\nu,a b,buy,5\nv,c,view,\n")
    keys = {**KEYS, "time": None, "split": None, "action": "kind", "value": "stars"}
    log = shop.read(events=keys, objectives=[{"action": "buy", "weight": 3}], actions={"view": 0.5})
    events = log.scenarios["shop"].events
    assert np.isnan(events.value).tolist() == [True, False, True]
    assert events.value[1] == 5
    assert events.weight.tolist() == [3, 3, 0.5]
    assert events.choice.tolist() == [False, True, False]


@pytest.mark.parametrize("cell", ["", "[1, ", '[{"a": 1}]', '["a", null]', "[]"])
def test_rows_without_a_proper_list(shop: Shop, cell: str) -> None:
    pl.DataFrame({"who": ["u", "v", "w"], "list": ["a b", cell, "c"], "at": [1, 2, 3]}).write_csv(
        shop.folder / "events.csv"
    )
    problem = shop.problem(events={**KEYS, "split": None})
    assert problem.what == "a row has no proper list of items"
    assert (problem.row, problem.column, problem.count) == (2, "list", 1)
    assert len(shop.read(events={**KEYS, "split": None, "on_bad_row": "drop"}).scenarios["shop"].events) == 3


def test_unknown_items(shop: Shop) -> None:
    shop.write("events.csv", "who,list,at\nu,a b,1\nv,a x c,2\nw,b y,3\n")
    keys = {**KEYS, "split": None}
    problem = shop.problem(events=keys)
    assert problem.what == "an event names an item that the catalogue does not have"
    assert (problem.row, problem.found, problem.count) == (2, "'x'", 2)
    dropped = told(shop.read(events={**keys, "on_unknown_item": "drop"}))
    assert [(user, item) for user, item, _, _ in dropped] == [("u", "a"), ("u", "b"), ("v", "a"), ("v", "c")]
    added = told(shop.read(events={**keys, "on_unknown_item": "add"}))
    assert [(user, item) for user, item, _, _ in added][2:5] == [("v", "a"), ("v", "x"), ("v", "c")]


def test_a_broken_catalogue_leaves_the_rows_checked(shop: Shop) -> None:
    shop.write("items.csv", "")
    shop.write("events.csv", "who,list,at\nu,a b,1\n,c,2\nv,a,3\n")
    problems = shop.check(events={**KEYS, "split": None}).problems
    assert [problem.what for problem in problems] == ["the file is empty", "a row has no user"]


rows = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(0, 3), min_size=1, max_size=6)), min_size=1, max_size=12
)


@given(rows)
def test_entering_follows_the_slow_rule(rows: list[tuple[int, list[int]]]) -> None:
    logs: dict[int, list[int]] = {}
    expected: list[bool] = []
    for user, (*history, choice) in rows:
        log = logs.setdefault(user, [])
        for place, item in enumerate(history):
            new = log.count(item) < history[: place + 1].count(item)
            expected.append(new)
            if new:
                log.append(item)
        expected.append(True)
        log.append(choice)
    users = np.array([user for user, _ in rows], dtype=np.int32)
    offsets = np.cumsum([0] + [len(items) for _, items in rows])
    flat = np.array([item for _, items in rows for item in items], dtype=np.int32)
    assert entering(users, offsets, flat).tolist() == expected
