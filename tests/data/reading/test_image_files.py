"""Names of image files come from a table: those that lead elsewhere are refused, with counts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polyscene.core.errors import ConfigError, DataError, Problem
from polyscene.core.settings.project import Settings
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.signals import BESIDE_TEXT
from polyscene.data.reading.image_files import listed_names
from polyscene.data.reading.item_rows import rows_of
from polyscene.data.reading.items import extended, read_items
from polyscene.data.schema import ImageFiles

EVENTS = {"path": "events.csv", "user": "who", "item": "what"}
SOURCE = {"files": "picture", "encoder": "clip"}


def scenario(**changes: Any) -> dict[str, Any]:
    items = {"path": "shop/items.parquet", "id": "id", "text": ["id"], "vectors": {"image": SOURCE}} | changes
    return {"items": items, "events": EVENTS}


def settings(**changes: Any) -> ScenarioSettings:
    return ScenarioSettings.model_validate(scenario(**changes))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a folder of two images, beside one that is not theirs, and a link to each."""
    folder = tmp_path / "shop"
    (folder / "in").mkdir(parents=True)
    for name in ("a.png", "in/b.png", "../secret.png"):
        (folder / name).write_bytes(b"pixels")
    (folder / "link.png").symlink_to(folder / "in" / "b.png")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "away").symlink_to(tmp_path)
    (folder / "round.png").symlink_to(folder / "round.png")
    return folder


def read(
    shop: Path, names: list[str | None], settings_: ScenarioSettings | None = None
) -> tuple[ImageFiles, list[Problem]]:
    ids = [f"i{row}" for row in range(len(names))]
    frame = pl.DataFrame({"id": ids, "picture": pl.Series(names, dtype=pl.String)})
    frame.write_parquet(shop / "items.parquet")
    problems: list[Problem] = []
    catalogue = read_items(settings_ or settings(), shop.parent, problems)
    assert catalogue.media == {}
    return catalogue.images["image"], problems


def test_files_are_named_relative_to_the_table(shop: Path) -> None:
    files, problems = read(shop, ["a.png", None, "in/b.png", "a.png", "link.png", ""])
    assert problems == []
    assert files.names == ("a.png", "", "in/b.png", "a.png", "link.png", "")
    assert files.folder == shop


def test_a_folder_may_be_named(shop: Path) -> None:
    named = settings(vectors={"image": SOURCE | {"folder": "shop/in"}})
    files, problems = read(shop, ["b.png", "a.png"], named)
    assert files.names == ("b.png", "")
    assert files.folder == shop / "in"
    assert [one.count for one in problems] == [1]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("https://example.com/a.png", "addresses on the network"),
        ("file:///etc/passwd", "addresses on the network"),
        ("DATA:image/png;base64,AAAA", "addresses on the network"),
        ("../secret.png", "names that lead out of the folder"),
        ("in/../../secret.png", "names that lead out of the folder"),
        ("/etc/passwd", "names that lead out of the folder"),
        ("out.png", "names that lead out of the folder"),
        ("away/secret.png", "names that lead out of the folder"),
        ("../shop-of-another/a.png", "names that lead out of the folder"),
        ("no.png", "no such files"),
        ("in", "no such files"),
        ("round.png", "no such files"),
        ("a\0.png", "no such files"),
        ("x" * 5000, "no such files"),
        ("~/a.png", "no such files"),
    ],
)
def test_what_leads_elsewhere_is_refused(shop: Path, name: str, reason: str) -> None:
    files, (problem,) = read(shop, ["a.png", name, name])
    assert files.names == ("a.png", "", "")
    assert f"{reason}, as " in problem.what
    assert (problem.count, problem.severity, problem.mended, problem.column) == (
        2,
        "warning",
        True,
        "picture",
    )
    assert len(problem.what) < 300


def test_reasons_are_told_apart(shop: Path) -> None:
    files, problems = read(shop, ["a.png", "no.png", "http://x/y", "../secret.png", "none.png"])
    assert sum(map(bool, files.names)) == 1
    assert sorted(one.count for one in problems) == [1, 1, 2]


def test_names_of_which_none_can_be_used_are_an_error(shop: Path) -> None:
    _, (problem,) = read(shop, ["no.png", None])
    assert (problem.severity, problem.mended) == ("error", False)


def test_a_pipe_is_no_file(shop: Path) -> None:
    os.mkfifo(shop / "pipe.png")
    files, problems = read(shop, ["a.png", "pipe.png"])
    assert files.names == ("a.png", "")
    assert len(problems) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"vectors": {"image": SOURCE | {"folder": "nowhere"}}},
        {"path": ["shop/items.parquet"]},
        {"path": "shop/items*.parquet"},
    ],
)
def test_a_folder_has_to_be_clear(shop: Path, changes: dict[str, Any]) -> None:
    pl.DataFrame({"id": ["i0"], "picture": ["a.png"]}).write_parquet(shop / "items.parquet")
    problems: list[Problem] = []
    assert read_items(settings(**changes), shop.parent, problems).images == {}
    assert [(one.what, one.severity) for one in problems] == [("image files have no folder", "error")]


def test_items_of_which_only_the_id_is_known_have_no_image(shop: Path) -> None:
    read(shop, ["a.png"])
    catalogue = extended(read_items(settings(), shop.parent, []), pl.Series(["x", "y"]))
    assert catalogue.images["image"].names == ("a.png", "", "")


def test_whoever_names_files_has_them_used() -> None:
    assert BESIDE_TEXT in settings().signals


def test_mistakes_are_told_of_the_form_that_was_meant() -> None:
    for source, key, what in [
        (SOURCE | {"fils": "x"}, "images.fils", "unknown key 'fils'"),
        ({"files": "picture"}, "images.encoder", "no such key"),
        ({"path": "v.parquet", "id": "id"}, "table", "name 'id' and 'vector'"),
        (7, "column", "a valid string"),
    ]:
        with pytest.raises(ConfigError) as refused:
            Settings.parse({"scenarios": {"shop": scenario(vectors={"image": source})}})
        (problem,) = refused.value.problems
        assert f"scenarios.shop.items.vectors.image.{key}" in str(problem)
        assert what in str(problem)


def test_settings_come_back_as_they_were_written() -> None:
    project = Settings.parse({"scenarios": {"shop": scenario()}})
    assert Settings.parse(project.model_dump(mode="json")) == project


def test_plain_values_bring_the_vector_and_no_file(shop: Path) -> None:
    rows = rows_of(settings(), [{"id": "new", "image": [3.0, 4.0]}])
    assert rows.media["image"].tolist() == [pytest.approx([0.6, 0.8])]
    for row in ({"picture": "a.png"}, {"picture": "a.png", "image": [1.0, 0.0]}):
        with pytest.raises(DataError, match="an image file is not read here"):
            rows_of(settings(), [{"id": "old", "image": [1.0, 0.0]}, {"id": "new", **row}])
    same = settings(vectors={"image": SOURCE | {"files": "image"}})
    with pytest.raises(DataError, match="column image"):
        rows_of(same, [{"id": "new", "image": "a.png"}])
    assert rows_of(settings(), [{"id": "new", "picture": "", "image": None}]).media == {}


def test_few_of_many_names_are_listed() -> None:
    assert listed_names(["a", "b", "a"]) == "'a', 'b'"
    assert listed_names(list("abcde")) == "'a', 'b', 'c' and 2 more"
