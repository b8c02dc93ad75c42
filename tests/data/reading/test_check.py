"""Every kind of bad input, one by one, with the words in which it is reported."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any, Protocol

import polars as pl
import pytest

from polyscene.core.errors import DataError, Problem
from polyscene.data.reading.check import CheckReport


class Shop(Protocol):
    folder: Any

    def write(self, name: str, content: str | bytes) -> Any: ...
    def check(self, items: Any = ..., events: Any = ..., **scenario: Any) -> CheckReport: ...
    def problem(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Problem: ...
    def read(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Any: ...


HEADER = "who,what,kind,stars,at\n"
ROWS = "u1,a,view,1,2024-01-01 10:00:00\nu2,b,buy,2,2024-01-02 10:00:00\n"


def at(problem: Problem) -> tuple[str | None, int | None, str | None, int]:
    return problem.file, problem.row, problem.column, problem.count


def test_a_sound_project_is_counted(shop: Shop) -> None:
    report = shop.check()
    assert report.ok
    assert report.problems == ()
    counts = report.counts["shop"]
    assert (counts.items, counts.users, counts.events) == (3, 2, 3)
    assert counts.actions == {"buy": 2, "view": 1}
    assert counts.first == datetime(2024, 1, 1, 10, tzinfo=UTC)
    assert counts.last == datetime(2024, 1, 3, 10, tzinfo=UTC)


def test_a_missing_file_names_the_nearest(shop: Shop) -> None:
    problem = shop.problem(items={"path": "itmes.csv"})
    assert problem.what == "the table is not there"
    assert problem.file == "itmes.csv"
    assert problem.remedy == "did you mean 'items.csv'?"
    assert problem.scenario == "shop"


def test_a_missing_column_names_the_nearest(shop: Shop) -> None:
    problem = shop.problem(events={"user": "whoo"})
    assert problem.what == "there is no column 'whoo'"
    assert "who, what, kind" in problem.found
    assert problem.remedy == "did you mean 'who'?"
    assert problem.file == "events.csv"


def test_a_wrong_separator_is_recognised(shop: Shop) -> None:
    shop.write("events.csv", (HEADER + ROWS).replace(",", ";"))
    problems = shop.check().problems
    assert {problem.remedy for problem in problems} == {"set separator = ';'"}
    assert shop.check(events={"separator": ";"}).ok


def test_text_in_a_numeric_column(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\na,Apple,,1\nb,Bread,,cheap\nc,Cake,,dear\n")
    problem = shop.problem()
    assert problem.what == "text in a column of numbers"
    assert at(problem) == ("items.csv", 2, "price", 2)
    assert problem.found == "'cheap'"
    assert shop.check(items={"null_values": ["cheap", "dear"]}).ok


def test_text_among_the_values_of_events(shop: Shop) -> None:
    shop.write("events.csv", HEADER + ROWS + "u1,c,buy,many,2024-01-03 10:00:00\n")
    problem = shop.problem()
    assert problem.what == "text in a column of numbers"
    assert at(problem) == ("events.csv", 3, "stars", 1)
    assert problem.found == "'many'"


def test_a_column_of_lists_is_no_column_of_ids(shop: Shop) -> None:
    pl.DataFrame({"id": [["a"], ["b"]], "title": ["x", "y"]}).write_parquet(shop.folder / "items.parquet")
    problems = shop.check(
        items={"path": "items.parquet", "categorical": None, "numeric": None},
    ).problems
    assert [problem.what for problem in problems] == ["the column cannot be used for this"]
    assert problems[0].found == "'List(String)'"
    assert problems[0].column == "id"


def test_an_empty_file(shop: Shop) -> None:
    shop.write("items.csv", "")
    problem = shop.problem()
    assert problem.what == "the file is empty"
    assert problem.found == "0 bytes"


def test_items_with_nothing_but_a_header(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\n")
    problems = shop.check().problems
    assert [problem.what for problem in problems] == [
        "there are no items",
        "an event names an item that the catalogue does not have",
    ]


def test_events_with_nothing_but_a_header_are_a_new_scenario(shop: Shop) -> None:
    shop.write("events.csv", HEADER)
    problem = shop.problem()
    assert problem.what == "there are no events"
    assert problem.severity == "warning"
    assert len(shop.read().scenarios["shop"].events) == 0


@pytest.mark.parametrize("table", ["items", "events"])
def test_a_filter_that_leaves_nothing(shop: Shop, table: str) -> None:
    column = "title" if table == "items" else "kind"
    problems = shop.check(**{table: {"where": f"{column} = 'nothing like this'"}}).problems
    assert problems[0].what == f"the filter leaves no {table}"
    assert problems[0].severity == "error"
    assert (problems[0].key, problems[0].column) == ("where", None)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("price >", "unable to parse"),
        ("title > 0", "cannot compare"),
        ("price", "must be of type `Boolean`"),
        ("price > 0; drop x", "unexpected token"),
        ("cast(title as date) > date '2024-01-01'", "casting from string to date"),
        ("title in (SELECT title FROM read_csv('other.csv'))", "cannot contain a query"),
    ],
)
def test_a_bad_filter_is_one_clear_problem(shop: Shop, where: str, found: str) -> None:
    problem = shop.problem(items={"where": where})
    assert problem.what == "the filter 'where' cannot be used"
    assert found in problem.found
    assert "\n" not in problem.found


def test_a_filter_over_an_unknown_column_names_the_nearest(shop: Shop) -> None:
    problem = shop.problem(items={"where": "prise > 0"})
    assert problem.what == "there is no column 'prise'"
    assert problem.remedy == "did you mean 'price'?"


def test_a_filter_that_meets_text_among_numbers_shows_it(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\na,Apple,,1\nb,Bread,,2\nc,Cake,,n/a\n")
    stray, refused = shop.check(items={"where": "price > 0", "numeric": None}).problems
    assert at(stray) == ("items.csv", 3, "price", 1)
    assert stray.found == "'n/a'"
    assert refused.what == "the filter 'where' cannot be used"
    fixed = {"where": "price > 0", "null_values": ["n/a"]}
    assert shop.check(items=fixed, events={"on_unknown_item": "drop"}).ok


def test_truncated_parquet(shop: Shop) -> None:
    pl.DataFrame({"id": ["a", "b", "c"], "title": "x"}).write_parquet(shop.folder / "items.parquet")
    whole = (shop.folder / "items.parquet").read_bytes()
    shop.write("items.parquet", whole[: len(whole) // 2])
    problem = shop.problem(items={"path": "items.parquet"})
    assert problem.what == "the Parquet file is cut off"
    assert problem.file == "items.parquet"


def test_damage_inside_parquet(shop: Shop) -> None:
    frame = pl.DataFrame({"id": [f"item {i}" for i in range(5000)], "title": "x"})
    frame.write_parquet(shop.folder / "items.parquet")
    whole = bytearray((shop.folder / "items.parquet").read_bytes())
    whole[100:400] = bytes(300)
    shop.write("items.parquet", bytes(whole))
    problem = shop.problem(items={"path": "items.parquet", "categorical": None, "numeric": None})
    assert problem.what == "the file is damaged or is not what its name says"


def test_something_else_called_parquet(shop: Shop) -> None:
    shop.write("items.parquet", "id,title\na,x\n")
    assert shop.problem(items={"path": "items.parquet"}).what == "the file is not Parquet"


@pytest.mark.parametrize("encoding", ["utf8", "latin1"])
def test_truncated_gzip(shop: Shop, encoding: str) -> None:
    packed = gzip.compress((HEADER + ROWS * 500).encode())
    shop.write("events.csv.gz", packed[: len(packed) // 2])
    problem = shop.problem(events={"path": "events.csv.gz", "encoding": encoding})
    assert problem.what == "the packed file is cut off or damaged"
    assert problem.file == "events.csv.gz"


def test_truncated_zst(shop: Shop) -> None:
    pl.read_csv((HEADER + ROWS * 500).encode()).lazy().sink_csv(
        shop.folder / "events.csv.zst", compression="zstd"
    )
    packed = (shop.folder / "events.csv.zst").read_bytes()
    shop.write("events.csv.zst", packed[: len(packed) // 2])
    assert shop.problem(events={"path": "events.csv.zst"}).what == "the packed file is cut off or damaged"


def test_a_plain_file_called_gz(shop: Shop) -> None:
    shop.write("events.csv.gz", HEADER + ROWS)
    assert shop.problem(events={"path": "events.csv.gz"}).what == "the file is not .gz"


@pytest.mark.parametrize("packed", [False, True])
def test_broken_utf8(shop: Shop, packed: bool) -> None:
    text = "id,title,brand,price\na,Apple,,1\nb,Café,,2\nc,Crème,,3\n".encode("latin1")
    name = "items.csv.gz" if packed else "items.csv"
    shop.write(name, gzip.compress(text) if packed else text)
    problem = shop.problem(items={"path": name})
    assert problem.what == "the text is not UTF-8"
    assert at(problem) == (name, 2, None, 2)
    assert "line 3" in problem.found
    assert 'encoding = "latin1"' in problem.remedy
    fixed = shop.read(items={"path": name, "encoding": "latin1"})
    assert fixed.scenarios["shop"].catalogue.text == ("Apple", "Café", "Crème")
    lossy = shop.read(items={"path": name, "encoding": "utf8-lossy"})
    assert lossy.scenarios["shop"].catalogue.text[1] == "Caf\ufffd"


def test_utf16(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\na,Apple,,1\n".encode("utf-16"))
    assert shop.problem().what == "the text is UTF-16"


def test_broken_utf8_in_json_lines(shop: Shop) -> None:
    shop.write("items.jsonl", b'{"id": "a", "title": "x"}\n{"id": "b", "title": "caf\xe9"}\n')
    problem = shop.problem(items={"path": "items.jsonl", "categorical": None, "numeric": None})
    assert problem.what == "the text is not UTF-8"
    assert problem.row == 2


def test_a_row_with_too_many_fields(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\na,Apple,,1\nb,Bread, brown,,2\nc,Cake,,3\n")
    problem = shop.problem()
    assert problem.what == "a row has too many fields"
    assert at(problem) == ("items.csv", 2, None, 1)
    assert "line 3" in problem.found


def test_rows_with_too_few_fields(shop: Shop) -> None:
    shop.write("items.csv", 'id,title,brand,price\na,"App,\nle",,1\nb,Bread\nc,Cake,,\nd\n')
    problem = shop.problem()
    assert problem.what == "a row has too few fields"
    assert at(problem) == ("items.csv", 2, None, 2)
    assert "2 fields in line 4" in problem.found


def test_quoted_separators_and_empty_last_fields_are_sound(shop: Shop) -> None:
    shop.write("items.csv", 'id,title,brand,price\na,"Apple, red",,\nb,"say ""hi""",,\n\nc,"two\nlines",,\n')
    catalogue = shop.read().scenarios["shop"].catalogue
    assert catalogue.text == ("Apple, red", 'say "hi"', "two lines")


