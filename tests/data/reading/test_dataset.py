"""Whole projects: catalogues, logs, shared people, and raw files as companies have them."""

from __future__ import annotations

import gzip
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.progress import Advance
from polyscene.core.settings.project import Settings
from polyscene.data.reading.dataset import read_dataset
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Dataset, EventLog, Part


class Shop(Protocol):
    folder: Path

    def write(self, name: str, content: str | bytes) -> Any: ...
    def settings(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Settings: ...
    def read(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Dataset: ...


def catalogue(data: Dataset) -> Catalogue:
    return data.scenarios["shop"].catalogue


def events(data: Dataset) -> EventLog:
    return data.scenarios["shop"].events


def test_a_catalogue(shop: Shop) -> None:
    items = catalogue(shop.read(template="{title}. Brand: {brand}."))
    assert items.ids.values.to_list() == ["a", "b", "c"]
    assert items.text == ("Apple. Brand: Acme.", "Bread.", "Cake. Brand: Baker.")
    assert items.title == ("Apple", "Bread", "Cake")
    assert items.attributes.schema == {"brand": pl.String(), "price": pl.Float64()}
    assert items.attributes.rows() == [("Acme", 1.5), (None, 2.0), ("Baker", None)]
    assert items.since.tolist() == [UNKNOWN_TIME] * 3


def test_texts_without_a_template_and_titles_without_text(shop: Shop) -> None:
    assert catalogue(shop.read(items={"text": ["title", "brand"]})).text == (
        "Apple. Acme",
        "Bread",
        "Cake. Baker",
    )
    assert catalogue(shop.read(items={"text": ["brand"]})).title == ("Acme", "b", "Baker")
    bare = catalogue(shop.read(items={"text": None, "categorical": None, "numeric": None}))
    assert bare.text == ("", "", "")
    assert bare.title == ("a", "b", "c")
    assert bare.attributes.height == 3


@pytest.mark.parametrize(("keep", "title"), [("first", "Apple"), ("last", "Pear")])
def test_repeated_items_are_kept_as_asked(shop: Shop, keep: str, title: str) -> None:
    shop.write("items.csv", "id,title,brand,price\na,Apple,,1\nb,Bread,,2\na,Pear,,3\nc,Cake,,4\n")
    data = shop.read(items={"on_duplicate": keep})
    assert dict(zip(catalogue(data).ids.values, catalogue(data).title, strict=True))["a"] == title
    assert data.notes == (
        f"shop: items.csv, column id: an id occurs again (once); only the {keep} row of every id was kept.",
    )


def test_items_know_since_when_they_are(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price,on\na,x,,,2024-01-01\nb,y,,,\nc,z,,,1970-01-02\n")
    since = catalogue(shop.read(items={"time": "on"})).since
    assert since.tolist() == [1704067200 * 10**6, UNKNOWN_TIME, 86400 * 10**6]


def test_added_items_have_no_text(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\na,Apple,Acme,1\n")
    items = catalogue(shop.read(events={"on_unknown_item": "add"}))
    assert items.ids.values.to_list() == ["a", "b", "c"]
    assert items.text == ("Apple", "", "")
    assert items.attributes.rows() == [("Acme", 1.0), (None, None), (None, None)]
    bare = catalogue(
        shop.read(items={"categorical": None, "numeric": None}, events={"on_unknown_item": "add"})
    )
    assert bare.attributes.height == 3


def test_a_log(shop: Shop) -> None:
    data = shop.read()
    log = events(data)
    assert data.users.values.to_list() == ["u1", "u2"]
    columns = (log.user, log.item, log.action, log.value, log.weight, log.time, log.part, log.choice)
    expected = ["int32", "int32", "int8", "float32", "float32", "int64", "int8", "bool"]
    assert [str(column.dtype) for column in columns] == expected
    assert log.user.tolist() == [0, 1, 0]
    assert log.item.tolist() == [0, 1, 2]
    assert [log.actions[code] for code in log.action] == ["view", "buy", "buy"]
    assert log.value.tolist() == [1, 2, 3]
    assert log.choice.all()
    assert data.scenarios["shop"].clock == "time"
    assert data.clocks_shared


def test_events_are_ordered_by_time_and_ties_by_row(shop: Shop) -> None:
    shop.write("events.csv", "who,what,at\nu,a,5\nv,b,3\nu,c,5\nv,a,3\nu,b,1\n")
    data = shop.read(events={"action": None, "value": None})
    log = events(data)
    assert log.time.tolist() == [1, 3, 3, 5, 5]
    assert [catalogue(data).ids[code] for code in log.item] == ["b", "b", "a", "a", "c"]
    assert data.scenarios["shop"].clock == "sequence"


def test_without_times_the_file_is_the_order(shop: Shop) -> None:
    data = shop.read(events={"time": None})
    assert data.scenarios["shop"].clock == "sequence"
    assert events(data).time.tolist() == [0, 1, 2]


def test_weights_and_choices(shop: Shop) -> None:
    log = events(shop.read(actions={"view": 0, "buy": 2}))
    assert log.weight.tolist() == [0, 2, 2]
    assert log.choice.tolist() == [False, True, True]
    log = events(shop.read(actions={"buy": 2}, objectives=[{"action": "buy", "weight": 3}]))
    assert log.weight.tolist() == [1, 6, 6]
    assert log.choice.tolist() == [False, True, True]


def test_without_an_action_column_the_only_objective_names_all_events(shop: Shop) -> None:
    assert events(shop.read(events={"action": None})).actions == ("event",)
    log = events(shop.read(events={"action": None}, objectives=[{"action": "buy", "weight": 2}]))
    assert log.actions == ("buy",)
    assert log.weight.tolist() == [2, 2, 2]
    assert log.choice.all()


def test_splits_in_any_case(shop: Shop) -> None:
    shop.write(
        "events.csv",
        "who,what,part\nu,a,Train\nu,b,VALID\nu,c,validation\nv,a,test\nv,b, context\nv,c,train\n",
    )
    data = shop.read(events={"action": None, "value": None, "time": None, "split": "part"})
    assert [Part(code).name for code in events(data).part] == [
        "TRAIN",
        "VALID",
        "VALID",
        "TEST",
        "CONTEXT",
        "TRAIN",
    ]
    assert data.scenarios["shop"].has_split
    assert not shop.read(events={"action": None, "value": None, "time": None}).scenarios["shop"].has_split


def two_scenarios(folder: Path, **second: Any) -> Settings:
    (folder / "a.csv").write_text("who,what,at\nu2,x,2\nu1,x,1\n")
    (folder / "b.csv").write_text("who,what,at\nu3,x,1\nu1,x,2\n")
    (folder / "items.csv").write_text("id,title\nx,X\n")
    (folder / "people.csv").write_text("id,country,age\nu1,DE,30\nu9,FR,\n")
    tables = {
        "items": {"path": "items.csv", "id": "id", "text": ["title"]},
        "users": {"path": "people.csv", "id": "id", "categorical": ["country"], "numeric": ["age"]},
    }
    clock = second.pop("sequence_clock", "local")
    scenarios = {
        name: {**tables, "events": {"path": f"{name}.csv", "user": "who", "item": "what", "time": "at"}}
        for name in ("a", "b")
    }
    scenarios["b"] |= second
    return Settings.parse({"scenarios": scenarios, "sequence_clock": clock})


def test_people_are_shared_between_scenarios(tmp_path: Path) -> None:
    data = read_dataset(two_scenarios(tmp_path), tmp_path)
    assert data.users.values.to_list() == ["u1", "u2", "u3", "u9"]
    assert data.scenarios["a"].events.user.tolist() == [0, 1]
    assert data.scenarios["b"].events.user.tolist() == [2, 0]
    profile = data.profiles["a"]
    assert profile.schema == {"user": pl.Int32(), "country": pl.String(), "age": pl.Float64()}
    assert profile.rows() == [(0, "DE", 30.0), (3, "FR", None)]


def test_local_people_are_others(tmp_path: Path) -> None:
    data = read_dataset(two_scenarios(tmp_path, users_are_local=True), tmp_path)
    assert data.users.values.to_list() == ["b/u1", "b/u3", "b/u9", "u1", "u2", "u9"]
    assert data.scenarios["a"].events.user.tolist() == [3, 4]
    assert data.scenarios["b"].events.user.tolist() == [1, 0]
    assert data.profiles["b"]["user"].to_list() == [0, 2]


def test_sequence_clocks_are_shared_only_where_said(tmp_path: Path) -> None:
    assert not read_dataset(two_scenarios(tmp_path), tmp_path).clocks_shared
    assert read_dataset(two_scenarios(tmp_path, sequence_clock="shared"), tmp_path).clocks_shared


class Listener:
    """Adds up what progress is told."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0

    def track(self, label: str, total: int, unit: str = "") -> AbstractContextManager[Advance]:
        self.total += total
        return nullcontext(self._advance)

    def _advance(self, steps: int) -> None:
        self.done += steps

    def say(self, text: str) -> None:
        raise AssertionError(text)


def test_progress_reaches_its_end(tmp_path: Path) -> None:
    listener = Listener()
    read_dataset(two_scenarios(tmp_path), tmp_path, listener)
    assert listener.total == listener.done > 0


INVOICES = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
536365,71053,"WHITE, METAL LANTERN",6,2010-12-01 08:26:00,3.39,17850.0,United Kingdom
536366,00123,,8,2010-12-01 08:28:00,2.75,13047.0,France
C536379,85123A,WHITE HANGING HEART,-1,2010-12-01 09:41:00,2.55,14527.0,United Kingdom
536380,85123A,LATER NAME,2,2010-12-01 09:50:00,2.55,,United Kingdom
536381,71053,"WHITE, METAL LANTERN",1,2010-12-01 07:00:00,3.39,13047.0,France
"""


def test_raw_invoices_are_a_project_from_configuration_alone(tmp_path: Path) -> None:
    (tmp_path / "invoices.csv.gz").write_bytes(gzip.compress(INVOICES.encode()))
    where = "Quantity > 0 and CustomerID is not null and InvoiceNo not like 'C%'"
    file = {"path": "invoices.csv.gz", "where": where}
    keep = {**file, "on_duplicate": "first"}
    settings = {
        "items": {**keep, "id": "StockCode", "text": ["Description"], "numeric": ["UnitPrice"]},
        "events": {
            **file,
            "user": "CustomerID",
            "item": "StockCode",
            "time": "InvoiceDate",
            "value": "Quantity",
        },
        "users": {**keep, "id": "CustomerID", "categorical": ["Country"]},
    }
    data = read_dataset(Settings.parse({"scenarios": {"shop": settings}}), tmp_path)
    assert data.users.values.to_list() == ["13047", "17850"]
    assert catalogue(data).ids.values.to_list() == ["85123A", "71053", "00123"]
    assert catalogue(data).text == ("WHITE HANGING HEART", "WHITE, METAL LANTERN", "")
    assert events(data).user.tolist() == [0, 1, 1, 0]
    assert events(data).item.tolist() == [1, 0, 1, 2]
    assert events(data).value.tolist() == [1, 6, 6, 8]
    assert data.profiles["shop"].rows() == [(1, "United Kingdom"), (0, "France")]
    assert data.notes == (), "a catalogue that is read out of the log repeats its ids on purpose"


Row = tuple[str, str, str, int]
row = st.tuples(
    st.sampled_from("uvw"), st.sampled_from("abc"), st.sampled_from(["view", "buy"]), st.integers(0, 9)
)


@given(st.lists(row, min_size=1, max_size=20))
def test_logs_follow_a_plain_reading(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    folder = tmp_path_factory.mktemp("project")
    frame = pl.DataFrame(rows, schema=["who", "what", "kind", "at"], orient="row")
    frame.write_parquet(folder / "events.parquet")
    (folder / "items.csv").write_text("id,title\nc,C\na,A\nb,B\n")
    settings = {
        "items": {"path": "items.csv", "id": "id", "text": ["title"]},
        "events": {"path": "events.parquet", "user": "who", "item": "what", "action": "kind", "time": "at"},
    }
    data = read_dataset(Settings.parse({"scenarios": {"shop": settings}}), folder)
    log = events(data)
    entries = [
        (data.users[user], catalogue(data).ids[item], log.actions[action], int(time))
        for user, item, action, time in zip(log.user, log.item, log.action, log.time, strict=True)
    ]
    assert entries == sorted(rows, key=lambda row: row[3])
