"""MIND: impressions become events, click histories stand before them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.settings.project import Settings
from polyscene.data.public.registry import public_set

Prepare = Callable[[str, Path, Path], Settings]

NEWS = 'N{0}\tsports\tgolf\tTitle "{0}"\tAbstract {0}\thttps://x\t[]\t[]\n'


def part(folder: Path, news: str, behaviors: str) -> None:
    folder.mkdir(parents=True)
    (folder / "news.tsv").write_text("".join(NEWS.format(number) for number in news), encoding="utf-8")
    (folder / "behaviors.tsv").write_text(behaviors, encoding="utf-8")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    train = "1\tU1\t11/11/2019 9:05:58 AM\tN1 N2\tN3-1 N4-0\n2\tU2\t11/12/2019 6:11:30 PM\t\tN1-0 N4-1\n"
    part(tmp_path / "MINDsmall_train", "1234", train)
    dev = "1\tU1\t11/15/2019 10:22:32 AM\tN1 N2\tN5-1\n2\tU9\t11/15/2019 10:23:32 AM\tN2\tN5-0 N1-1\n"
    part(tmp_path / "MINDsmall_dev", "125", dev)
    return tmp_path


def test_impressions_and_histories(prepared: Prepare, source: Path, tmp_path: Path) -> None:
    settings = prepared("mind-small", source, tmp_path / "out")
    scenario = settings.scenarios["news"]
    events = pl.read_parquet(tmp_path / "out" / "events.parquet")
    shown = events.filter(pl.col("position").is_not_null()).select(
        "user_id", "item_id", "action", "position", "split"
    )
    assert shown.rows() == [
        ("U1", "N3", "click", 0, "train"),
        ("U1", "N4", "view", 1, "train"),
        ("U2", "N1", "view", 0, "train"),
        ("U2", "N4", "click", 1, "train"),
        ("U1", "N5", "click", 0, "test"),
        ("U9", "N5", "view", 0, "test"),
        ("U9", "N1", "click", 1, "test"),
    ]
    past = events.filter(pl.col("position").is_null()).select("user_id", "item_id", "action", "time", "split")
    assert past.rows() == [
        ("U1", "N1", "click", datetime(2019, 11, 11, 9, 5, 56), "train"),
        ("U1", "N2", "click", datetime(2019, 11, 11, 9, 5, 57), "train"),
        ("U9", "N2", "click", datetime(2019, 11, 15, 10, 23, 31), "context"),
    ]
    assert (scenario.events.split, settings.evaluation.protocol) == ("split", "given")
    assert [objective.action for objective in scenario.objectives] == ["click"]


def test_items_are_listed_once_with_their_words(source: Path, tmp_path: Path) -> None:
    public_set("mind-small").prepare(source, tmp_path / "out")
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert sorted(items["item_id"].to_list()) == ["N1", "N2", "N3", "N4", "N5"]
    first = items.row(by_predicate=pl.col("item_id") == "N1", named=True)
    assert first == {
        "item_id": "N1", "title": 'Title "1"', "abstract": "Abstract 1",
        "category": "sports", "subcategory": "golf",
    }  # fmt: skip


def test_a_part_without_labels_is_left_out(source: Path, tmp_path: Path) -> None:
    part(source / "MINDlarge_test", "1", "1\tU7\t11/16/2019 1:00:00 AM\tN1\tN2 N3\n")
    public_set("mind-large").prepare(source, tmp_path / "out")
    assert "U7" not in pl.read_parquet(tmp_path / "out" / "events.parquet")["user_id"].to_list()


def test_one_part_alone_has_no_split(prepared: Prepare, source: Path, tmp_path: Path) -> None:
    settings = prepared("mind-small", source / "MINDsmall_train", tmp_path / "out")
    assert settings.scenarios["news"].events.split is None
    assert settings.evaluation.protocol == "temporal"