def test_a_quote_that_is_never_closed(shop: Shop) -> None:
    shop.write("items.csv", 'id,title,brand,price\na,Apple,,1\nb,"Bread,,2\nc,Cake,,3\n')
    problem = shop.problem()
    assert problem.what == "a quote is never closed or stands where none may stand"
    assert problem.row == 2


def test_a_bad_json_line(shop: Shop) -> None:
    shop.write("items.jsonl", '{"id": "a", "title": "x"}\n\n{"id": "b", \n[1]\n')
    problem = shop.problem(items={"path": "items.jsonl", "categorical": None, "numeric": None})
    assert problem.what == "a line is not a JSON object"
    assert at(problem) == ("items.jsonl", 2, None, 2)
    assert "line 3" in problem.found


def test_repeated_items(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\na,Apple,,1\nb,Bread,,2\na,Pear,,3\nc,Cake,,4\na,Fig,,5\n")
    problem = shop.problem()
    assert problem.what == "an id occurs again"
    assert at(problem) == ("items.csv", 3, "id", 2)
    assert problem.found == "'a'"
    repaired = shop.problem(items={"on_duplicate": "last"})
    assert (repaired.severity, repaired.mended, repaired.count) == ("warning", True, 2)


def test_unknown_items(shop: Shop) -> None:
    shop.write(
        "events.csv", HEADER + ROWS + "u1,x,buy,1,2024-01-03 10:00:00\nu1,y,buy,1,2024-01-04 10:00:00\n"
    )
    problem = shop.problem()
    assert problem.what == "an event names an item that the catalogue does not have"
    assert at(problem) == ("events.csv", 3, "what", 2)
    assert problem.found == "'x'"
    assert "such as 'a'" in problem.expected
    dropped = shop.problem(events={"on_unknown_item": "drop"})
    assert (dropped.severity, dropped.mended, dropped.count) == ("warning", True, 2)
    added = shop.problem(events={"on_unknown_item": "add"})
    assert (added.severity, added.count) == ("repaired", 2)


@pytest.mark.parametrize(
    ("row", "what", "column"),
    [
        (",a,buy,1,2024-01-03", "a row has no user", "who"),
        ("u1,,buy,1,2024-01-03", "a row has no item", "what"),
        ("u1,a,,1,2024-01-03", "a row has no action", "kind"),
        ("u1,a,buy,1,", "an impossible time", "at"),
        ("u1,a,buy,1,soon", "an impossible time", "at"),
        ("u1,a,buy,1,1969-12-31 23:59:59", "an impossible time", "at"),
        ("u1,a,buy,1,2201-01-01", "an impossible time", "at"),
        ("u1,a,buy,1,2024-02-30", "an impossible time", "at"),
    ],
)
def test_bad_rows(shop: Shop, row: str, what: str, column: str) -> None:
    shop.write("events.csv", HEADER + ROWS + f"{row}\n" * 2)
    problem = shop.problem()
    assert problem.what == what
    assert at(problem) == ("events.csv", 3, column, 2)
    assert not shop.check().ok
    dropped = shop.problem(events={"on_bad_row": "drop"})
    assert (dropped.what, dropped.severity, dropped.mended) == (what, "warning", True)
    assert "50.0% of 4 rows" in dropped.found
    assert len(shop.read(events={"on_bad_row": "drop"}).scenarios["shop"].events) == 2


def test_the_row_is_counted_before_the_filter(shop: Shop) -> None:
    shop.write("events.csv", HEADER + ROWS + "u1,c,buy,1,soon\n")
    assert shop.problem(events={"where": "kind = 'buy'"}).row == 3


def test_items_without_an_id(shop: Shop) -> None:
    shop.write("items.csv", "id,title,brand,price\na,Apple,,1\nb,Bread,,2\n,Cake,,4\nc,Cake,,4\n")
    problem = shop.problem()
    assert problem.what == "a row has no id"
    assert at(problem) == ("items.csv", 3, "id", 1)
    assert shop.check(items={"where": "id is not null"}).ok


def test_unknown_splits(shop: Shop) -> None:
    problem = shop.problem(events={"split": "kind"})
    assert problem.what == "an unknown split"
    assert at(problem) == ("events.csv", 1, "kind", 3)
    assert "train, valid" in problem.expected


def test_no_text_at_all(shop: Shop) -> None:
    problem = shop.problem(items={"text": None})
    assert (problem.what, problem.severity, problem.count) == ("no item has text", "warning", 3)


def test_some_items_without_text(shop: Shop) -> None:
    problem = shop.problem(items={"text": ["brand"]})
    assert (problem.what, problem.severity, problem.count) == ("an item has no text", "warning", 1)


def test_one_user_only(shop: Shop) -> None:
    problem = shop.problem(events={"where": "who = 'u1'"})
    assert (problem.what, problem.severity) == ("all events belong to one user", "warning")


def test_a_template_with_an_unknown_field(shop: Shop) -> None:
    problem = shop.problem(template="{titel}. {brand}")
    assert problem.what == "there is no column 'titel'"
    assert problem.remedy == "did you mean 'title'?"


def test_a_template_that_reaches_into_values(shop: Shop) -> None:
    problem = shop.problem(template="{title.__class__}")
    assert problem.what == "the template cannot be used"


def test_an_action_nobody_took(shop: Shop) -> None:
    problem = shop.problem(actions={"veiw": 0.5})
    assert problem.what == "no event has the action 'veiw'"
    assert (problem.severity, problem.remedy) == ("warning", "did you mean 'view'?")


def test_no_objective_ever_happened(shop: Shop) -> None:
    assert shop.problem(objectives=[{"action": "purchase"}]).severity == "error"


def test_objectives_without_actions(shop: Shop) -> None:
    problem = shop.problem(events={"action": None}, objectives=[{"action": "buy"}, {"action": "view"}])
    assert problem.what == "several objectives, but nothing tells the events apart"


def test_a_negative_weight(shop: Shop) -> None:
    assert shop.problem(actions={"view": -1}).what == "an action has an impossible weight"


def test_an_unknown_time_zone(shop: Shop) -> None:
    problem = shop.problem(events={"timezone": "Europe/Berlim"})
    assert (problem.what, problem.remedy) == ("unknown time zone", "did you mean 'Europe/Berlin'?")


def test_a_time_format_without_a_date(shop: Shop) -> None:
    assert shop.problem(events={"time_format": "%H:%M"}).what == "the time format cannot be used"


def test_an_unknown_kind_of_file(shop: Shop) -> None:
    shop.write("items.txt", "id,title,brand,price\na,Apple,,1\nb,Bread,,2\nc,Cake,,4\n")
    problem = shop.problem(items={"path": "items.txt"})
    assert problem.what == "the file's name does not say what it holds"
    assert shop.check(items={"path": "items.txt", "format": "csv"}).ok


def test_everything_is_reported_at_once(shop: Shop) -> None:
    shop.write("items.csv", "")
    shop.write("events.csv", HEADER + ROWS + ",a,buy,x,soon\n")
    report = shop.check(users={"path": "people.csv", "id": "id"})
    assert [problem.what for problem in report.problems] == [
        "the file is empty",
        "the table is not there",
        "a row has no user",
        "text in a column of numbers",
        "an impossible time",
    ]
    assert report.counts["shop"].items is None
    assert report.counts["shop"].events == 2
    with pytest.raises(DataError) as caught:
        shop.read(users={"path": "people.csv", "id": "id"})
    assert len(caught.value.problems) == 5


def test_every_broken_file_of_a_table_is_named(shop: Shop) -> None:
    shop.write("part1.csv", HEADER + ROWS)
    shop.write("part2.csv", HEADER + "u1,a\n")
    shop.write("part3.csv", "")
    shop.write("part4.csv", "who,what\nu1,a\n")
    broken = shop.check(events={"path": "part*.csv"}).problems
    assert [problem.file for problem in broken] == ["part3.csv"]
    shop.write("part3.csv", "who,what\nu1,a\n")
    broken = shop.check(events={"path": "part*.csv"}).problems
    assert {problem.file for problem in broken} == {"part3.csv", "part4.csv"}


def test_hostile_values_are_escaped_and_cut(shop: Shop) -> None:
    shop.write("events.csv", HEADER + ROWS + "u1,\x1b[31m" + "x" * 500 + ",buy,1,2024-01-03\n")
    found = shop.problem().found
    assert "\x1b" not in found
    assert len(found) <= 60


def test_a_row_that_slipped_is_told_by_its_id(shop: Shop) -> None:
    rows = "".join(f"{n},Title {n},x,1\n" for n in range(60))
    shop.write("items.csv", "id,title,brand,price\n" + rows + "1997-08-20,/x.jpg,y,2\n")
    shop.write("events.csv", HEADER + ROWS.replace(",a,", ",1,").replace(",b,", ",2,"))
    problem = shop.problem()
    assert (problem.what, problem.severity) == ("an id is unlike all others", "warning")
    assert at(problem) == ("items.csv", 61, "id", 1)


def test_line_ends_of_old_are_told(shop: Shop) -> None:
    shop.write("events.csv", (HEADER + ROWS).replace("\n", "\r"))
    assert shop.problem().what == "the lines end as on old Macintoshes"
