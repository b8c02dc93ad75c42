"""What a prepared signal answers, against the whole of its scores."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.growing import POOL, Largest
from polyscene.core.types import FloatArray, LongArray
from polyscene.recommenders.scores import MANY, DenseScores, SharedScores, VectorScores, best_open
from polyscene.representation.index import EXACT, VectorIndex


def random(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_dense_scores_put_forward_only_what_they_know_of() -> None:
    matrix = np.array([[0.5, 0.0, -1.0, 2.0]], np.float32)
    nothing = np.zeros(4, bool)
    assert set(DenseScores(matrix).best(0, 3, nothing)) == {0, 1, 3}
    assert set(DenseScores(matrix, positive=True).best(0, 3, nothing)) == {0, 3}
    assert DenseScores(matrix).best(0, 1, np.array([False, False, False, True])).tolist() == [0]
    assert DenseScores(matrix).peaks().tolist() == [2.0]
    assert DenseScores(np.zeros((2, 0), np.float32)).peaks().tolist() == [0.0, 0.0]


def shared(strength: FloatArray, requests: int = 2) -> SharedScores:
    def scored(items: LongArray) -> FloatArray:
        return strength[items]

    return SharedScores(requests, Largest(), strength, scored)


@pytest.mark.parametrize("n_items", [5, 3 * POOL])
@pytest.mark.parametrize("most", [1, 4, POOL + 10])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_shared_scores_know_the_best_however_much_is_closed(n_items: int, most: int, share: float) -> None:
    """Where all of those in order are closed, the others are looked through."""
    strength = random(n_items)
    closed = np.zeros(n_items, bool)
    closed[np.argsort(-strength)[: int(share * min(n_items, POOL))]] = True
    scores = shared(strength)
    best = scores.best(1, most, closed)
    open_ = np.flatnonzero(~closed)
    expected = open_[np.argsort(-strength[open_])[:most]]
    assert set(best.tolist()) == set(expected.tolist())
    assert scores.peaks().tolist() == [strength.max()] * 2
    np.testing.assert_array_equal(scores.whole(), [strength, strength])


def test_shared_scores_of_nothing() -> None:
    scores = shared(np.zeros(0, np.float32))
    assert scores.whole().shape == (2, 0)
    assert scores.peaks().tolist() == [0.0, 0.0]
    assert scores.best(0, 3, np.zeros(0, bool)).tolist() == []


@pytest.mark.parametrize("offset", [0.0, -1.5])
def test_vector_scores_are_inner_products_and_an_offset(offset: float) -> None:
    users, items = random(3, 4), random(9, 4, seed=1)
    scores = VectorScores(users, items, None, offset)
    np.testing.assert_allclose(scores.whole(), users @ items.T + offset, rtol=1e-5)
    candidates = np.array([[0, 8], [3, 3], [5, 1]])
    for ask_first in (False, True):
        if ask_first:
            scores.best(1, 2, np.zeros(9, bool))
        expected = np.take_along_axis(scores.whole(), candidates, axis=1)
        np.testing.assert_allclose(scores.at(candidates), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(scores.peaks(), scores.whole().max(axis=1), rtol=1e-5)


def test_the_peak_of_one_who_likes_nothing_is_below_zero() -> None:
    users = np.array([[1.0, 1.0], [0.0, 0.0]], np.float32)
    items = np.array([[-1.0, -2.0], [-0.5, 0.0]], np.float32)
    for index in (None, VectorIndex(items)):
        np.testing.assert_allclose(VectorScores(users, items, index, 0.25).peaks(), [-0.25, 0.25])
    empty = VectorScores(users, np.zeros((0, 2), np.float32))
    assert empty.peaks().tolist() == [0.0, 0.0]


def test_one_without_a_profile_is_put_nothing_forward() -> None:
    scores = VectorScores(np.zeros((1, 4), np.float32), random(9, 4))
    assert scores.best(0, 3, np.zeros(9, bool)).tolist() == []


@pytest.mark.parametrize("peaks_first", [False, True])
def test_with_an_index_the_best_are_nearly_all_found_whatever_was_asked_before(peaks_first: bool) -> None:
    topics = random(50, 8, seed=2)[np.random.default_rng(2).integers(0, 50, EXACT + 1000)]
    items = topics + np.float32(0.3) * random(EXACT + 1000, 8)
    users = random(10, 8, seed=3)
    scores, closed = VectorScores(users, items, VectorIndex(items)), np.zeros(len(items), bool)
    if peaks_first:
        np.testing.assert_allclose(scores.peaks(), scores.whole().max(axis=1), rtol=0.05)
    hits = []
    for row in range(10):
        best, exact = scores.best(row, 200, closed), np.argsort(-scores.whole()[row])[:200]
        assert len(best) == 200
        hits.append(np.isin(exact, best).mean())
    assert np.mean(hits) > 0.9


def test_the_best_open_are_those_with_the_largest_scores() -> None:
    items, scores = np.array([7, 2, 5, 9]), np.array([1.0, 4.0, 3.0, 2.0], np.float32)
    closed = np.zeros(10, bool)
    closed[2] = True
    assert set(best_open(items, scores, 2, closed).tolist()) == {5, 9}
    assert set(best_open(items, scores, 9, closed).tolist()) == {7, 5, 9}
    assert best_open(items[:0], scores[:0], 2, closed).tolist() == []


@pytest.mark.parametrize("n_items", [40, EXACT + 500])
def test_many_requests_are_answered_as_each_alone(n_items: int) -> None:
    """A block is compared in one product; candidates, scores and peaks stay those of one request."""
    items, users = random(n_items, 8), random(MANY, 8, seed=3)
    users[2] = 0.0
    index, closed = VectorIndex(items), np.arange(n_items) % 3 == 0
    many = VectorScores(users, items, index, 0.5)
    best = [many.best(row, 20, closed) for row in range(MANY)]
    candidates = np.tile(np.arange(1, 30, dtype=np.int32), (MANY, 1))
    at, peaks = many.at(candidates), many.peaks()
    for row in range(MANY):
        alone = VectorScores(users[row : row + 1], items, index, 0.5)
        assert sorted(best[row]) == sorted(alone.best(0, 20, closed))
        np.testing.assert_allclose(at[row], alone.at(candidates[:1])[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(peaks[row], alone.peaks()[0], rtol=1e-5)
    assert len(best[2]) == 0
    assert peaks[2] == 0.5
