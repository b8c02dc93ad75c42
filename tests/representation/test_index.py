"""Clustered vectors, as texts of a few topics are."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.types import FloatArray
from polyscene.representation.index import EXACT, VectorIndex
from polyscene.representation.items import unit

TOPICS, DIMENSION, WANTED = 80, 16, 50


def clustered(count: int, seed: int = 0) -> FloatArray:
    centres = np.random.default_rng(9).normal(size=(TOPICS, DIMENSION))
    draws = np.random.default_rng(seed)
    rows = centres[draws.integers(0, TOPICS, count)] + 0.4 * draws.normal(size=(count, DIMENSION))
    return unit(rows.astype(np.float32))


def recall(index: VectorIndex, vectors: FloatArray, queries: FloatArray, wanted: int = WANTED) -> float:
    """Return the share of the nearest that are among the answers, whose products are checked."""
    shares = []
    for query in queries:
        answer = index.search(query, wanted)
        assert answer is not None
        rows, products = answer
        assert len(set(rows.tolist())) == len(rows) >= wanted
        np.testing.assert_allclose(products, vectors[rows] @ query, rtol=1e-3, atol=1e-5)
        exact = np.argsort(-(vectors @ query))[:wanted]
        shares.append(np.isin(exact, rows).mean())
    return float(np.mean(shares))


@pytest.fixture(scope="module")
def vectors() -> FloatArray:
    rows = clustered(EXACT + 4000)
    rows[::50] = 0.0
    return rows


def test_in_a_small_set_all_are_to_be_compared() -> None:
    assert VectorIndex(clustered(100)).search(clustered(1)[0], 3) is None
    assert VectorIndex(np.zeros((0, 4), np.float32)).search(np.ones(4, np.float32), 3) is None
    assert list(VectorIndex(clustered(100)).surroundings(5)) == []


def test_nearly_all_of_the_nearest_are_found(vectors: FloatArray) -> None:
    assert recall(VectorIndex(vectors), vectors, clustered(40, seed=5)) > 0.9
    assert recall(VectorIndex(vectors), vectors, clustered(10, seed=5), wanted=500) > 0.9


def test_few_are_looked_at_and_none_without_text(vectors: FloatArray) -> None:
    answer = VectorIndex(vectors).search(clustered(1, seed=5)[0], 10)
    assert answer is not None
    assert len(answer[0]) < len(vectors) / 3
    assert np.any(vectors[answer[0]], axis=1).all()


def test_a_set_of_vectors_without_text_has_no_clusters() -> None:
    assert VectorIndex(np.zeros((EXACT + 1, 3), np.float32)).search(np.ones(3, np.float32), 2) is None


def test_the_same_vectors_give_the_same_clusters(vectors: FloatArray) -> None:
    query = clustered(1, seed=6)[0]
    one, other = (VectorIndex(vectors).search(query, WANTED) for _ in range(2))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one[0], other[0])


def test_replaced_and_added_vectors_are_found_where_they_are_now(vectors: FloatArray) -> None:
    index, queries = VectorIndex(vectors), clustered(20, seed=7)
    assert recall(index, vectors, queries) > 0.9
    changed = np.sort(np.random.default_rng(1).choice(len(vectors), 800, replace=False))
    now = vectors.copy()
    now[changed] = clustered(800, seed=8)
    now[changed[::10]] = 0.0
    index.put(changed, now)
    assert recall(index, now, queries) > 0.9
    more = np.concatenate([now, clustered(600, seed=10)])
    index.put(np.arange(len(now), len(more)), more)
    assert recall(index, more, queries) > 0.9
    answer = index.search(more[-1], 5)
    assert answer is not None
    assert len(more) - 1 in answer[0]
    lost = changed[::10]
    assert not np.isin(lost, np.concatenate([np.zeros(0, np.int64), answer[0]])).any()


def test_a_vector_that_is_put_twice_stands_there_once(vectors: FloatArray) -> None:
    index = VectorIndex(vectors)
    for _ in range(3):
        index.put(np.array([1, 2]), vectors)
    assert recall(index, vectors, vectors[[1, 2]]) > 0.9


def test_a_set_that_outgrows_exact_comparison_is_clustered() -> None:
    few, many = clustered(EXACT), clustered(2 * EXACT + 1)
    index = VectorIndex(few)
    index.put(np.arange(EXACT, len(many)), many)
    assert recall(index, many, clustered(10, seed=3)) > 0.9


def test_surroundings_hold_every_item_once_and_its_nearest(vectors: FloatArray) -> None:
    owned, hits = [], []
    for own, around in VectorIndex(vectors).surroundings(2000):
        owned += own.tolist()
        assert np.all(np.diff(around) > 0)
        assert np.isin(own, around).all()
        nearest = np.argsort(-(vectors[own[:1]] @ vectors.T))[0, :10]
        hits.append(np.isin(nearest, around).mean())
    assert sorted(owned) == np.flatnonzero(np.any(vectors, axis=1)).tolist()
    assert np.mean(hits) > 0.9
