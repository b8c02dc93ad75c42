"""Vectors that the user brings: of one length, finite, in the catalogue's order, and refused with a count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.signals import USUAL_SIGNALS
from polyscene.core.types import FloatArray
from polyscene.data.reading.item_rows import rows_of
from polyscene.data.reading.items import extended, read_items
from polyscene.data.reading.vectors import MAX_NUMBER, directions

IDS = ["a", "b", "c", "d"]
ROWS: list[list[float] | None] = [[3.0, 4.0], None, [0.0, 0.0], [1e8, 0.0]]
UNIT: FloatArray = np.array([[0.6, 0.8], [0, 0], [0, 0], [1, 0]], np.float32)
EVENTS = {"path": "events.csv", "user": "who", "item": "what"}


def settings_of(vectors: Mapping[str, Any], path: str = "items.parquet") -> ScenarioSettings:
    items = {"path": path, "id": "id", "text": ["title"], "vectors": vectors}
    return ScenarioSettings.model_validate({"items": items, "events": EVENTS})


def write(folder: Path, rows: list[Any] = ROWS, ids: list[str] = IDS) -> None:
    frame = pl.DataFrame({"id": ids, "title": [f"item {name}" for name in ids]})
    frame.with_columns(pl.Series("look", rows)).write_parquet(folder / "items.parquet")


def media_of(settings: ScenarioSettings, folder: Path) -> tuple[Mapping[str, FloatArray], list[Problem]]:
    problems: list[Problem] = []
    return read_items(settings, folder, problems).media, problems


@pytest.mark.parametrize(
    "dtype", [pl.List(pl.Float32), pl.List(pl.Float64), pl.List(pl.Int64)], ids=["f32", "f64", "int"]
)
def test_a_column_of_lists(tmp_path: Path, dtype: pl.DataType) -> None:
    write(tmp_path, pl.Series(ROWS).cast(dtype).to_list())
    media, problems = media_of(settings_of({"image": "look"}), tmp_path)
    assert problems == []
    assert media["image"].dtype == np.float32
    np.testing.assert_allclose(media["image"], UNIT, rtol=1e-6)


@pytest.mark.parametrize("words", ["{0} {1}", "[{0}, {1}]", "{0},{1}"])
def test_a_column_of_texts(tmp_path: Path, words: str) -> None:
    cells = [None if row is None else words.format(*row) for row in ROWS]
    pl.DataFrame({"id": IDS, "title": IDS, "look": cells}).write_csv(tmp_path / "items.csv")
    media, problems = media_of(settings_of({"image": "look"}, "items.csv"), tmp_path)
    assert problems == []
    np.testing.assert_allclose(media["image"], UNIT, rtol=1e-6)


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        json.dumps({"id": name, "title": name, "look": row}) for name, row in zip(IDS, ROWS, strict=True)
    ]
    (tmp_path / "items.jsonl").write_text("\n".join(lines))
    media, problems = media_of(settings_of({"image": "look"}, "items.jsonl"), tmp_path)
    assert problems == []
    np.testing.assert_allclose(media["image"], UNIT, rtol=1e-6)


def test_a_table_of_its_own_goes_by_id(tmp_path: Path) -> None:
    write(tmp_path)
    frame = pl.DataFrame({"sku": ["d", "x", "a"], "v": [[1.0, 0.0], [9.0, 9.0], [3.0, 4.0]]})
    frame.write_parquet(tmp_path / "sound.parquet")
    source = {"path": "sound.parquet", "id": "sku", "vector": "v"}
    media, problems = media_of(settings_of({"audio": source, "image": "look"}), tmp_path)
    assert list(media) == ["audio", "image"]
    np.testing.assert_allclose(media["audio"], UNIT, rtol=1e-6)
    (stranger,) = problems
    assert (stranger.severity, stranger.count, stranger.found) == ("warning", 1, "'x'")


def test_an_array_goes_by_its_list_of_ids(tmp_path: Path) -> None:
    write(tmp_path)
    np.save(tmp_path / "film.npy", np.array([[1, 0], [3, 4]], np.float16))
    (tmp_path / "ids.txt").write_text("d\na\n")
    media, problems = media_of(settings_of({"video": {"path": "film.npy", "ids": "ids.txt"}}), tmp_path)
    assert problems == []
    np.testing.assert_allclose(media["video"], UNIT, rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "ids", "what"),
    [
        (np.ones((3, 2)), "a\nb\n", "vectors and ids do not go together"),
        (np.ones(4), "a\nb\nc\nd", "vectors and ids do not go together"),
        (np.array([["x", "y"]]), "a", "vectors and ids do not go together"),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), "a\nb", "a vector cannot be used"),
        (np.array([[1.0, 2.0]]), "stranger", "vectors of items that are not in the catalogue"),
    ],
)
def test_a_broken_array_is_refused(tmp_path: Path, array: Any, ids: str, what: str) -> None:
    write(tmp_path)
    np.save(tmp_path / "film.npy", array)
    (tmp_path / "ids.txt").write_text(ids)
    _, problems = media_of(settings_of({"video": {"path": "film.npy", "ids": "ids.txt"}}), tmp_path)
    assert [(one.what, one.severity, one.count) for one in problems] == [(what, "error", 1)]


def test_an_array_of_objects_is_never_opened(tmp_path: Path) -> None:
    write(tmp_path)
    np.save(tmp_path / "film.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "ids.txt").write_text("a")
    _, problems = media_of(settings_of({"video": {"path": "film.npy", "ids": "ids.txt"}}), tmp_path)
    assert [one.what for one in problems] == ["the vectors cannot be read"]


HOSTILE: list[Any] = [[1.0, 0.0], [1.0], [np.inf, 1.0], [np.nan, 1.0], [2 * MAX_NUMBER, 0.0], [None, 1.0]]


def test_what_cannot_be_used_is_counted_and_left_out(tmp_path: Path) -> None:
    rows = [*HOSTILE, [0.0, 1.0], [1.0, 1.0]]
    write(tmp_path, rows, [str(number) for number in range(len(rows))])
    media, problems = media_of(settings_of({"image": "look"}), tmp_path)
    (bad,) = problems
    assert (bad.severity, bad.count, bad.row, bad.column) == ("error", 5, 2, "look")
    assert bad.expected.startswith("2 finite numbers")
    assert bad.found == "1 numbers"
    assert media["image"].any(axis=1).tolist() == [True, *[False] * 5, True, True]
    assert np.isfinite(media["image"]).all()


def test_text_that_is_no_vector_is_refused(tmp_path: Path) -> None:
    cells = ["1 2", "3 4", "five six", "1 2; rm"]
    pl.DataFrame({"id": IDS, "title": IDS, "look": cells}).write_csv(tmp_path / "items.csv")
    _, problems = media_of(settings_of({"image": "look"}, "items.csv"), tmp_path)
    assert [(one.what, one.count) for one in problems] == [("a vector cannot be used", 2)]


def test_only_directions_count_and_none_is_missing() -> None:
    rows = directions(np.array([[1e9, 1e9], [1e-9, 1e-9], [0, 0], [1e-300, 0]]))
    np.testing.assert_allclose(rows[:2], np.sqrt(0.5), rtol=1e-6)
    assert not rows[2:].any()


def test_an_item_given_as_values_has_the_vector_that_its_row_would_have(tmp_path: Path) -> None:
    write(tmp_path)
    source = {"path": "sound.parquet", "id": "sku", "vector": "v"}
    settings = settings_of({"image": "look", "audio": source})
    items: list[dict[str, Any]] = [
        {"id": name, "title": name, "look": row} for name, row in zip(IDS, ROWS, strict=True)
    ]
    items[1]["audio"] = np.array([0.0, 5.0, 0.0])
    rows = rows_of(settings, items, {"image": 2, "audio": 3})
    np.testing.assert_allclose(rows.media["image"], UNIT, rtol=1e-6)
    assert rows.media["audio"].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert rows_of(settings, [{"id": "a", "title": "x"}]).media == {}
    (text,) = rows_of(settings, [{"id": "a", "look": "3 4"}]).media["image"]
    np.testing.assert_allclose(text, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("look", [[1.0], [1.0, 2.0, 3.0], [np.nan, 1.0], "one two", "", {"x": 1}, True])
def test_a_hostile_vector_of_a_live_item_is_refused(look: Any) -> None:
    settings = settings_of({"image": "look"})
    if look == "":
        assert rows_of(settings, [{"id": "a", "title": "t", "look": look}], {"image": 2}).media == {}
        return
    with pytest.raises(DataError) as raised:
        rows_of(settings, [{"id": "a", "title": "t", "look": look}], {"image": 2})
    assert [one.column for one in raised.value.problems] == ["look"]


def test_items_that_only_events_name_have_no_vector(tmp_path: Path) -> None:
    write(tmp_path)
    catalogue = extended(read_items(settings_of({"image": "look"}), tmp_path, []), pl.Series(["new"]))
    assert catalogue.media["image"].shape == (5, 2)
    assert not catalogue.media["image"][4].any()


def test_who_brings_vectors_has_them_weighed() -> None:
    assert settings_of({"image": "look"}).signals == [*USUAL_SIGNALS, "attributes"]
    assert settings_of({}).signals == [*USUAL_SIGNALS]


@pytest.mark.parametrize(
    "source",
    [
        {"path": "film.npy"},
        {"path": "film.npy", "ids": "i.txt", "id": "sku"},
        {"path": "film.parquet", "id": "sku"},
        {"path": "film.parquet", "id": "sku", "vector": "v", "ids": "i.txt"},
    ],
)
def test_a_source_that_is_half_named_is_refused(source: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="name"):
        settings_of({"video": source})
