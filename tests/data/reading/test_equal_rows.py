"""Rows that say the same again, ids that lost their zeros, repairs that touch many rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pytest

from polyscene.core.errors import Problem
from polyscene.data.reading.check import CheckReport
from polyscene.data.schema import Dataset


class Shop(Protocol):
    folder: Path

    def write(self, name: str, content: str | bytes) -> Path: ...
    def check(self, items: Any = ..., events: Any = ..., **scenario: Any) -> CheckReport: ...
    def problem(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Problem: ...
    def read(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Dataset: ...


HEADER = "who,what,kind,stars,at\n"
ROW = "u1,a,view,1,2024-01-01 10:00:00\n"
OTHER = "u2,b,buy,2,2024-01-02 10:00:00\n"


def test_equal_rows_are_counted_and_kept_unless_told(shop: Shop) -> None:
    shop.write("events.csv", HEADER + OTHER + ROW * 40)
    problem = shop.problem()
    assert (problem.what, problem.severity, problem.mended) == (
        "a row says the same as one before it",
        "warning",
        False,
    )
    assert (problem.row, problem.count) == (3, 39)
    assert len(shop.read().scenarios["shop"].events) == 41
    assert shop.read().notes == ()


def test_equal_rows_are_left_out_or_kept_as_asked(shop: Shop) -> None:
    shop.write("events.csv", HEADER + OTHER + ROW * 40)
    assert shop.check(events={"duplicates": "keep"}).problems == ()
    dropped = shop.problem(events={"duplicates": "drop"})
    assert (dropped.severity, dropped.mended, dropped.count) == ("warning", True, 39)
    data = shop.read(events={"duplicates": "drop"})
    assert len(data.scenarios["shop"].events) == 2
    (note,) = data.notes
    assert "39 times" in note


@pytest.mark.parametrize(
    "row",
    [
        "u1,a,buy,1,2024-01-01 10:00:00\n",
        "u1,a,view,2,2024-01-01 10:00:00\n",
        "u1,a,view,1,2024-01-01 10:00:01\n",
    ],
)
def test_rows_that_differ_anywhere_are_not_equal(shop: Shop, row: str) -> None:
    shop.write("events.csv", HEADER + ROW + row + OTHER)
    assert shop.check().problems == ()


def test_equal_choices_with_histories(shop: Shop) -> None:
    shop.write("events.csv", "who,what\nu1,a b\nu1,a b\nu1,a b c\nu2,a b\n")
    keys = {"item": None, "items": "what", "action": None, "value": None, "time": None}
    problem = shop.problem(events=keys)
    assert (problem.row, problem.count) == (2, 1)
    assert len(shop.read(events={**keys, "duplicates": "drop"}).scenarios["shop"].events) == 5


def test_lost_zeros_are_told_with_their_remedy(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\n0108,Apple,x,1\n0109,Bread,x,2\n")
    shop.write("events.csv", HEADER + ROW.replace(",a,", ",108,") + OTHER.replace(",b,", ",109,"))
    problem = shop.problem()
    assert problem.what == "the ids of events and items differ only by leading zeros"
    assert (problem.severity, problem.found, problem.count) == ("error", "'108'", 2)
    assert "zero_fill = { what = 4 }" in problem.remedy
    assert not shop.check(events={"on_unknown_item": "drop"}).ok
    data = shop.read(events={"zero_fill": {"what": 4}})
    assert len(data.scenarios["shop"].events) == 2


def test_zeros_lost_in_the_catalogue(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\n108,Apple,x,1\n109,Bread,x,2\n")
    shop.write("events.csv", HEADER + ROW.replace(",a,", ",0108,") + OTHER.replace(",b,", ",0109,"))
    assert "= 4 } for the id of 'items'" in shop.problem().remedy
    assert len(shop.read(items={"zero_fill": {"id": 4}}).scenarios["shop"].events) == 2


def test_a_small_repair_is_a_note_and_a_large_one_a_warning_that_training_repeats(shop: Shop) -> None:
    sound = "".join(f"u{n},a,view,1,2024-01-01 10:00:{n % 60:02}\n" for n in range(150))
    shop.write("events.csv", HEADER + sound + "nan,a,view,1,2024-01-01 10:00:00\n")
    small = shop.problem()
    assert (small.severity, small.count) == ("repaired", 1)
    shop.write("events.csv", HEADER + sound + "nan,a,view,1,2024-01-01 10:00:00\n" * 3)
    large = shop.problem()
    assert (large.severity, large.mended, large.count) == ("warning", True, 3)
    assert "2.0% of 153 rows" in large.found
    (note,) = shop.read().notes
    assert "an id is a word for 'missing' (3 times)" in note


def test_what_is_read_from_one_table_twice_is_told_once(shop: Shop) -> None:
    shop.write(
        "events.csv", HEADER + ROW.replace(",a,", ",9.78064E+12,") + OTHER.replace(",b,", ",9.78031E+12,")
    )
    items: dict[str, Any] = {
        "path": "events.csv",
        "id": "what",
        "text": [],
        "categorical": None,
        "numeric": None,
    }
    cut = [p for p in shop.check(items=items).problems if "spreadsheet" in p.what]
    assert len(cut) == 1
    assert cut[0].what.startswith("2 ids are written like 9.78064E+12")
