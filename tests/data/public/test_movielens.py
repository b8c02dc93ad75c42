"""MovieLens in its three layouts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.errors import DataError
from polyscene.core.settings.project import Settings
from polyscene.data.public.movielens import title_and_year
from polyscene.data.public.registry import public_set

Prepare = Callable[[str, Path, Path], Settings]


@pytest.mark.parametrize(
    ("raw", "title", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)",
         "The City of Lost Children (Cité des enfants perdus, La)", 1995),
        ("Lion, the Witch and the Wardrobe (2005)", "Lion, the Witch and the Wardrobe", 2005),
        ("unknown", "unknown", None),
        ("Fawlty Towers (1975-1979)", "Fawlty Towers", 1975),
    ],
)  # fmt: skip
def test_titles(raw: str, title: str, year: int | None) -> None:
    frame = pl.DataFrame({"raw": [raw]}).select(*title_and_year("raw"))
    assert frame.row(0) == (title, year)


def test_one_million(prepared: Prepare, tmp_path: Path) -> None:
    source = tmp_path / "unpacked" / "ml-1m"
    source.mkdir(parents=True)
    (source / "ratings.dat").write_text("1::1193::5::978300760\n2::661::3::978302109\n", encoding="latin-1")
    movies = "661::Amélie, L' (2001)::Comedy|Romance\n1193::Star Wars: Episode IV (1977)::Sci-Fi\n"
    (source / "movies.dat").write_text(movies, encoding="latin-1")
    (source / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n", encoding="latin-1")
    settings = prepared("movielens-1m", source.parent, tmp_path / "out")
    scenario = settings.scenarios["movies"]
    assert scenario.users is not None
    items = pl.read_parquet(tmp_path / "out" / scenario.items.path).sort("item_id")  # type: ignore[operator]
    assert items.to_dicts() == [
        {"item_id": "1193", "title": "Star Wars: Episode IV", "year": 1977, "genres": "Sci-Fi"},
        {"item_id": "661", "title": "L' Amélie", "year": 2001, "genres": "Comedy, Romance"},
    ]
    events = pl.read_parquet(tmp_path / "out" / "events.parquet")
    assert events.row(0) == ("1", "1193", 5.0, datetime(2000, 12, 31, 22, 12, 40))
    users = pl.read_parquet(tmp_path / "out" / "users.parquet")
    assert users["occupation"].to_list() == ["K-12 student", "self-employed"]
    assert {*scenario.users.categorical, *scenario.users.numeric} < set(users.columns)


def test_one_hundred_thousand(prepared: Prepare, tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("196\t242\t3\t881250949\n", encoding="latin-1")
    flags = ["0"] * 19
    flags[1] = flags[16] = "1"
    item = "|".join(["242", "Été, L' (1996)", "24-Jan-1997", "", "http://x", *flags])
    (tmp_path / "u.item").write_text(item + "\n", encoding="latin-1")
    (tmp_path / "u.user").write_text("196|49|M|writer|55105\n", encoding="latin-1")
    scenario = prepared("movielens-100k", tmp_path, tmp_path / "out").scenarios["movies"]
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert items.row(0) == ("242", "L' Été", 1996, "Action, Thriller")
    assert {scenario.items.id, *scenario.items.text, *scenario.items.numeric} < set(items.columns)
    events = pl.read_parquet(tmp_path / "out" / "events.parquet")
    assert events.row(0) == ("196", "242", 3.0, datetime(1997, 12, 4, 15, 55, 49))


def csv_layout(folder: Path, tags: bool) -> None:
    folder.mkdir()
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,4.5,964982703\n", encoding="utf-8"
    )
    rows = ['1,"American President, The (1995)",Comedy|Drama', "2,Quiet (2001),(no genres listed)"]
    movies = "\n".join(["movieId,title,genres", *rows])
    (folder / "movies.csv").write_text(movies, encoding="utf-8")
    if tags:
        lines = ["userId,movieId,tag,timestamp", "1,1,Fun,1", "2,1,fun,1", '3,1,"politics, love",1']
        (folder / "tags.csv").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("name", ["movielens-20m", "movielens-25m", "movielens-latest-small"])
def test_csv_editions_bring_tags(prepared: Prepare, tmp_path: Path, name: str) -> None:
    csv_layout(tmp_path / "in", tags=True)
    settings = prepared(name, tmp_path / "in", tmp_path / "out")
    assert settings.name == name
    assert settings.scenarios["movies"].items.text == ["title", "tags"]
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert items.row(0) == ("1", "The American President", 1995, "Comedy, Drama", "fun, politics, love")
    assert items.row(1) == ("2", "Quiet", 2001, None, None)


def test_csv_editions_without_tags(prepared: Prepare, tmp_path: Path) -> None:
    csv_layout(tmp_path / "in", tags=False)
    settings = prepared("movielens-25m", tmp_path / "in", tmp_path / "out")
    assert settings.scenarios["movies"].items.text == ["title"]
    assert pl.read_parquet(tmp_path / "out" / "events.parquet")["rating"].to_list() == [4.5]


def test_a_renamed_column_is_told(tmp_path: Path) -> None:
    csv_layout(tmp_path / "in", tags=False)
    (tmp_path / "in" / "ratings.csv").write_text("user,movieId,rating,timestamp\n1,1,4,9\n", encoding="utf-8")
    with pytest.raises(DataError, match="userId"):
        public_set("movielens-25m").prepare(tmp_path / "in", tmp_path / "out")


def test_garbage_in_a_column_is_told_without_a_traceback(tmp_path: Path) -> None:
    csv_layout(tmp_path / "in", tags=False)
    lines = "userId,movieId,rating,timestamp\n1,1,many,964982703\n"
    (tmp_path / "in" / "ratings.csv").write_text(lines, encoding="utf-8")
    with pytest.raises(DataError, match="not laid out as published"):
        public_set("movielens-25m").prepare(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out" / "polyscene.toml").exists()


def test_a_configuration_is_never_overwritten(tmp_path: Path) -> None:
    csv_layout(tmp_path / "in", tags=False)
    path = public_set("movielens-25m").prepare(tmp_path / "in", tmp_path / "out")
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="taken"):
        public_set("movielens-25m").prepare(tmp_path / "in", tmp_path / "out")
    assert path.read_text(encoding="utf-8") == "mine"
