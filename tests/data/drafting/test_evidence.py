"""What columns say of times, grades, lists and items, and what is asked where they do not say it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from polyscene.core.settings.project import Settings
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.data.drafting import times
from polyscene.data.drafting.columns import profile
from polyscene.data.drafting.evidence import is_index, is_label
from polyscene.data.drafting.names import tokens
from polyscene.data.drafting.project import ProjectDraft, guess_project
from polyscene.data.reading.check import check_project
from polyscene.data.reading.dataset import read_dataset
from polyscene.data.reading.scales import is_rating, scale_of


def drafted(folder: Path, **tables: pl.DataFrame) -> tuple[ProjectDraft, ScenarioSettings, str]:
    for name, frame in tables.items():
        frame.write_csv(folder / f"{name}.csv")
    draft = guess_project([folder], "raw")
    text = draft.to_toml(folder)
    (folder / "polyscene.toml").write_text(text, encoding="utf-8")
    settings = Settings.load(folder / "polyscene.toml")
    read_dataset(settings, folder)
    (scenario,) = settings.scenarios.values()
    return draft, scenario, text


def log(rows: int = 120) -> pl.DataFrame:
    place = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            "user_id": "u" + (place * 7 % 23).cast(pl.String),
            "item_id": "i" + (place * 5 % 17).cast(pl.String),
        }
    )


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("29-01-2021 07:01", "%d-%m-%Y %H:%M"),
        ("Fri Aug 25 13:55:02 -0700 2017", "%a %b %d %H:%M:%S %z %Y"),
        ("10/Oct/2000:13:55:36 -0700", "%d/%b/%Y:%H:%M:%S %z"),
        ("02 28, 2014", "%m %d, %Y"),
        ("Feb 1, 2007", "%b %d, %Y"),
        ("12/31/10 8:26", "%m/%d/%y %H:%M"),
        ("2017年11月25日", "%Y年%m月%d日"),
    ],
)
def test_ways_of_writing_a_time(text: str, pattern: str) -> None:
    assert times.readings(pl.Series([text]))[0].pattern == pattern


@pytest.mark.parametrize("text", ["192.168.1.10", "4,17,2009", "v1.2.3", "Toy Story 2 1999", "12 7 9", "1:2"])
def test_what_is_no_time(text: str) -> None:
    assert times.readings(pl.Series([text])) == ()


@pytest.mark.parametrize(
    ("values", "named", "unit"),
    [
        ([1_650_073_070_000_000_000], False, "ns"),
        ([20_220_416, 20_220_501], True, "%Y%m%d"),
        ([44_667.06, 44_700.5], True, "excel"),
        ([44_667.06, 44_700.5], False, None),
        ([18_000, 18_100], True, "days"),
        ([20_229_999, 20_220_501], True, None),
    ],
)
def test_numbers_that_are_times(values: list[float], named: bool, unit: str | None) -> None:
    assert times.number_unit(pl.Series(values, dtype=pl.Float64), named) == unit


def test_the_order_of_the_rows_tells_day_from_month(tmp_path: Path) -> None:
    days = pl.Series("date", [f"{1 + n % 12:02d}/{1 + n // 12:02d}/2021" for n in range(120)])
    draft, scenario, _ = drafted(tmp_path, log=log().with_columns(days))
    assert scenario.events.time_format == "%d/%m/%Y"
    assert not any(decision.endswith("time_format") for decision in draft.decisions)


def test_day_and_time_of_day_apart(tmp_path: Path) -> None:
    frame = log().with_columns(
        pl.Series("Date", [f"{1 + n // 5:02d}.06.2021" for n in range(120)]),
        pl.Series("Time", [f"{9 + n % 5:02d}:30:00" for n in range(120)]),
    )
    frame = frame.filter(pl.col("Date") <= "30.06.2021")
    _, scenario, _ = drafted(tmp_path, log=frame)
    assert scenario.events.time == ["Date", "Time"]
    assert scenario.events.time_format == "%d.%m.%Y %H:%M:%S"
    (counts,) = check_project(Settings.load(tmp_path / "polyscene.toml"), tmp_path).counts.values()
    assert str(counts.first) == "2021-06-01 09:30:00+00:00"


def test_low_grades_are_had_with_the_share_of_choices_and_check_warns_without(tmp_path: Path) -> None:
    frame = log().with_columns(pl.Series("rating", [1 + n % 5 for n in range(120)]))
    _, scenario, text = drafted(tmp_path, log=frame)
    assert (scenario.events.value, scenario.events.liked_from, scenario.events.where) == ("rating", 4, None)
    assert "what was liked is a choice (40.0% of the rows), the rest was had" in text
    path = tmp_path / "polyscene.toml"
    path.write_text(
        "\n".join(line for line in text.splitlines() if not line.startswith("liked_from")), encoding="utf-8"
    )
    report = check_project(Settings.load(path), tmp_path)
    (warning,) = [problem for problem in report.problems if "grade" in problem.what]
    assert (warning.severity, warning.count) == ("warning", 72)
    assert "60.0% of them below 4" in warning.found


def test_grades_that_all_agree_on_are_grades(tmp_path: Path) -> None:
    frame = log().with_columns(
        rating=pl.when(pl.col("item_id").str.contains("[13579]$")).then(5).otherwise(1)
    )
    _, scenario, text = drafted(tmp_path, log=frame.with_columns(stock=pl.lit(3)))
    assert (scenario.events.value, scenario.events.liked_from) == ("rating", 4)
    assert "the same from everybody for one item" in text


def test_scales() -> None:
    ten = scale_of(pl.Series([1, 3, 5, 7, 9, 10] * 10))
    assert ten is not None
    assert (ten.liked, ten.kept) == (7, 0.5)
    assert scale_of(pl.Series([1, 17, 300] * 20)) is None
    zeros = scale_of(pl.Series([0, 0, 8, 10] * 20))
    assert zeros is not None
    assert zeros.zero_is_none
    assert is_rating("Book-Rating")
    assert not is_rating("quantity")


def test_only_what_is_the_same_in_all_rows_describes_an_item(tmp_path: Path) -> None:
    frame = log().with_columns(
        pl.Series("reviewerName", [f"Rick Bennette {n * 7 % 23}" for n in range(120)]),
        pl.Series("product_name", [f"red lamp number {n * 5 % 17}" for n in range(120)]),
        pl.Series("summary", [f"not bad for the money {n}" for n in range(120)]),
    )
    _, scenario, text = drafted(tmp_path, log=frame)
    assert scenario.items.text == ["product_name"]
    assert scenario.template == "{product_name}"
    assert "'summary' (words of the event" in text


def test_hundreds_of_flags_are_one_list(tmp_path: Path) -> None:
    names = [f"genre_{n}" for n in range(120)]
    items = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(17)], "title": [f"the lamp {n}" for n in range(17)]}
    )
    items = items.with_columns(
        pl.Series(name, [int(row % 5 == place % 5 and place < 10) for row in range(17)])
        for place, name in enumerate(names)
    )
    _, scenario, _ = drafted(tmp_path, log=log(), items=items)
    assert scenario.items.one_hot.keys() == {"genre"}
    assert scenario.items.categorical == ["genre"]
    assert scenario.items.text == ["title"]


def test_joined_tables_bring_in_the_user_and_a_missing_partner_is_counted(tmp_path: Path) -> None:
    orders = pl.DataFrame({"order_id": range(100, 140), "customer_id": [n % 9 for n in range(40)]})
    lines = pl.DataFrame(
        {"order_id": [100 + n % 41 for n in range(205)], "sku": [f"s{n % 13}" for n in range(205)]}
    )
    draft, scenario, text = drafted(tmp_path, orders=orders, order_lines=lines)
    assert [(join.path, join.on) for join in scenario.events.join] == [("orders.csv", "order_id")]
    assert scenario.events.user == "customer_id"
    report = check_project(Settings.load(tmp_path / "polyscene.toml"), tmp_path)
    (counts,) = report.counts.values()
    (left_out,) = [problem for problem in report.problems if problem.what == "a row has no user"]
    assert (counts.events, left_out.count) == (200, 5)
    assert not draft.notes, text


def test_names_run_together_and_typed() -> None:
    assert tokens("visitorid") == ("visitor", "id")
    assert tokens("user_id:token") == ("user", "id")
    assert tokens("itemDescription") == ("item", "description")
    assert tokens("category") == ("category",)


def test_index_columns_and_labels() -> None:
    assert is_index(profile(pl.Series("", range(10))))
    assert is_index(profile(pl.Series("Unnamed: 0", range(10))))
    assert not is_index(profile(pl.Series("movie_id", range(10))))
    assert is_label(profile(pl.Series("Item", ["whole milk", "Dota 2"] * 5)))
    assert not is_label(profile(pl.Series("sku", ["a7", "b8"] * 5)))


def test_an_index_column_is_listed_and_means_nothing(tmp_path: Path) -> None:
    frame = log().with_row_index("Unnamed: 0")
    _, scenario, text = drafted(tmp_path, log=frame)
    assert (scenario.events.user, scenario.events.item, scenario.events.time) == ("user_id", "item_id", None)
    assert "# not used: 'Unnamed: 0' (it numbers the rows)" in text
