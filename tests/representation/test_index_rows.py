"""Vectors that grow, and the index that goes with them."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.settings.index import IndexSettings
from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.index_choice import EXACT, INDEXES
from polyscene.representation.index_clusters import ClusterIndex
from polyscene.representation.index_exact import ExactIndex
from polyscene.representation.index_rows import IndexedRows
from polyscene.representation.index_usearch import UsearchIndex


def random(count: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)


class Blind(ClusterIndex):
    """Finds the first few, whatever is asked."""

    def _near(self, query: FloatArray, wanted: int) -> tuple[LongArray, FloatArray]:
        codes = self._everybody()[: max(wanted // 2, 1)]
        return codes, self._rows.array[codes] @ query


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> IndexSettings:
    monkeypatch.setitem(INDEXES._added, "blind", Blind)
    return IndexSettings(kind="blind")


@pytest.mark.parametrize("asked", [False, True])
def test_what_is_placed_stands_in_the_rows_and_is_found(asked: bool) -> None:
    rows = IndexedRows(random(10))
    if asked:
        assert len(rows.index) == 10
    new = 9 * random(2, seed=1)
    rows.place(np.array([3, 12]), new)
    assert len(rows) == 13
    np.testing.assert_array_equal(rows.array[[3, 12]], new)
    assert not rows.array[[10, 11]].any()
    np.testing.assert_array_equal(rows.array[4:10], random(10)[4:])
    assert rows.index.search(new, 1)[0].tolist() == [[3], [12]]
    assert len(rows.index) == 11


def test_index_and_rows_hold_the_same_memory() -> None:
    rows = IndexedRows(random(10))
    assert len(rows.index) == 10
    rows.place(np.array([3]), random(1, seed=1))
    assert np.shares_memory(rows.array, rows.index._rows.array)


def test_vectors_are_read_when_they_are_first_asked_for() -> None:
    asked: list[int] = []

    def source() -> FloatArray:
        asked.append(1)
        return random(10)

    rows = IndexedRows(source)
    assert asked == []
    assert len(rows.index) == len(rows) == 10
    assert asked == [1]


def test_rows_that_outgrow_the_exact_kind_get_another() -> None:
    rows = IndexedRows(random(EXACT))
    assert rows.index.name == "exact"
    rows.place(np.arange(EXACT, 2 * EXACT), random(EXACT, seed=1))
    assert rows.index.name == "exact"
    rows.place(np.array([2 * EXACT]), 9 * random(1, seed=2))
    assert rows.index.name == "clusters"
    assert rows.index.search(random(1, seed=2), 1)[0].tolist() == [[2 * EXACT]]


def test_other_settings_give_another_index_and_equal_ones_the_same() -> None:
    rows = IndexedRows(random(50))
    index = rows.index
    rows.index_by(IndexSettings())
    assert rows.index is index
    rows.index_by(IndexSettings(kind="usearch"))
    assert type(rows.index) is UsearchIndex


def test_an_index_that_finds_too_little_is_replaced_by_the_exact_kind_for_good(blind: IndexSettings) -> None:
    rows = IndexedRows(random(3_000))
    rows.index_by(blind)
    check = rows.check()
    assert check.kind == "exact"
    assert check.recall < 0.5
    assert type(rows.index) is ExactIndex
    rows.place(np.array([3_000]), 9 * random(1, seed=2))
    assert type(rows.index) is ExactIndex
    assert rows.index.search(random(1, seed=2), 1)[0].tolist() == [[3_000]]
    assert rows.check().recall == 1.0


def test_an_index_that_finds_enough_stays() -> None:
    rows = IndexedRows(random(EXACT + 1))
    index = rows.index
    assert rows.check().kind == "clusters"
    assert rows.index is index
