"""A handful of scores, and readers that say what they are told to say."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.types import FloatArray, IntArray
from polyscene.data.queries import Histories
from polyscene.recommenders.reranker import Reranker, TextScorer

SCORES = np.array([[5, 4, 3, 2, 1], [1, 2, 3, 4, 5]], np.float32)
NOBODY = Histories.of([[], []])
EVERY = np.tile(np.arange(5), (2, 1))


def by_code(history: Histories, candidates: IntArray) -> FloatArray:
    """The higher the code, the better."""
    return candidates.astype(np.float32)


def test_only_the_top_is_dealt_out_anew() -> None:
    before = SCORES.copy()
    actual = Reranker(by_code, top=3).reorder(SCORES, EVERY, NOBODY)
    np.testing.assert_array_equal(actual, [[3, 4, 5, 2, 1], [1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(SCORES, before)


def test_what_is_never_shown_takes_no_place() -> None:
    read: list[list[list[int]]] = []

    def reader(history: Histories, candidates: IntArray) -> FloatArray:
        read.append(candidates.tolist())
        return candidates.astype(np.float32)

    had = Histories.of([[0, 1], []])
    actual = Reranker(reader, top=2, unseen=True).reorder(SCORES, EVERY, had)
    assert read == [[[2, 3], [4, 3]]]
    np.testing.assert_array_equal(actual[0], [5, 4, 2, 3, 1])


def test_where_little_is_open_only_that_is_moved() -> None:
    had = Histories.of([[0, 1, 2], [0, 1, 2, 3, 4]])
    actual = Reranker(by_code, top=4, unseen=True).reorder(SCORES, EVERY, had)
    np.testing.assert_array_equal(actual, [[5, 4, 3, 1, 2], [1, 2, 3, 4, 5]])


@pytest.mark.parametrize(("trust", "first"), [(0.0, 0), (0.4, 0), (2.0, 4)])
def test_student_and_reader_are_weighed(trust: float, first: int) -> None:
    actual = Reranker(by_code, top=5, student=1.0, trust=trust).reorder(SCORES, EVERY, NOBODY)
    assert actual[0].argmax() == first


def test_a_reader_without_preference_leaves_the_order() -> None:
    def silent(history: Histories, candidates: IntArray) -> FloatArray:
        return np.zeros(candidates.shape, np.float32)

    np.testing.assert_array_equal(Reranker(silent).reorder(SCORES, EVERY, NOBODY), SCORES)


@pytest.mark.parametrize("shape", [(0, 5), (2, 0)])
def test_where_nothing_is_asked_nothing_is_read(shape: tuple[int, int]) -> None:
    def deaf(history: Histories, candidates: IntArray) -> FloatArray:
        raise AssertionError("nobody asked")

    reader: TextScorer = deaf
    rows = Histories.of([[]] * shape[0])
    candidates = np.zeros(shape, np.int64)
    assert Reranker(reader).reorder(np.zeros(shape, np.float32), candidates, rows).shape == shape
