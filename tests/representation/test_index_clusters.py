"""Clustered vectors, as texts of a few topics are."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.types import FloatArray
from polyscene.representation.index import GROWN
from polyscene.representation.index_choice import EXACT
from polyscene.representation.index_clusters import ClusterIndex
from polyscene.representation.items import unit

TOPICS, DIMENSION, WANTED = 80, 16, 50


def clustered(count: int, seed: int = 0) -> FloatArray:
    centres = np.random.default_rng(9).normal(size=(TOPICS, DIMENSION))
    draws = np.random.default_rng(seed)
    rows = centres[draws.integers(0, TOPICS, count)] + 0.4 * draws.normal(size=(count, DIMENSION))
    return unit(rows.astype(np.float32))


def recall(index: ClusterIndex, vectors: FloatArray, queries: FloatArray, wanted: int = WANTED) -> float:
    """Return the share of the nearest that are among the answers, whose products are checked."""
    shares = []
    for query in queries:
        answer = index.near(query, wanted)
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


def test_of_nothing_there_are_no_clusters() -> None:
    assert list(ClusterIndex(np.zeros((9, 4), np.float32)).surroundings(5)) == []


def test_nearly_all_of_the_nearest_are_found(vectors: FloatArray) -> None:
    assert recall(ClusterIndex(vectors), vectors, clustered(40, seed=5)) > 0.9
    assert recall(ClusterIndex(vectors), vectors, clustered(10, seed=5), wanted=500) > 0.9


def test_few_are_looked_at_and_none_without_text(vectors: FloatArray) -> None:
    answer = ClusterIndex(vectors).near(clustered(1, seed=5)[0], 10)
    assert len(answer[0]) < len(vectors) / 3
    assert np.any(vectors[answer[0]], axis=1).all()


def test_the_same_vectors_give_the_same_clusters(vectors: FloatArray) -> None:
    query = clustered(1, seed=6)[0]
    one, other = (ClusterIndex(vectors).near(query, WANTED) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])


def test_replaced_and_added_vectors_are_found_where_they_are_now(vectors: FloatArray) -> None:
    index, queries = ClusterIndex(vectors), clustered(20, seed=7)
    assert recall(index, vectors, queries) > 0.9
    changed = np.sort(np.random.default_rng(1).choice(len(vectors), 800, replace=False))
    now = vectors.copy()
    now[changed] = clustered(800, seed=8)
    now[changed[::10]] = 0.0
    index.put(changed, now[changed])
    assert recall(index, now, queries) > 0.9
    more = np.concatenate([now, clustered(600, seed=10)])
    index.put(np.arange(len(now), len(more)), more[len(now) :])
    assert recall(index, more, queries) > 0.9
    codes, _ = index.near(more[-1], 5)
    assert len(more) - 1 in codes
    assert not np.isin(changed[::10], codes).any()


def test_a_vector_that_is_put_twice_stands_there_once(vectors: FloatArray) -> None:
    index = ClusterIndex(vectors)
    for _ in range(3):
        index.put(np.array([1, 2]), vectors[[1, 2]])
    assert recall(index, vectors, vectors[[1, 2]]) > 0.9


def test_a_set_that_outgrows_its_clusters_is_clustered_anew() -> None:
    few, many = clustered(100), clustered(GROWN * 100 + 1)
    index = ClusterIndex(few)
    index.put(np.arange(100, GROWN * 100), many[100:-1])
    assert len(list(index.surroundings(1))) == 10
    index.put(np.array([len(many) - 1]), many[-1:])
    assert len(list(index.surroundings(1))) == 20
    assert recall(index, np.concatenate([few, many[100:]]), clustered(10, seed=3)) > 0.9


def test_surroundings_hold_every_item_once_and_its_nearest(vectors: FloatArray) -> None:
    owned, hits = [], []
    for own, around in ClusterIndex(vectors).surroundings(2000):
        owned += own.tolist()
        assert np.all(np.diff(around) > 0)
        assert np.isin(own, around).all()
        nearest = np.argsort(-(vectors[own[:1]] @ vectors.T))[0, :10]
        hits.append(np.isin(nearest, around).mean())
    assert sorted(owned) == np.flatnonzero(np.any(vectors, axis=1)).tolist()
    assert np.mean(hits) > 0.9
