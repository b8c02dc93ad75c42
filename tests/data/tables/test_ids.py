"""Ids that were spoilt on their way are mended, left out or refused, with counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.data.tables.columns import Need
from polyscene.data.tables.opening import open_table

NEED = Need("id", "id", "id")


def opened(
    folder: Path, ids: Sequence[str | None], kind: str = "csv", **settings: Any
) -> tuple[list[str], tuple[Problem, ...]]:
    frame = pl.DataFrame({"id": ids, "n": range(len(ids))})
    path = folder / f"t.{kind}"
    if kind == "csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    table = open_table(TableSettings(path=path.name, **settings), folder, [NEED])
    return table.collect(table.rows([NEED])).to_series().to_list(), table.remarks


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_padding_is_left_out_and_counted(tmp_path: Path, kind: str) -> None:
    ids, remarks = opened(tmp_path, [" a", "b ", "c", "\td"], kind)
    assert ids == ["a", "b", "c", "d"]
    (remark,) = remarks
    assert (remark.what, remark.row, remark.count) == ("ids are padded with spaces", 1, 3)
    assert (remark.severity, remark.mended) == ("warning", True)


def test_a_few_padded_ids_are_a_repair(tmp_path: Path) -> None:
    _, (remark,) = opened(tmp_path, ["x "] + [f"i{n}" for n in range(200)])
    assert (remark.severity, remark.count) == ("repaired", 1)


@pytest.mark.parametrize("word", ["nan", "NaN", "null", "NULL", "NA", "None", r"\N", "N/A", " nan ", "<NA>"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_words_for_missing_are_left_out_and_counted(tmp_path: Path, word: str, kind: str) -> None:
    ids, remarks = opened(tmp_path, ["a", word, "b", word], kind)
    assert ids == ["a", "b"]
    assert [(remark.what, remark.row, remark.count) for remark in remarks] == [
        ("an id is a word for 'missing'", 2, 2)
    ]
    assert "missing_ids = []" in remarks[0].remedy
    kept, remarks = opened(tmp_path, ["a", word.strip()], kind, missing_ids=[])
    assert (kept, remarks) == (["a", word.strip()], ())


def test_words_of_ones_own(tmp_path: Path) -> None:
    ids, _ = opened(tmp_path, ["a", "NA", "Unknown"], missing_ids=["unknown"])
    assert ids == ["a", "NA"]


def test_places_count_the_rows_that_were_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,n\nnan,1\na,2\nb,3\n", encoding="utf-8")
    table = open_table(TableSettings(path="t.csv", where="n > 0"), tmp_path, [NEED])
    assert [(table.place(n, "id").row, table.place(n, "id").value) for n in range(2)] == [(2, "a"), (3, "b")]


def test_only_rows_that_the_filter_keeps_are_counted(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,n\nnan,0\n a,0\nb,3\n c,4\n", encoding="utf-8")
    table = open_table(TableSettings(path="t.csv", where="n > 0"), tmp_path, [NEED])
    assert [(remark.what, remark.count) for remark in table.remarks] == [("ids are padded with spaces", 1)]


def test_ids_in_scientific_notation_are_refused(tmp_path: Path) -> None:
    _, (remark,) = opened(tmp_path, ["9.78064E+12", "9.78031E+12", "9.78064E+12", "1E+05", "1e3", "x1"])
    assert remark.severity == "error"
    assert remark.what.startswith("3 ids are written like 9.78064E+12")
    assert (remark.row, remark.count) == (1, 4)


def test_zeros_are_filled_in(tmp_path: Path) -> None:
    ids, remarks = opened(tmp_path, ["108775037", "0108775038", "12.0", "abc"], zero_fill={"id": 10})
    assert (ids, remarks) == (["0108775037", "0108775038", "0000000012", "abc"], ())
