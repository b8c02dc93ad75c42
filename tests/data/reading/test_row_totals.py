"""Of every table `check` says what became of each row: the counts are right and add up, whatever the format.

Rows are sound or spoilt in one known way; they are written as every format that the reader knows, and read
with settings that leave the spoilt ones out or refuse them.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.core.settings.project import Settings
from polyscene.core.settings.tables import FORMATS
from polyscene.data.reading.check import check_project
from polyscene.data.tables.totals import RowTotals

NAMES = ("who", "what", "at", "n")
Row = tuple[str, str, str, str]
KINDS = ("sound", "sound", "padded", "word", "empty", "unknown", "time", "value", "again", "filtered")
ASKED = {"on_bad_row": "drop", "on_unknown_item": "drop", "duplicates": "drop"}


def row(kind: str, number: int) -> Row:
    """Return user, item, time and value of the row with that number, spoilt as `kind` says."""
    user, item, time = f"u{number}", "ab"[number % 2], str(1_600_000_000 + number)
    return {
        "padded": (f" {user} ", item, time, "1"),
        "word": ("NULL", item, time, "1"),
        "empty": ("", item, time, "1"),
        "unknown": (user, "zz", time, "1"),
        "time": (user, item, "soon", "1"),
        "value": (user, item, time, "much"),
        "again": ("again", "a", "1600000000", "1"),
        "filtered": (user, "skip", time, "1"),
    }.get(kind, (user, item, time, "1"))


def lines(rows: Sequence[Row], separator: str = ",", header: str | None = None) -> str:
    first = separator.join(NAMES) if header is None else header
    return "\n".join([first, *(separator.join(fields) for fields in rows)]) + "\n"


def objects(rows: Sequence[Row]) -> list[dict[str, str]]:
    return [dict(zip(NAMES, fields, strict=True)) for fields in rows]


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(NAMES, pl.String), orient="row")


def _csv(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    header, text = lines(rows).split("\n", 1)
    (folder / "log.csv").write_text(f"{header}\n\n{text}\n", encoding="utf-8")  # empty lines are no rows
    return {"path": "log.csv"}


def _two_files(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    half = len(rows) // 2
    (folder / "log_1.csv").write_text(lines(rows[:half]), encoding="utf-8")
    with gzip.open(folder / "log_2.csv.gz", "wt", encoding="utf-8") as file:
        file.write(lines(rows[half:]))
    return {"path": ["log_1.csv", "log_2.csv.gz"]}


def _headless(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    text = lines(rows, "::").split("\n", 1)[1]
    (folder / "log.dat").write_text(text, encoding="utf-8")
    return {"path": "log.dat", "separator": "::", "header": False, "columns": list(NAMES)}


def _tsv(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    (folder / "log.tsv").write_text(lines(rows, "\t"), encoding="utf-8")
    return {"path": "log.tsv"}


def _atomic(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    header = "who:token\twhat:token\tat:float\tn:float"
    (folder / "log.inter").write_text(lines(rows, "\t", header), encoding="utf-8")
    return {"path": "log.inter"}


def _jsonl(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    text = "".join(json.dumps(one) + "\n" for one in objects(rows))
    (folder / "log.jsonl").write_text(text, encoding="utf-8")
    return {"path": "log.jsonl"}


def _json(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    (folder / "log.json").write_text(json.dumps(objects(rows)), encoding="utf-8")
    return {"path": "log.json"}


def _python(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    (folder / "log.json").write_text("".join(f"{one!r}\n" for one in objects(rows)), encoding="utf-8")
    return {"path": "log.json"}


def _parquet(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    frame(rows).write_parquet(folder / "log.parquet")
    return {"path": "log.parquet"}


def _sqlite(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    connection = sqlite3.connect(folder / "log.db")
    connection.execute(f"CREATE TABLE log ({', '.join(NAMES)})")
    connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return {"path": "log.db", "query": "SELECT * FROM log"}


def _zip(folder: Path, rows: Sequence[Row]) -> dict[str, Any]:
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        archive.writestr("log.csv", lines(rows))
    return {"path": "set.zip/log.csv"}


WRITERS: dict[str, Callable[[Path, Sequence[Row]], dict[str, Any]]] = {
    "csv": _csv,
    "csv in two files": _two_files,
    "csv without header": _headless,
    "tsv": _tsv,
    "atomic": _atomic,
    "jsonl": _jsonl,
    "json": _json,
    "python": _python,
    "parquet": _parquet,
    "sqlite": _sqlite,
    "csv in zip": _zip,
}


def test_every_format_is_written() -> None:
    assert {name.split(" ")[0] for name in WRITERS} | {"excel"} == set(FORMATS)


@pytest.mark.parametrize("writer", WRITERS)
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=20), asked=st.booleans())
@settings(max_examples=12, deadline=None)
def test_every_row_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, writer: str, kinds: list[str], asked: bool
) -> None:
    kinds = ["sound", *kinds, "sound"]
    folder = Path(tmp_path_factory.mktemp("rows"))
    keys = WRITERS[writer](folder, [row(kind, number) for number, kind in enumerate(kinds)])
    totals = counted(folder, {**keys, **(ASKED if asked else {})})
    assert totals == expected(kinds, totals.table, asked)


def expected(kinds: Sequence[str], table: str, asked: bool) -> RowTotals:
    counts = Counter(kinds)
    spoilt = sum(counts[kind] for kind in ("empty", "unknown", "time", "value"))
    again = max(0, counts["again"] - 1) if asked else 0
    refused, repaired = (0, spoilt) if asked else (spoilt, 0)
    repaired += counts["word"] + again
    read = len(kinds) - refused - repaired - counts["filtered"]
    return RowTotals("events", table, len(kinds), read, 0, refused, repaired, counts["filtered"])


def counted(folder: Path, events: dict[str, Any]) -> RowTotals:
    """Return what became of the rows of the log."""
    (folder / "items.csv").write_text("id,title\na,A\nb,B\n", encoding="utf-8")
    keys = {"user": "who", "item": "what", "time": "at", "time_format": "s", "value": "n"}
    shop = {
        "items": {"path": "items.csv", "id": "id", "text": ["title"]},
        "events": {"where": "what != 'skip'", **keys, **events},
    }
    report = check_project(Settings.parse({"scenarios": {"shop": shop}}), folder)
    (totals,) = (one for one in report.counts["shop"].tables if one.role == "events")
    return totals


BROKEN = {"csv": "u9,a,1,2,3,4", "tsv": "u9\ta\t1\t2\t3", "jsonl": '{"who": "u9', "python": "{'who': 'u9'"}
ENDINGS = {"csv": "log.csv", "tsv": "log.tsv", "jsonl": "log.jsonl", "python": "log.json"}


@pytest.mark.parametrize("writer", BROKEN)
@pytest.mark.parametrize("asked", [True, False])
@given(places=st.sets(st.integers(0, 8), min_size=1, max_size=3))
@settings(max_examples=10, deadline=None)
def test_lines_that_are_no_rows_are_rows_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, writer: str, asked: bool, places: set[int]
) -> None:
    folder = Path(tmp_path_factory.mktemp("broken"))
    keys = WRITERS[writer](folder, [row("sound", number) for number in range(9)])
    path = folder / ENDINGS[writer]
    texts = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    for place in sorted(places, reverse=True):
        texts.insert(len(texts) - place, BROKEN[writer])
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    totals = counted(folder, {**keys, "on_broken_line": "drop" if asked else "error"})
    rows = 9 + len(places)
    if asked:
        assert totals == RowTotals("events", path.name, rows, 9, repaired=len(places))
    else:
        assert totals == RowTotals("events", path.name, rows, 0, refused=rows), (
            "the table is refused as a whole"
        )


IDS = st.lists(st.sampled_from(["a", "b", "c", "d", "", "nan", " a "]), min_size=1, max_size=20)


@pytest.mark.parametrize("on_duplicate", ["error", "first"])
@given(ids=IDS, strays=st.sets(st.integers(0, 19)))
@settings(max_examples=20, deadline=None)
def test_rows_of_items_and_users_are_counted_once(
    tmp_path_factory: pytest.TempPathFactory, on_duplicate: str, ids: list[str], strays: set[int]
) -> None:
    folder = Path(tmp_path_factory.mktemp("keyed"))
    prices = ["dear" if place in strays else "1" for place in range(len(ids))]
    rows = "".join(f"{one},t,{price}\n" for one, price in zip(ids, prices, strict=True))
    (folder / "t.csv").write_text("id,title,price\nz,t,1\n" + rows, encoding="utf-8")
    (folder / "log.csv").write_text("who,what\nu,z\n", encoding="utf-8")
    table = {"path": "t.csv", "id": "id", "numeric": ["price"], "on_duplicate": on_duplicate}
    shop = {
        "items": {**table, "text": ["title"]},
        "users": table,
        "events": {"path": "log.csv", "user": "who", "item": "what"},
    }
    report = check_project(Settings.parse({"scenarios": {"shop": shop}}), folder)
    words, empty = ids.count("nan"), ids.count("")
    named = [(one.strip(), price) for one, price in zip(ids, prices, strict=True) if one not in ("", "nan")]
    firsts = dict(reversed(named))
    repeats, spoilt = len(named) - len(firsts), list(firsts.values()).count("dear")
    refused = empty + spoilt + (repeats if on_duplicate == "error" else 0)
    repaired = words + (repeats if on_duplicate == "first" else 0)
    read = 1 + len(firsts) - spoilt
    for role in ("items", "users"):
        (totals,) = (one for one in report.counts["shop"].tables if one.role == role)
        assert totals == RowTotals(
            totals.role, "t.csv", len(ids) + 1, read, refused=refused, repaired=repaired
        )


def test_a_catalogue_out_of_the_log_merges_its_rows(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("who,what\nu,a\nv,a\nu,b\nv,b\nw,b\n", encoding="utf-8")
    keyed = {"path": "log.csv", "on_duplicate": "first"}
    shop = {
        "items": {**keyed, "id": "what", "text": ["what"]},
        "users": {**keyed, "id": "who"},
        "events": {"path": "log.csv", "user": "who", "item": "what"},
    }
    report = check_project(Settings.parse({"scenarios": {"shop": shop}}), tmp_path)
    assert report.problems == ()
    assert report.counts["shop"].tables == (
        RowTotals("items", "log.csv", 5, 2, merged=3),
        RowTotals("events", "log.csv", 5, 5),
        RowTotals("users", "log.csv", 5, 3, merged=2),
    )


def test_rows_of_a_workbook_are_counted(
    tmp_path: Path, write_workbook: Callable[[Path, dict[str, pl.DataFrame]], None]
) -> None:
    kinds = ["sound", "word", "unknown", "again", "again", "filtered", "time", "sound"]
    table = frame([row(kind, number) for number, kind in enumerate(kinds)])
    write_workbook(tmp_path / "log.xlsx", {"log": table})
    totals = counted(tmp_path, {"path": "log.xlsx", **ASKED})
    assert totals == expected(kinds, "log.xlsx", asked=True)


def test_a_choice_a_row_is_counted_too(tmp_path: Path) -> None:
    rows = 'u,"a,b"\nu,"a,zz"\nv,\nnan,a\nw,"zz,a"\n'
    (tmp_path / "log.csv").write_text("who,list\n" + rows, encoding="utf-8")
    events = {"item": None, "items": "list", "user": "who", "path": "log.csv", **ASKED}
    (tmp_path / "items.csv").write_text("id,title\na,A\nb,B\n", encoding="utf-8")
    events = {key: value for key, value in events.items() if value is not None}
    shop = {"items": {"path": "items.csv", "id": "id", "text": ["title"]}, "events": events}
    report = check_project(Settings.parse({"scenarios": {"shop": shop}}), tmp_path)
    assert report.counts["shop"].tables[1] == RowTotals("events", "log.csv", 5, 2, repaired=3)


def test_ids_that_a_spreadsheet_cut_are_refused_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    rows = "".join(f"u{n},9.78{n % 3}64E+12\n" for n in range(12)) + "u1,978064\n"
    (tmp_path / "log.csv").write_text("who,what\n" + rows, encoding="utf-8")
    shop = {
        "items": {"path": "log.csv", "id": "what", "on_duplicate": "first"},
        "events": {"path": "log.csv", "user": "who", "item": "what"},
    }
    report = check_project(Settings.parse({"scenarios": {"shop": shop}}), tmp_path)
    assert not report.ok
    items, events = report.counts["shop"].tables
    assert events == RowTotals("events", "log.csv", 13, 1, refused=12)
    assert (items.rows, items.merged) == (13, 9)
    assert items.read + items.refused == 4
