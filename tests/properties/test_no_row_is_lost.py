"""No row is lost in silence: rows read and rows reported as left out are the rows of the file, always.

Files are generated row by row, each row sound or spoilt in one known way, and written as several formats.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.project import Settings
from polyscene.core.settings.tables import TableSettings
from polyscene.data.drafting.tables import read_tables
from polyscene.data.reading.check import CheckReport, check_project
from polyscene.data.tables.columns import Need
from polyscene.data.tables.formats import format_of
from polyscene.data.tables.opening import open_table

Fields = tuple[str, str, str]
SOUND = "sound"
PADDED = "ids are padded with spaces"
LEFT_OUT: dict[str, str] = {
    "word": "an id is a word for 'missing'",
    "empty": "a row has no user",
    "unknown": "an event names an item that the catalogue does not have",
    "time": "an impossible time",
    "again": "a row says the same as one before it",
}
WORDS = ("nan", "NULL", "NA", "None", "\\N", " null ")


def row(kind: str, number: int) -> Fields:
    """Return user, item and time of the row with that number, spoilt as `kind` says."""
    user, item, time = f"u{number}", "ab"[number % 2], str(1_600_000_000 + number)
    return {
        PADDED: (f" {user} ", item, time),
        "word": (WORDS[number % len(WORDS)], item, time),
        "empty": ("", item, time),
        "unknown": (user, "zz", time),
        "time": (user, item, "soon"),
        "again": ("again", "a", "1600000000"),
    }.get(kind, (user, item, time))


def delimited(separator: str, quoted: bool) -> Callable[[Fields], str]:
    def line(fields: Fields) -> str:
        return separator.join(f'"{field}"' if quoted else field for field in fields)

    return line


def as_object(fields: Fields) -> dict[str, str]:
    return dict(zip(("who", "what", "at"), fields, strict=True))


LAYOUTS: dict[str, tuple[str, Callable[[Fields], str], str, dict[str, Any]]] = {
    "csv": ("t.csv", delimited(",", False), "u9,a", {}),
    "quoted": ("t.csv", delimited(";", True), '"u9";"a";"1";"2"', {"separator": ";"}),
    "stray quote": ("t.tsv", delimited("\t", False), 'u9\t"a\t1600000000', {}),
    "escape": ("t.csv", delimited(",", True), '"u9","a"', {"escape": "\\"}),
    "plain quotes": ("t.tsv", delimited("\t", False), "u9\ta\t1\t2", {"quote": "none"}),
    "colons": ("t.dat", delimited("::", False), "u9::a", {"separator": "::"}),
    "cp1252": ("t.csv", delimited(",", False), "u9’,a", {"encoding": "cp1252"}),
    "json": ("t.jsonl", lambda fields: json.dumps(as_object(fields)), '{"who": "u9', {}),
    "python": ("t.jsonl", lambda fields: repr(as_object(fields)), "{'who': 'u9'", {}),
}
KINDS = st.sampled_from([SOUND, SOUND, SOUND, PADDED, *LEFT_OUT, "broken"])


@pytest.mark.parametrize("layout", LAYOUTS)
@given(kinds=st.lists(KINDS, min_size=1, max_size=30), empty_lines=st.booleans())
@settings(max_examples=40, deadline=None)
def test_rows_read_and_rows_left_out_are_the_rows_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, layout: str, kinds: list[str], empty_lines: bool
) -> None:
    name, line, broken, keys = LAYOUTS[layout]
    if layout == "python" and kinds[0] != "broken":
        kinds = [SOUND, *kinds]
    kinds = [SOUND, SOUND, *kinds]
    texts = [broken if kind == "broken" else line(row(kind, number)) for number, kind in enumerate(kinds)]
    if not name.endswith("jsonl"):
        texts.insert(0, line(("who", "what", "at")))
    if empty_lines and len(texts) > 2:
        texts.insert(2, "")
    folder = Path(tmp_path_factory.mktemp("rows"))
    encoding = keys.get("encoding", "utf-8")
    (folder / name).write_text("\n".join(texts) + "\n", encoding=encoding)
    (folder / "items.csv").write_text("id,title\na,A\nb,B\n", encoding="utf-8")
    report = checked(folder, {"path": name, **keys})
    assert report.ok, "\n".join(map(str, report.problems))
    left_out = sum(p.count for p in report.problems if p.what != PADDED and p.file == name)
    read = report.counts["shop"].events
    assert read is not None
    assert read + left_out == len(kinds)
    again = max(0, kinds.count("again") - 1)
    wrong = sum(kinds.count(kind) for kind in LEFT_OUT if kind != "again")
    assert left_out == again + wrong + kinds.count("broken")
    mended = {p.what: p.count for p in report.problems}
    assert mended.get(PADDED, 0) == kinds.count(PADDED)
    for kind, what in LEFT_OUT.items():
        assert mended.get(what, 0) == (again if kind == "again" else kinds.count(kind))


def checked(folder: Path, events: dict[str, Any]) -> CheckReport:
    events = {
        **events,
        "user": "who",
        "item": "what",
        "time": "at",
        "time_format": "s",
        "on_broken_line": "drop",
        "on_bad_row": "drop",
        "on_unknown_item": "drop",
        "duplicates": "drop",
    }
    items = {"path": "items.csv", "id": "id", "text": ["title"]}
    return check_project(Settings.parse({"scenarios": {"shop": {"items": items, "events": events}}}), folder)


TITLE = st.text(st.sampled_from("ab \"\\',;|1"), max_size=10) | st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029"), max_size=10
)


@pytest.mark.parametrize("separator", ["\t", "::"])
@given(titles=st.lists(TITLE, min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_a_quote_in_a_title_never_takes_rows_along(
    tmp_path_factory: pytest.TempPathFactory, separator: str, titles: list[str]
) -> None:
    titles = [title.replace(separator[0], "") for title in titles]
    folder = Path(tmp_path_factory.mktemp("titles"))
    lines = [separator.join(("id", "title", "n"))]
    lines += [separator.join((f"i{n}", title, str(n))) for n, title in enumerate(titles)]
    (folder / "t.dat").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    needs = [Need("id", "id", "id"), Need("text", "title", "text")]
    keys: dict[str, Any] = {"path": "t.dat", "separator": separator}
    table = open_table(TableSettings(**keys, quote="none"), folder, needs)
    wanted = [(f"i{n}", title.strip() or None) for n, title in enumerate(titles)]
    listed = any(title.startswith("[") for title in titles)
    assert listed or table.collect(table.rows(needs)).rows() == wanted
    rows = [problem.row for problem in refused(keys, folder, needs)]
    assert None not in rows
    if not rows:
        table = open_table(TableSettings(**keys), folder, needs)
        ids = table.collect(table.rows(needs)).to_series().to_list()
        assert ids == [f"i{n}" for n in range(len(titles))]


def refused(keys: dict[str, Any], folder: Path, needs: list[Need]) -> tuple[Problem, ...]:
    try:
        table = open_table(TableSettings(**keys), folder, needs)
        table.collect(table.rows(needs))
    except DataError as error:
        return error.problems
    return ()


@given(titles=st.lists(TITLE, min_size=3, max_size=12))
@settings(max_examples=100, deadline=None)
def test_what_init_reads_is_every_row_or_said(
    tmp_path_factory: pytest.TempPathFactory, titles: list[str]
) -> None:
    folder = Path(tmp_path_factory.mktemp("init"))
    lines = ["id\ttitle\tn", *(f"i{n}\t{title.replace(chr(9), '')}\t{n}" for n, title in enumerate(titles))]
    (folder / "t.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    tables, notes = read_tables([folder / "t.tsv"])
    if not tables:
        assert notes
        return
    (table,) = tables
    whole = format_of(table.sources[0]).glance(table.sources[0], table.settings).collect()
    present = whole.filter(whole["id"].is_not_null()).height
    assert present == len(titles) or table.notes
