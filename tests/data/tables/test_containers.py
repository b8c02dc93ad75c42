"""JSON lists, Python lines, atomic files, zip archives and workbooks: read, or refused with the reason."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.data.tables import archives
from polyscene.data.tables.columns import Need
from polyscene.data.tables.opening import open_table

NEEDS = [Need("id", "id", "id"), Need("text", "title", "text"), Need("numeric", "n", "number")]
ROWS = [("001", "Apple, red", 1.5), ("002", "Brötchen", None), ("x", "it's", -2.0)]
OBJECTS = [dict(zip(("id", "title", "n"), row, strict=True)) for row in ROWS]


def read(folder: Path, **settings: Any) -> list[tuple[Any, ...]]:
    table = open_table(TableSettings(**settings), folder, NEEDS)
    return table.collect(table.rows(NEEDS)).rows()


def problem(folder: Path, **settings: Any) -> Problem:
    with pytest.raises(DataError) as caught:
        read(folder, **settings)
    (only,) = caught.value.problems
    return only


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_json_list(tmp_path: Path, indent: int | None, mark: str) -> None:
    (tmp_path / "t.json").write_text(mark + json.dumps(OBJECTS, indent=indent), encoding="utf-8")
    assert read(tmp_path, path="t.json") == ROWS


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[1, 2]", "a int"),
        ('[{"id": 1}, 3]', "a int: '3'"),
        ('[{"id": 1}', "delimiter"),
        ("[" * 9_999, "deep"),
    ],
)
def test_a_broken_json_list_is_named(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "t.json").write_text(text, encoding="utf-8")
    fault = problem(tmp_path, path="t.json")
    assert fault.what == "the file is not a JSON list of objects"
    assert word in fault.found or "recursion" in fault.found


def test_json_lines_with_a_mark(tmp_path: Path) -> None:
    text = "".join(json.dumps(row) + "\r\n" for row in OBJECTS)
    (tmp_path / "t.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read(tmp_path, path="t.jsonl") == ROWS


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_lines_of_python_dictionaries(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("".join(f"{row!r}\n" for row in OBJECTS), encoding="utf-8")
    assert read(tmp_path, path=name) == ROWS
    assert read(tmp_path, path=name, format="python") == ROWS


def test_broken_lines_are_named_and_can_be_left_out(tmp_path: Path) -> None:
    for name, write in (("t.jsonl", json.dumps), ("p.jsonl", repr)):
        texts = [*map(write, OBJECTS), '{"id": "b', "[1]", "nonsense"]
        texts.insert(1, "")
        (tmp_path / name).write_text("\n".join(texts), encoding="utf-8")
        fault = problem(tmp_path, path=name)
        assert (fault.row, fault.count) == (4, 3)
        assert "line 5" in fault.found
        assert "also lines 6, 7" in fault.found
        assert read(tmp_path, path=name, on_broken_line="drop") == ROWS
        table = open_table(TableSettings(path=name, on_broken_line="drop"), tmp_path, NEEDS)
        assert [(remark.count, remark.mended) for remark in table.remarks] == [(3, True)]


def test_lists_of_objects_are_their_names(tmp_path: Path) -> None:
    row = {"id": "a", "title": [{"id": 1, "name": "Drama"}, {"id": 2, "name": "War"}], "n": 1}
    (tmp_path / "t.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert read(tmp_path, path="t.jsonl") == [("a", "Drama, War", 1.0)]


def test_atomic_files(tmp_path: Path) -> None:
    (tmp_path / "t.item").write_text(
        'id:token\ttitle:token_seq\tn:float\n001\tan 7" disc\t1.5\n', encoding="utf-8"
    )
    assert read(tmp_path, path="t.item") == [("001", 'an 7" disc', 1.5)]


def csv_bytes() -> bytes:
    return pl.DataFrame(ROWS, schema=["id", "title", "n"], orient="row").write_csv().encode()


def test_the_only_table_of_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set/items.csv", csv_bytes())
        archive.writestr("set/README.txt", "hello")
        archive.writestr("__MACOSX/set/._items.csv", b"noise")
    assert read(tmp_path, path="t.zip") == ROWS
    assert read(tmp_path, path="t.zip/set/items.csv") == ROWS
    assert "no 'set/other.csv'" in problem(tmp_path, path="t.zip/set/other.csv").found


def test_of_several_tables_one_has_to_be_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", csv_bytes())
        archive.writestr("b.jsonl", "\n".join(map(json.dumps, OBJECTS)))
        archive.writestr("c.json", json.dumps(OBJECTS))
    assert 'path = "t.zip/a.csv"' in problem(tmp_path, path="t.zip").remedy
    for name in ("a.csv", "b.jsonl", "c.json"):
        assert read(tmp_path, path=f"t.zip/{name}") == ROWS


def test_archives_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "junk.zip").write_bytes(b"PK\x03\x04junk")
    assert "damaged" in problem(tmp_path, path="junk.zip").found
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("../../secret.txt", "x")
    assert "without a table" in problem(tmp_path, path="none.zip").found
    with zipfile.ZipFile(tmp_path / "large.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"id,title,n\n" + b"0" * 100_000)
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 10_000)
    assert "unpack the archive" in problem(tmp_path, path="large.zip").found


Write = Callable[[Path, Mapping[str, pl.DataFrame]], None]


def test_a_workbook(tmp_path: Path, write_workbook: Write) -> None:
    frame = pl.DataFrame(ROWS, schema=["id", "title", "n"], orient="row")
    write_workbook(tmp_path / "one.xlsx", {"Items": frame})
    assert read(tmp_path, path="one.xlsx") == ROWS
    write_workbook(tmp_path / "two.xlsx", {"Notes": frame.head(1), "Items": frame})
    fault = problem(tmp_path, path="two.xlsx")
    assert (fault.key, fault.found) == ("sheet", "'Notes, Items'")
    assert read(tmp_path, path="two.xlsx", sheet="Items") == ROWS
    assert "no sheet 'Other'" in problem(tmp_path, path="two.xlsx", sheet="Other").what


def test_no_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04junk")
    assert problem(tmp_path, path="t.xlsx").what == "the file is no Excel workbook, or a damaged one"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr("polyscene.data.tables.excel.find_spec", lambda _: None)
    assert "polyscene[excel]" in problem(tmp_path, path="t.xlsx").remedy
