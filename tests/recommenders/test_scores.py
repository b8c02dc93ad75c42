"""What a prepared signal answers, against the whole of its scores."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.growing import POOL, Largest
from polyscene.core.settings.index import IndexSettings
from polyscene.core.types import FloatArray, LongArray
from polyscene.recommenders.scores import MANY, DenseScores, NoScores, SharedScores, VectorScores, best_open
from polyscene.representation.index_choice import EXACT, index_over
from polyscene.representation.index_clusters import ClusterIndex
from polyscene.representation.index_exact import ExactIndex


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
    for index in (None, ExactIndex(items), ClusterIndex(items)):
        np.testing.assert_allclose(VectorScores(users, items, index, 0.25).peaks(), [-0.25, 0.25])
    empty = VectorScores(users, np.zeros((0, 2), np.float32))
    assert empty.peaks().tolist() == [0.0, 0.0]


def test_one_without_a_profile_is_put_nothing_forward() -> None:
    scores = VectorScores(np.zeros((1, 4), np.float32), random(9, 4))
    assert scores.best(0, 3, np.zeros(9, bool)).tolist() == []


def test_to_one_without_a_profile_all_items_are_alike_without_being_read() -> None:
    items = np.full((9, 4), np.nan, np.float32)  # whoever reads them says so
    users = np.array([[0, 0, 0, 0], [1, 0, 0, 0]], np.float32)
    scores = VectorScores(users, items, ClusterIndex(random(9, 4)), 0.5).at(np.array([[8, 1], [8, 1]]))
    assert scores[0].tolist() == [0.5, 0.5]
    assert np.isnan(scores[1]).all()


def test_a_signal_without_anything_to_say_puts_nothing_forward() -> None:
    scores = NoScores(2, 5)
    np.testing.assert_array_equal(scores.whole(), np.zeros((2, 5), np.float32))
    np.testing.assert_array_equal(scores.at(np.array([[4, 0, 1]] * 2)), np.zeros((2, 3), np.float32))
    assert scores.best(1, 3, np.zeros(5, bool)).tolist() == []
    assert scores.peaks().tolist() == [0.0, 0.0]


@pytest.mark.parametrize("peaks_first", [False, True])
def test_with_an_index_the_best_are_nearly_all_found_whatever_was_asked_before(peaks_first: bool) -> None:
    topics = random(50, 8, seed=2)[np.random.default_rng(2).integers(0, 50, EXACT + 1000)]
    items = topics + np.float32(0.3) * random(EXACT + 1000, 8)
    users = random(10, 8, seed=3)
    scores, closed = VectorScores(users, items, ClusterIndex(items)), np.zeros(len(items), bool)
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
    index, closed = index_over(items, IndexSettings()), np.arange(n_items) % 3 == 0
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


def test_up_to_the_size_scores_are_the_product_with_every_item_bit_for_bit() -> None:
    items, users = random(EXACT, 16), random(3, 16, seed=3)
    closed = np.arange(EXACT) % 7 == 0
    scores = VectorScores(users, items, index_over(items, IndexSettings()), 0.25)
    product = users @ items.T
    np.testing.assert_array_equal(scores.whole(), product + np.float32(0.25))
    candidates = np.array([[0, EXACT - 1], [3, 3], [5, 1]])
    np.testing.assert_array_equal(scores.at(candidates), np.take_along_axis(scores.whole(), candidates, 1))
    np.testing.assert_array_equal(scores.peaks(), product.max(axis=1) + np.float32(0.25))
    for row in range(3):
        open_ = np.flatnonzero(~closed)
        expected = open_[np.argsort(-product[row, open_])[:50]]
        assert set(scores.best(row, 50, closed).tolist()) == set(expected.tolist())


@pytest.mark.parametrize("requests", [1, MANY])
@pytest.mark.parametrize("open_items", [0, 3, 40])
def test_filters_that_close_nearly_everything_leave_no_answer_short(requests: int, open_items: int) -> None:
    """What is open lies far away from the request: the search goes on until it is there."""
    items = random(EXACT + 500, 8)
    users = np.tile(random(1, 8, seed=3), (requests, 1))
    closed = np.ones(len(items), bool)
    closed[np.argsort(items @ users[0])[:open_items]] = False
    scores = VectorScores(users, items, ClusterIndex(items))
    best = scores.best(0, 20, closed)
    expected = np.argsort(items @ users[0])[:open_items][::-1][:20]
    assert sorted(best.tolist()) == sorted(expected.tolist())
    candidates = np.tile(np.arange(30), (requests, 1))
    np.testing.assert_allclose(scores.at(candidates), scores.whole()[:, :30], rtol=1e-4, atol=1e-5)


def test_nobody_looks_further_than_is_needed() -> None:
    class Noting(ClusterIndex):
        def near(self, query: FloatArray, wanted: int) -> tuple[LongArray, FloatArray]:
            wants.append(wanted)
            return super().near(query, wanted)

    wants: list[int] = []
    items, users = random(EXACT + 500, 8), random(1, 8, seed=3)
    closed = np.arange(len(items)) % 2 == 0
    assert len(VectorScores(users, items, Noting(items)).best(0, 20, closed)) == 20
    assert wants == [20]
