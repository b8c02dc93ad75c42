"""Two groups of items, each tied to a person of its own, and one that is tied to nothing."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.data.links import KnowledgeGraph
from polyscene.representation.graph import (
    graph_vectors,
    named_ties,
    neighbours_of_items,
    rarity,
    readable,
)

NAMES = ("f0", "f1", "f2", "f3", "f4", "f5", "Ann Lee", "Bo Kim", "m.01", "lonely")
TIES = [(0, 6), (1, 6), (2, 6), (3, 7), (4, 7), (5, 7), *((film, 8) for film in range(6)), (0, 9)]


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    head, tail = np.array(TIES, np.int32).T
    of_item = np.array([0, 1, 2, 3, 4, 5, -1], np.int32)
    return KnowledgeGraph(NAMES, ("is",), head, np.zeros(len(head), np.int32), tail, of_item)


def test_neighbours_are_what_a_triple_ties_whichever_way(graph: KnowledgeGraph) -> None:
    near = neighbours_of_items(graph).todense()
    assert np.flatnonzero(near[0]).tolist() == [6, 8, 9]
    assert not near[6].any()
    turned = KnowledgeGraph(
        graph.entities, graph.relations, graph.tail, graph.relation, graph.head, graph.of_item
    )
    np.testing.assert_array_equal(neighbours_of_items(turned).todense(), near)


def test_what_all_or_one_have_tells_nothing(graph: KnowledgeGraph) -> None:
    rare = rarity(neighbours_of_items(graph))
    assert rare[6] == pytest.approx(np.log(7 / 4), rel=1e-6)
    assert rare[8] == pytest.approx(0.0)
    assert rare[9] == 0.0


@pytest.mark.parametrize("far", [0.0, 0.5])
def test_items_of_one_person_lie_together(graph: KnowledgeGraph, far: float) -> None:
    vectors = graph_vectors(graph, 4, far, seed=1)
    assert vectors.shape == (7, 4)
    cosines = vectors @ vectors.T
    for group in ([0, 1, 2], [3, 4, 5]):
        assert cosines[np.ix_(group, group)].min() > 0.5
    assert cosines[:3, 3:6].max() < 0.0
    assert not vectors[6].any()
    np.testing.assert_array_equal(vectors, graph_vectors(graph, 4, far, seed=1))


def test_the_second_step_ties_what_the_first_does_not() -> None:
    """Films 0 and 1 have different actors, of one company; film 2's actor is of another."""
    names = ("f0", "f1", "f2", "f3", "a0", "a1", "a2", "c0", "c1")
    head, tail = np.array([(0, 4), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 8)], np.int32).T
    of_item = np.arange(4, dtype=np.int32)
    graph = KnowledgeGraph(names, ("is",), head, np.zeros(len(head), np.int32), tail, of_item)
    vectors = graph_vectors(graph, 4, 0.5, seed=0)
    assert vectors[0] @ vectors[1] > 0.2 > vectors[0] @ vectors[2]


def test_a_graph_that_ties_no_item_gives_no_vectors(graph: KnowledgeGraph) -> None:
    nobody = KnowledgeGraph(
        graph.entities, graph.relations, graph.head, graph.relation, graph.tail, np.full(3, -1, np.int32)
    )
    np.testing.assert_array_equal(graph_vectors(nobody, 4, 0.5, seed=0), np.zeros((3, 4)))


def test_only_readable_names_of_what_several_share_are_kept(graph: KnowledgeGraph) -> None:
    names, kept = named_ties(graph, most=12)
    assert names == ["Ann Lee", "Bo Kim"]
    assert [codes.tolist() for codes in kept] == [[0]] * 3 + [[1]] * 3 + [[]]


@pytest.mark.parametrize("name", ["m.04ctbw8", "/m/0x1", "Q42", "17", "http://a.b/c", "dbr:Lamp", "tt0012"])
def test_codes_are_not_readable(name: str) -> None:
    assert not readable(name)


@pytest.mark.parametrize("name", ["Tom Hanks", "Drama", "2001: A Space Odyssey", "映画"])
def test_names_are_readable(name: str) -> None:
    assert readable(name)
