"""Quotes never take rows along: they are read, or the lines are named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.data.tables.columns import Need
from polyscene.data.tables.opening import open_table

TITLES = ["Apple", 'A 12" disc', "Bread", "Cake", 'A 7" disc', "Dill"]
"""As raw lines hold them: single quotes stand in lines 3 and 6."""


def read(folder: Path, names: tuple[str, ...], **settings: Any) -> list[tuple[Any, ...]]:
    needs = [Need("text", name, "text") for name in names]
    table = open_table(TableSettings(**settings), folder, needs)
    return table.collect(table.rows(needs)).rows()


def problems(folder: Path, **settings: Any) -> tuple[Problem, ...]:
    with pytest.raises(DataError) as caught:
        open_table(TableSettings(**settings), folder, [])
    return caught.value.problems


def write(path: Path, titles: list[str], separator: str = "\t") -> None:
    rows = [separator.join(("id", "title", "n"))]
    rows += [separator.join((f"i{n}", title, str(n))) for n, title in enumerate(titles, 1)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.mark.parametrize("separator", ["\t", ","])
def test_single_quotes_inside_fields_are_named_and_read_with_the_setting(
    tmp_path: Path, separator: str
) -> None:
    write(tmp_path / "t.csv", TITLES, separator)
    (problem,) = problems(tmp_path, path="t.csv", separator=separator)
    assert (problem.what, problem.row, problem.count) == (
        "a quote is never closed or stands where none may stand",
        2,
        2,
    )
    assert "line 3" in problem.found
    assert "also line 6" in problem.found
    assert 'quote = "none"' in problem.remedy
    rows = read(tmp_path, ("title",), path="t.csv", separator=separator, quote="none")
    assert [title for (title,) in rows] == TITLES


@pytest.mark.parametrize("separator", ["\t", ",", "|"])
def test_a_quoted_start_that_another_row_ends_is_no_field(tmp_path: Path, separator: str) -> None:
    write(tmp_path / "t.csv", ['"Heroes', "Apple", 'Disc 12"', "Bread"], separator)
    swallowed, stray = problems(tmp_path, path="t.csv", separator=separator)
    assert (swallowed.what, swallowed.row) == ("a quote swallows the rows below it", 1)
    assert "line 2 to line 4" in swallowed.found
    assert (stray.what, stray.row) == ("a quote is never closed or stands where none may stand", 3)
    rows = read(tmp_path, ("title",), path="t.csv", separator=separator, quote="none")
    assert rows == [('"Heroes',), ("Apple",), ('Disc 12"',), ("Bread",)]


def test_a_quoted_start_that_ends_early_is_named(tmp_path: Path) -> None:
    write(tmp_path / "t.tsv", ["Apple", '"Heroes" of old', "Bread"])
    with pytest.raises(DataError) as caught:
        read(tmp_path, ("title",), path="t.tsv")
    (problem,) = caught.value.problems
    assert (problem.row, problem.count) == (2, 1)
    assert [title for (title,) in read(tmp_path, ("title",), path="t.tsv", quote="none")][
        1
    ] == '"Heroes" of old'


def test_values_over_several_lines_are_sound(tmp_path: Path) -> None:
    prose = '"A film,\nand, as they say, ""more"",\n\nthan that"'
    (tmp_path / "t.csv").write_text(f"id,title\na,{prose}\nb,plain\n", encoding="utf-8")
    rows = read(tmp_path, ("id", "title"), path="t.csv")
    assert rows == [("a", 'A film,\nand, as they say, "more",\n\nthan that'), ("b", "plain")]


def test_pairs_of_quotes_inside_plain_fields_are_sound(tmp_path: Path) -> None:
    write(tmp_path / "t.tsv", ['Live at "Wembley"', "Apple"])
    assert read(tmp_path, ("title",), path="t.tsv") == [('Live at "Wembley"',), ("Apple",)]


BOOKS = (
    '"id";"title";"n"\n'
    '"a";"Apple";"1"\n'
    '"b";"The \\"Quiet\\" Harbour";"2"\n'
    '"c";"Cooking; Slowly";"3"\n'
    '"d";"Dust\\"; being tales";"4"\n'
    '"e";"Bread";"5"\n'
)


def test_escaped_quotes_are_named_by_row_and_read_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(BOOKS, encoding="utf-8")
    (problem,) = problems(tmp_path, path="t.csv", separator=";")
    assert (problem.row, problem.count) == (2, 2)
    assert "also line 5" in problem.found
    assert "set escape = '\\'" in problem.remedy
    rows = read(tmp_path, ("title",), path="t.csv", separator=";", escape="\\")
    titles = ["Apple", 'The "Quiet" Harbour', "Cooking; Slowly", 'Dust"; being tales', "Bread"]
    assert [title for (title,) in rows] == titles


def test_escaped_quotes_that_the_engine_reads_without_a_word_are_named_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(BOOKS.replace('Dust\\";', "Dust;"), encoding="utf-8")
    (problem,) = problems(tmp_path, path="t.csv", separator=";")
    assert (problem.row, problem.count) == (2, 1)


def test_broken_lines_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path / "t.tsv", [*TITLES, "too\tmany", '"open'])
    settings: Mapping[str, Any] = {"path": "t.tsv", "on_broken_line": "drop"}
    assert read(tmp_path, ("title",), **settings) == [("Apple",), ("Bread",), ("Cake",), ("Dill",)]
    table = open_table(TableSettings(**settings), tmp_path, [])
    assert sum(problem.count for problem in table.remarks) == 4
    assert all(problem.mended and problem.severity == "warning" for problem in table.remarks)
    assert "too many fields" in " ".join(problem.what for problem in table.remarks)


def test_separators_of_several_characters_and_no_header(tmp_path: Path) -> None:
    (tmp_path / "t.dat").write_text("1::Up: a film (2009)::A|B\n2::Café::C\n", encoding="latin1")
    settings: Mapping[str, Any] = {
        "path": "t.dat",
        "separator": "::",
        "header": False,
        "columns": ["id", "title", "genres"],
        "encoding": "latin1",
    }
    rows = read(tmp_path, ("id", "title", "genres"), **settings)
    assert rows == [("1", "Up: a film (2009)", "A|B"), ("2", "Café", "C")]
    (tmp_path / "t.dat").write_text("1::Up::A\n2::Café\n3::Dill::E::F\n", encoding="latin1")
    wrong = {problem.what: problem.row for problem in problems(tmp_path, **settings)}
    assert wrong == {"a row has too few fields": 2, "a row has too many fields": 3}


def test_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,2,3\n", encoding="utf-8")
    (problem,) = problems(tmp_path, path="t.csv", header=False, columns=["a", "b"])
    assert (problem.key, problem.column) == ("columns", None)
    assert "3 names" in problem.expected


def test_a_missing_header_is_told_by_hand_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("7,19,4\n8,20,5\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read(tmp_path, ("title",), path="t.csv")
    (problem,) = caught.value.problems
    assert "header = false" in problem.remedy


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"quote": "ab"}, "one character"),
        ({"columns": ["a"]}, "header = false"),
        ({"header": False, "columns": ["a", "a"]}, "twice"),
        ({"zero_fill": {"id": 0}}, "width"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        TableSettings(path="t.csv", **settings)
