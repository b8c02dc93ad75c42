"""Amazon reviews of 2018 and 2023: a scenario per category."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.errors import DataError
from polyscene.core.settings.project import Settings
from polyscene.data.public.json_lines import number, plain
from polyscene.data.public.registry import public_set

Prepare = Callable[[str, Path, Path], Settings]


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write(text)
    else:
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def edition_2018(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("All_Beauty", "Toys_and_Games"):
        review = {
            "overall": 5.0,
            "reviewerID": "A1",
            "asin": "B01",
            "unixReviewTime": 1424304000,
            "style": {"a": "b"},
        }
        write_lines(folder / f"{name}_5.json.gz", [review, {**review, "reviewerID": None}])
        meta = {
            "asin": "B01",
            "title": "Loud &amp; <b>clear</b>",
            "brand": "Acme",
            "category": [name, "Hair care"],
            "description": ["One.", "Two."],
            "price": "$1,012.99",
        }
        junk = {
            "asin": "B02",
            "title": "var aPageStart = (new Date()).getTime();",
            "description": "x",
            "price": "$1 - $2",
        }
        write_lines(folder / f"meta_{name}.json.gz", [meta, junk])
    return folder


def test_2018(prepared: Prepare, edition_2018: Path, tmp_path: Path) -> None:
    settings = prepared("amazon-reviews-2018", edition_2018, tmp_path / "out")
    assert list(settings.scenarios) == ["all_beauty", "toys_and_games"]
    scenario = settings.scenarios["all_beauty"]
    items = pl.read_parquet(tmp_path / "out" / str(scenario.items.path))
    assert items.row(0) == ("B01", "Loud & clear", "One. Two.", "Acme", "Hair care", 1012.99)
    assert items.row(1) == ("B02", None, "x", None, None, None)
    events = pl.read_parquet(tmp_path / "out" / str(scenario.events.path))
    assert events.rows() == [("A1", "B01", 5.0, datetime(2015, 2, 19))]
    assert sorted(path.name for path in (tmp_path / "out" / "all_beauty").iterdir()) == [
        "events.parquet",
        "items.parquet",
    ]


def test_2023_takes_variants_for_one_item(prepared: Prepare, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    review = {"rating": 4.0, "asin": "V1", "parent_asin": "P1", "user_id": "U1", "timestamp": 1588687728923}
    write_lines(folder / "All_Beauty.jsonl", [review])
    meta = {
        "parent_asin": "P1", "title": "Hair oil", "features": ["Light"], "description": [], "store": "Shop",
        "categories": [], "main_category": "All Beauty", "price": 9.5,
    }  # fmt: skip
    write_lines(folder / "meta_All_Beauty.jsonl", [meta])
    settings = prepared("amazon-reviews-2023", folder, tmp_path / "out")
    assert list(settings.scenarios) == ["all_beauty"]
    items = pl.read_parquet(tmp_path / "out" / "all_beauty" / "items.parquet")
    assert items.row(0) == ("P1", "Hair oil", "Light", "Shop", "All Beauty", 9.5)
    events = pl.read_parquet(tmp_path / "out" / "all_beauty" / "events.parquet")
    assert events.row(0) == ("U1", "P1", 4.0, datetime(2020, 5, 5, 14, 8, 48, 923000))


def test_reviews_without_item_data_name_the_file(edition_2018: Path, tmp_path: Path) -> None:
    (edition_2018 / "meta_All_Beauty.json.gz").unlink()
    with pytest.raises(DataError, match=r"meta_All_Beauty\.json\.gz"):
        public_set("amazon-reviews-2018").prepare(edition_2018, tmp_path / "out")


def test_a_line_that_is_no_object_is_named(edition_2018: Path, tmp_path: Path) -> None:
    with gzip.open(edition_2018 / "All_Beauty_5.json.gz", "at", encoding="utf-8") as file:
        file.write("{'python': 'repr'}\n")
    with pytest.raises(DataError) as caught:
        public_set("amazon-reviews-2018").prepare(edition_2018, tmp_path / "out")
    (problem,) = caught.value.problems
    assert (problem.file, problem.row) == ("All_Beauty_5.json.gz", 3)
    assert not list((tmp_path / "out").rglob("*.part*"))


def test_a_cut_off_file_is_told(edition_2018: Path, tmp_path: Path) -> None:
    path = edition_2018 / "All_Beauty_5.json.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match="not laid out as published"):
        public_set("amazon-reviews-2018").prepare(edition_2018, tmp_path / "out")


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("$12.99", 12.99),
        (3, 3.0),
        ("1,299", 1299.0),
        ("from 3", None),
        (None, None),
        (True, None),
        ("9" * 99, None),
    ],
)
def test_prices(value: object, result: float | None) -> None:
    assert number(value) == result


@pytest.mark.parametrize(
    ("value", "result"),
    [("<p>a&nbsp;b</p>", "a b"), (["a", 3, None], "a 3"), ("", None), ({"a": 1}, None), ("<" * 9, "<" * 9)],
)
def test_words(value: object, result: str | None) -> None:
    assert plain(value) == result


def test_words_are_bounded() -> None:
    assert len(plain("word " * 100_000) or "") == 4_000
