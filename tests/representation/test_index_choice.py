"""The kind that is chosen, and what is done where it finds too little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.errors import MissingExtraError
from polyscene.core.settings.index import IndexSettings
from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.index_choice import (
    BYTES_PER_MILLISECOND,
    EXACT,
    NEAREST,
    IndexCheck,
    checked,
    index_over,
    kind_for,
    recall_of,
)
from polyscene.representation.index_clusters import ClusterIndex
from polyscene.representation.index_exact import ExactIndex
from polyscene.representation.index_faiss import FaissIndex


def random(count: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)


class Short(ClusterIndex):
    """Finds every second of what it should, until the effort is large enough."""

    enough = 2

    def _near(self, query: FloatArray, wanted: int) -> tuple[LongArray, FloatArray]:
        codes, products = self._everybody(), self._rows.array @ query
        return (codes, products) if self._effort >= self.enough else (codes[::2], products[::2])


class Hopeless(Short):
    enough = 1_000


def test_the_kind_follows_the_size_and_nothing_of_the_machine() -> None:
    usual = IndexSettings()
    assert [kind_for(count, 384, usual) for count in (0, EXACT, EXACT + 1)] == ["exact", "exact", "clusters"]
    assert kind_for(5, 384, IndexSettings(kind="faiss")) == "faiss"
    quick = IndexSettings(latency_ms=2)
    most = 2 * BYTES_PER_MILLISECOND // (4 * 100)
    assert [kind_for(count, 100, quick) for count in (most, most + 1)] == ["exact", "clusters"]
    assert [kind_for(count, 200, quick) for count in (most // 2, most // 2 + 1)] == ["exact", "clusters"]


def test_over_nothing_there_is_nothing_to_learn() -> None:
    assert type(index_over(np.zeros((EXACT + 1, 3), np.float32), IndexSettings())) is ExactIndex
    assert type(index_over(np.zeros((9, 0), np.float32), IndexSettings(kind="faiss"))) is ExactIndex
    assert type(index_over(random(9), IndexSettings(kind="faiss"))) is FaissIndex
    assert type(index_over(random(EXACT + 1), IndexSettings())) is ClusterIndex


def test_recall_is_the_share_of_the_nearest_that_were_found() -> None:
    truth = np.array([[1, 2, 3, 4], [5, 6, -1, -1]])
    assert recall_of(truth[:, ::-1], truth) == 1.0
    assert recall_of(np.array([[1, 9, 8, 4], [6, -1, -1, -1]]), truth) == pytest.approx(3 / 6)
    assert recall_of(truth[:0], truth[:0]) == 1.0
    assert recall_of(np.array([[-1]]), np.array([[-1]])) == 1.0


def test_an_index_that_finds_enough_answers_with_no_more_effort_than_that_takes() -> None:
    index = Short(random(1_000))
    check = checked(index, IndexSettings(recall=0.99))
    assert (check.kind, check.asked, check.effort, check.vectors) == ("clusters", "clusters", 2, 1_000)
    assert check.recall == check.live_recall == 1.0
    assert check.measured
    assert index.effort == 2
    assert checked(Short(random(1_000)), IndexSettings(recall=0.4)).effort == 1


def test_where_no_effort_is_enough_the_exact_kind_is_to_answer() -> None:
    check = checked(Hopeless(random(1_000)), IndexSettings(recall=0.9))
    assert (check.kind, check.asked) == ("exact", "clusters")
    assert 0.4 < check.recall < 0.6
    assert check.live_recall == 1.0


def test_where_all_are_compared_nothing_is_measured() -> None:
    check = checked(ExactIndex(random(50)), IndexSettings())
    assert (check.kind, check.recall, check.measured, check.milliseconds) == ("exact", 1.0, False, 0.0)
    assert checked(ClusterIndex(np.zeros((3, 4), np.float32)), IndexSettings()).recall == 1.0


def test_a_check_says_what_was_measured_and_what_follows() -> None:
    check = IndexCheck("faiss", 12_000, "faiss", 0.9512, 0.9, 1, 0.4)
    start = f"index faiss over 12,000 vectors: recall@{NEAREST} 0.951"
    assert str(check) == f"{start}, 0.40 ms a search"
    assert str(replace(check, effort=4)) == f"{start} with 4 times the usual effort, 0.40 ms a search"
    assert str(replace(check, latency_ms=0.2)) == f"{start}, 0.40 ms a search, 0.2 ms are wanted"
    assert str(replace(check, latency_ms=0.5)) == str(check)
    instead = replace(check, kind="exact", wanted=0.99)
    assert str(instead) == f"{start}, 0.990 is wanted: all vectors are compared instead"


def test_a_kind_whose_library_is_missing_is_refused_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FaissIndex, "library", "no_such_library")
    with pytest.raises(
        MissingExtraError, match=r"extra 'faiss'.*found no no_such_library.*polyscene\[faiss\]"
    ):
        FaissIndex.demand_library()
    ExactIndex.demand_library()
