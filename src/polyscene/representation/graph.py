"""Item vectors out of a knowledge graph: what surrounds an item's entity, and what surrounds that."""

from __future__ import annotations

import re

import numpy as np
from scipy import sparse

from polyscene.core.seeds import generator
from polyscene.core.types import FloatArray, IntArray
from polyscene.data.links import KnowledgeGraph
from polyscene.representation.items import common_mean, shifted_unit

MIN_ITEMS = 2
"""An entity that fewer items touch tells nothing of what two of them share."""
SPARE, ROUNDS = 10, 4
"""Directions beside those that are kept, and how often all are turned towards the strongest."""
NOTHING = 1e-6
"""Directions this much weaker than the strongest are noise."""
_CODE = re.compile(r"\S*[./:#_]\S*|[^\W\d_]{0,2}\d+|\d+")
"""What a graph's own ids look like: `m.04ctbw8`, `Q42`, `http://…`."""


def ties(graph: KnowledgeGraph) -> sparse.csr_array:
    """Return the (entities, entities) matrix of 1 where any triple ties two, whichever way it is told."""
    both = np.concatenate([graph.head, graph.tail]), np.concatenate([graph.tail, graph.head])
    size = len(graph.entities)
    matrix = sparse.coo_array((np.ones(len(both[0]), np.float32), both), shape=(size, size)).tocsr()
    matrix.data[:] = 1.0
    return matrix


def neighbours_of_items(graph: KnowledgeGraph) -> sparse.csr_array:
    """Return the (n_items, entities) matrix of 1 for what is tied to each item's entity."""
    has_entity = graph.of_item >= 0
    chosen = sparse.csr_array(
        (
            np.ones(int(has_entity.sum()), np.float32),
            graph.of_item[has_entity],
            np.concatenate([[0], np.cumsum(has_entity)]),
        ),
        shape=(len(graph.of_item), len(graph.entities)),
    )
    return (chosen @ ties(graph)).tocsr()


def rarity(near: sparse.csr_array) -> FloatArray:
    """Return (entities,) `log((1 + n) / (1 + m))` where m of the n items with an entity touch one.

    0 where fewer than `MIN_ITEMS` do (Spärck Jones 1972).
    """
    touching = np.bincount(near.indices, minlength=near.shape[1])
    with_entity = int(np.count_nonzero(np.diff(near.indptr)))
    rare: FloatArray = np.log((1 + with_entity) / (1 + touching)).astype(np.float32)
    return np.where(touching >= MIN_ITEMS, rare, np.float32(0.0))


def graph_vectors(graph: KnowledgeGraph, width: int, far: float, seed: int) -> FloatArray:
    """Return (n_items, width) centred unit vectors; a zero row is an item of which the graph tells nothing.

    An item's features are the entities one step away, weighted by their rarity, and, as much as `far` says,
    those two steps away, each step divided among all ties; both as unit rows, reduced together by their
    strongest singular directions.

    Args:
        graph: of the scenario.
        width: numbers of a vector.
        far: how much the second step counts beside the first.
        seed: of the directions from which those are looked for.
    """
    near = neighbours_of_items(graph)
    features = _unit_rows((near @ sparse.diags_array(rarity(near))).tocsr())
    if far:
        every = ties(graph)
        degrees = np.maximum(np.diff(every.indptr), 1)
        second = _unit_rows((near @ (sparse.diags_array(1 / degrees) @ every)).tocsr())
        features = sparse.hstack([features, far * second]).tocsr()
    reduced = _reduced(features[:, np.unique(features.indices)].tocsr(), width, seed)
    reduced[np.diff(near.indptr) == 0] = 0.0
    return shifted_unit(reduced, common_mean(reduced))


def _unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    lengths = np.sqrt(np.asarray((matrix * matrix).sum(axis=1)).ravel())
    return (sparse.diags_array(1 / np.maximum(lengths, 1e-9)) @ matrix).tocsr()


def _reduced(features: sparse.csr_array, width: int, seed: int) -> FloatArray:
    """Return (n, width) rows whose inner products come nearest to those of the features.

    By subspace iteration from random directions (Halko, Martinsson, Tropp 2011, algorithm 4.4).
    """
    vectors = np.zeros((features.shape[0], width), np.float32)
    size = min(width + SPARE, *features.shape)
    if not size or not features.nnz:
        return vectors
    exact = features.astype(np.float64)
    basis = exact @ generator(seed, "graph").standard_normal((features.shape[1], size))
    for _ in range(ROUNDS):
        basis = exact @ (exact.T @ np.linalg.qr(basis)[0])
    directions = np.linalg.qr(basis)[0]  # (n, size)
    left, values, _ = np.linalg.svd((exact.T @ directions).T, full_matrices=False)
    rank = min(width, int(np.count_nonzero(values > NOTHING * values[0])))
    vectors[:, :rank] = directions @ (left[:, :rank] * values[:rank])
    return vectors


def readable(name: str) -> bool:
    """Return whether a person can read an entity's name, rather than a graph's own code of it."""
    return any(letter.isalpha() for letter in name) and _CODE.fullmatch(name) is None


def named_ties(graph: KnowledgeGraph, most: int) -> tuple[list[str], list[IntArray]]:
    """Return names of entities, and for every item which of them it is tied to: the rarest, at most so many.

    Only entities with a readable name that several items touch are there.
    """
    near = neighbours_of_items(graph)
    rare = rarity(near)
    fit = np.array([bool(rare[code] > 0) and readable(name) for code, name in enumerate(graph.entities)])
    kept: list[IntArray] = []
    for item in range(near.shape[0]):
        codes = near.indices[near.indptr[item] : near.indptr[item + 1]]
        codes = codes[fit[codes]] if len(codes) else codes
        kept.append(codes[np.argsort(-rare[codes], kind="stable")][:most])
    used = np.unique(np.concatenate([*kept, np.zeros(0, np.int32)])).astype(np.int32)
    names = [graph.entities[code] for code in used.tolist()]
    return names, [np.searchsorted(used, codes).astype(np.int32) for codes in kept]
