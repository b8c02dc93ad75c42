"""How init finds out how a file is written, and what it says of files that it cannot read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.errors import DataError
from polyscene.core.settings.project import Settings
from polyscene.data.drafting.dialects import first_row_is_data, guess_separator
from polyscene.data.drafting.folders import table_files
from polyscene.data.drafting.project import guess_project
from polyscene.data.drafting.tables import Table, read_tables
from polyscene.data.reading.check import check_project

TITLES = [f"Title number {n}" for n in range(40)]


def only(path: Path) -> Table:
    (table,), _ = read_tables([path])
    return table


@pytest.mark.parametrize(
    ("rows", "data"),
    [
        (["user,item,stars", "u1,i1,5", "u2,i2,4", "u1,i2,3"], False),
        (["u1,i1,5", "u2,i2,4", "u1,i2,3"], True),
        (["user,1990,1991", "u1,5,4", "u2,4,4", "u3,1,2"], False),
        (["7,19,4", "8,20,5", "7,20,3"], True),
        (["1,2,3", "8,20,5", "7,20,3"], True),
        (["user,item", "u1,i1", "u2,i2", "u1,i2"], False),
        (["u1,i1", "u1,i2", "u2,i1", "u1,i2"], True),
        ([",user,item", "0,u1,i1", "1,u2,i2", "2,u1,i1"], False),
        (["title,2019-01-01", "x,2", "y,3", "z,4"], True),
        (["movie,Action,Comedy", "1,0,1", "2,1,0", "3,1,1"], False),
        (["151603712,Skyrim,purchase,1.0,0", "151603712,Skyrim,play,273.0,0", "5,Dota,play,1.0,0"], True),
    ],
)
def test_a_header_is_told_from_data(rows: list[str], data: bool) -> None:
    assert first_row_is_data([row.split(",") for row in rows]) is data


@pytest.mark.parametrize(
    ("lines", "separator"),
    [
        (["1::Up: a film, new::A|B", "2::Down::C"], "::"),
        (["a\tb,c", "1\tx"], "\t"),
        (['a;"b,c,d"', "1;2"], ";"),
        (["a|b,c", "1|2"], "|"),
        (["a,b", "1,x|y|z"], ","),
        (["single", "lines"], ","),
    ],
)
def test_the_separator_is_what_parts_lines_evenly(lines: list[str], separator: str) -> None:
    assert guess_separator(lines) == separator


def test_quotes_are_plain_characters_where_that_keeps_the_columns(tmp_path: Path) -> None:
    titles = ['A 12" disc', '"Heroes" of old', *TITLES, 'A 7" disc']
    lines = ["id\ttitle\tn", *(f"i{n}\t{title}\t{n}" for n, title in enumerate(titles))]
    (tmp_path / "t.tsv").write_text("\n".join(lines), encoding="utf-8")
    table = only(tmp_path / "t.tsv")
    assert table.settings.quote == "none"
    assert "rows are broken" in table.reasons["quote"]
    assert table.sample["title"].to_list() == titles


def test_quotes_stay_quotes_where_fields_need_them(tmp_path: Path) -> None:
    lines = ["id,title,n", *(f'i{n},"{title}, and more",{n}' for n, title in enumerate(TITLES))]
    lines.insert(9, 'i99,a 12" disc,3')
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    table = only(tmp_path / "t.csv")
    assert (table.settings.quote, table.settings.on_broken_line) == (None, "drop")
    assert table.notes == ("t.csv: line 10 of 41 cannot be read; left out, unless you mend it",)


def test_escapes_are_found(tmp_path: Path) -> None:
    lines = ['"id";"title"', *(f'"i{n}";"The \\"{title}\\"; a tale"' for n, title in enumerate(TITLES))]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    table = only(tmp_path / "t.csv")
    assert (table.settings.separator, table.settings.escape) == (";", "\\")
    assert table.sample["title"][0] == 'The "Title number 0"; a tale'


@pytest.mark.parametrize(
    ("codec", "encoding"), [("cp1252", "cp1252"), ("utf-16", "utf16"), ("utf-8-sig", "utf8")]
)
def test_encodings_are_found(tmp_path: Path, codec: str, encoding: str) -> None:
    text = "id,title\n" + "".join(f"i{n},Don’t miss – {title}\n" for n, title in enumerate(TITLES))
    (tmp_path / "t.csv").write_bytes(text.encode(codec))
    table = only(tmp_path / "t.csv")
    assert table.settings.encoding == encoding
    assert table.sample.columns == ["id", "title"]
    assert table.sample["title"][0] == "Don’t miss – Title number 0"


def log(count: int = 400) -> list[tuple[str, str, str]]:
    """Return rows of user, item number, seconds."""
    return [(f"u{n * 7 % 31:03}", str(n * 13 % 40 + 1), str(1_600_000_000 + n * 1000)) for n in range(count)]


def checked(folder: Path) -> Settings:
    """Draft, and read every row by the draft."""
    path = folder / "polyscene.toml"
    path.write_text(guess_project([folder]).to_toml(folder), encoding="utf-8")
    settings = Settings.load(path)
    report = check_project(settings, folder)
    assert report.ok, "\n".join(map(str, report.problems))
    (counts,) = report.counts.values()
    assert counts.events == 400
    return settings


def test_lost_zeros_are_put_back(tmp_path: Path) -> None:
    items = "".join(f"{n + 1:06},{title},{n % 5 + 1}\n" for n, title in enumerate(TITLES))
    (tmp_path / "items.csv").write_text("article_id,title,stars\n" + items, encoding="utf-8")
    events = "".join(f"{u},{i},{int(i) % 5 + 1},{t}\n" for u, i, t in log())
    (tmp_path / "events.csv").write_text("customer_id,article_id,rating,time\n" + events, encoding="utf-8")
    (scenario,) = checked(tmp_path).scenarios.values()
    assert scenario.events.zero_fill == {"article_id": 6}
    assert (scenario.items.path, scenario.items.id) == ("items.csv", "article_id")


def test_tables_in_an_archive_are_drafted_where_they_lie(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        rows = "".join(f"{n + 1},{title}\n" for n, title in enumerate(TITLES))
        archive.writestr("x/items.csv", "item_id,title\n" + rows)
        rows = "".join(f"{u},{i},{t}\n" for u, i, t in log())
        archive.writestr("x/events.csv", "user_id,item_id,time\n" + rows)
    (scenario,) = checked(tmp_path).scenarios.values()
    assert (scenario.items.path, scenario.events.path) == ("set.zip/x/items.csv", "set.zip/x/events.csv")


def test_sheets_are_drafted_by_their_names(
    tmp_path: Path, write_workbook: Callable[[Path, Mapping[str, pl.DataFrame]], None]
) -> None:
    items = pl.DataFrame({"item_id": [f"{n + 1}" for n in range(40)], "title": TITLES})
    events = pl.DataFrame(log(), schema=["user_id", "item_id", "time"], orient="row")
    write_workbook(tmp_path / "shop.xlsx", {"Items": items, "Events": events})
    (scenario,) = checked(tmp_path).scenarios.values()
    assert (scenario.items.sheet, scenario.events.sheet) == ("Items", "Events")


def test_of_a_folder_without_a_log_every_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1, 2]", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    (tmp_path / "junk.zip").write_bytes(b"PK\x03\x04junk")
    (tmp_path / "book.xlsx").write_bytes(b"junk")
    (tmp_path / "empty.csv").write_text("a,b\n", encoding="utf-8")
    (tmp_path / "half.jsonl").write_text(
        "\n".join([*map(json.dumps, [{"a": 1}] * 3), "{", "{", "{"]), "utf-8"
    )
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no end")
    with pytest.raises(DataError) as caught:
        guess_project([tmp_path])
    (problem,) = caught.value.problems
    for name, reason in {
        "list.json": "not a JSON list of objects",
        "notes.txt": "not named like a table",
        "junk.zip": "damaged",
        "book.xlsx": "no Excel workbook",
        "empty.csv": "no rows",
        "half.jsonl": "line 4",
        "cut.parquet": "cut off",
    }.items():
        note = next(part for part in problem.found.split("; '") if name in part)
        assert reason in note


def test_an_archive_is_a_folder_of_tables(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b.csv", "x\n")
        archive.writestr("c.txt", "x")
        archive.writestr("../d.csv", "x")
    (tmp_path / "e.csv").write_text("x\n", encoding="utf-8")
    names = [str(path.relative_to(tmp_path)) for path in table_files(tmp_path)]
    assert names == ["e.csv", "a.zip/b.csv"]
