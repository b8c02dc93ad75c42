"""What every kind of index promises, whatever finds the vectors; installed plug-ins are held to it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.errors import ArgumentError
from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.representation.index import NOBODY, VectorIndex
from polyscene.representation.index_choice import INDEXES, recall_of
from polyscene.representation.index_exact import ExactIndex
from polyscene.representation.items import unit

WIDTH, TOPICS, WANTED = 16, 40, 50
Kind = type[VectorIndex]


@pytest.fixture(params=list(INDEXES))
def kind(request: pytest.FixtureRequest) -> Kind:
    return INDEXES[str(request.param)]


def clustered(count: int, seed: int = 0) -> FloatArray:
    topics = np.random.default_rng(9).normal(size=(TOPICS, WIDTH))
    draws = np.random.default_rng(seed)
    rows = topics[draws.integers(0, TOPICS, count)] + 0.4 * draws.normal(size=(count, WIDTH))
    return unit(rows.astype(np.float32))


def naive(
    vectors: FloatArray, query: FloatArray, k: int, closed: BoolArray | None = None
) -> tuple[LongArray, FloatArray]:
    """Return the (m,) best codes and products by sorting everything: largest first, then by code."""
    products = vectors @ query
    codes = np.flatnonzero(np.any(vectors != 0, axis=1))
    if closed is not None:
        codes = codes[~closed[codes]]
    order = codes[np.argsort(-products[codes], kind="stable")][:k]
    return order, products[order]


def test_the_kinds_that_come_with_polyscene_are_all_held_to_this() -> None:
    assert list(INDEXES)[:4] == ["exact", "clusters", "faiss", "usearch"]
    assert [INDEXES[name].name for name in INDEXES] == list(INDEXES)


def test_answers_are_ordered_and_scored_by_the_vectors_themselves(kind: Kind) -> None:
    vectors, queries = clustered(600), clustered(5, seed=1)
    codes, scores = kind(vectors).search(queries, WANTED)
    assert codes.shape == scores.shape == (5, WANTED)
    for row, query in enumerate(queries):
        assert len(set(codes[row].tolist())) == WANTED
        np.testing.assert_allclose(scores[row], vectors[codes[row]] @ query, rtol=1e-5, atol=1e-6)
        assert np.all(np.diff(scores[row]) <= 0)


def test_nearly_all_of_the_nearest_are_found(kind: Kind) -> None:
    vectors, queries = clustered(6_000), clustered(40, seed=1)
    truth, _ = ExactIndex(vectors).search(queries, WANTED)
    answers, _ = kind(vectors).search(queries, WANTED)
    assert recall_of(answers, truth) >= 0.9


def test_more_effort_finds_no_less(kind: Kind) -> None:
    index, queries = kind(np.random.default_rng(2).normal(size=(3_000, 32)).astype(np.float32)), 30
    asked = np.random.default_rng(3).normal(size=(queries, 32)).astype(np.float32)
    truth, _ = index.best_of_all(asked, WANTED)
    before = recall_of(index.search(asked, WANTED)[0], truth)
    index.effort = 8
    assert index.effort == 8
    after = recall_of(index.search(asked, WANTED)[0], truth)
    assert after >= before
    assert after > 0.95


def test_where_fewer_are_there_than_are_wanted_all_come_and_places_stay_empty(kind: Kind) -> None:
    vectors = clustered(6)
    vectors[2] = 0.0
    codes, scores = kind(vectors).search(clustered(1, seed=1), 8)
    assert sorted(codes[0][:5].tolist()) == [0, 1, 3, 4, 5]
    assert codes[0][5:].tolist() == [NOBODY] * 3
    assert np.all(np.isneginf(scores[0][5:]))


@pytest.mark.parametrize("shape", [(0, WIDTH), (7, WIDTH)])
def test_an_index_may_start_empty_and_be_filled(kind: Kind, shape: tuple[int, int]) -> None:
    index = kind(np.zeros(shape, np.float32))
    assert len(index) == 0
    assert index.search(clustered(2), 3)[0].tolist() == [[NOBODY] * 3] * 2
    index.put(np.arange(30), clustered(30))
    assert len(index) == 30
    assert index.search(clustered(30)[[4, 9]], 1)[0].tolist() == [[4], [9]]


def test_nothing_that_is_closed_is_returned_and_no_answer_is_short_of_it(kind: Kind) -> None:
    """All but a few of the farthest are closed."""
    vectors, query = clustered(5_000), clustered(1, seed=1)[0]
    far = np.argsort(vectors @ query)[:30]
    closed = np.ones(5_000, bool)
    closed[far] = False
    codes, _ = kind(vectors).search(query[None], 30, closed)
    assert sorted(codes[0].tolist()) == sorted(far.tolist())
    few, _ = kind(vectors).search(query[None], 40, closed)
    assert sorted(few[0][:30].tolist()) == sorted(far.tolist())
    assert few[0][30:].tolist() == [NOBODY] * 10
    nobody, _ = kind(vectors).search(query[None], 3, np.ones(5_000, bool))
    assert nobody.tolist() == [[NOBODY] * 3]


def test_codes_beyond_what_the_filter_knows_are_closed(kind: Kind) -> None:
    vectors = clustered(50)
    codes, _ = kind(vectors).search(vectors[[45]], 50, np.zeros(40, bool))
    assert sorted(codes[0][:40].tolist()) == list(range(40))
    assert codes[0][40:].tolist() == [NOBODY] * 10


def test_what_is_put_is_found_where_it_is_now_and_what_is_removed_is_gone(kind: Kind) -> None:
    vectors = clustered(400)
    index = kind(vectors.copy())
    new = 3 * clustered(3, seed=5)
    index.put(np.array([7, 410, 0]), new)
    assert len(index) == 401
    assert index.search(new, 1)[0].tolist() == [[7], [410], [0]]
    index.remove(np.array([7, 399, 7, 405, 10_000, -1]))
    assert len(index) == 399
    assert not np.isin([7, 399, 405], index.search(np.concatenate([new, vectors[[399]]]), 399)[0]).any()
    index.put(np.array([0]), np.zeros((1, WIDTH), np.float32))
    assert 0 not in index.search(new[2:], 399)[0]
    assert len(index) == 398
    index.put(np.array([7]), vectors[[7]])
    assert index.search(vectors[[7]], 1)[0].tolist() == [[7]]


def test_the_vectors_that_were_given_stay_as_they_were(kind: Kind) -> None:
    vectors = clustered(50)
    before = vectors.copy()
    index = kind(vectors)
    index.put(np.array([3]), clustered(1, seed=3))
    index.remove(np.array([4]))
    np.testing.assert_array_equal(vectors, before)


def test_an_index_comes_back_from_its_state_through_a_file_of_arrays(
    kind: Kind, tmp_path_factory: pytest.TempPathFactory
) -> None:
    index, queries = kind(clustered(700)), clustered(5, seed=2)
    index.remove(np.arange(0, 700, 9))
    index.put(np.array([2, 705]), clustered(2, seed=3))
    path = tmp_path_factory.mktemp("index") / "index.safetensors"
    save_arrays(path, index.state())
    again = kind.restore(load_arrays(path))
    assert len(again) == len(index)
    for one, other in zip(index.search(queries, WANTED), again.search(queries, WANTED), strict=True):
        np.testing.assert_array_equal(one, other)
    again.put(np.array([1]), 2 * queries[:1])
    assert again.search(queries[:1], 1)[0].tolist() == [[1]]
    assert 1 not in index.search(queries[:1], 1)[0]


@pytest.mark.parametrize(
    ("codes", "shape", "words"),
    [
        ([1, 1], (2, WIDTH), "distinct codes"),
        ([-1], (1, WIDTH), "distinct codes"),
        ([1], (2, WIDTH), "give one for each"),
        ([1], (1, WIDTH + 1), "give one for each"),
    ],
)
def test_what_cannot_be_put_is_refused_and_nothing_changes(
    kind: Kind, codes: list[int], shape: tuple[int, int], words: str
) -> None:
    index = kind(clustered(20))
    with pytest.raises(ArgumentError, match=words):
        index.put(np.array(codes), np.ones(shape, np.float32))
    assert len(index) == 20
    assert index.search(clustered(20)[[1]], 1)[0].tolist() == [[1]]


def test_what_cannot_be_asked_is_refused(kind: Kind) -> None:
    index = kind(clustered(20))
    with pytest.raises(ArgumentError, match="k of at least 1"):
        index.search(clustered(1), 0)
    with pytest.raises(ArgumentError, match="queries of shape"):
        index.search(clustered(1)[0], 3)
    with pytest.raises(ArgumentError, match="queries of shape"):
        index.search(clustered(1)[:, 1:], 3)


Change = tuple[bool, list[int], int]
CHANGES = st.lists(
    st.tuples(
        st.booleans(), st.lists(st.integers(0, 60), min_size=1, max_size=8, unique=True), st.integers(0, 99)
    ),
    max_size=12,
)


@pytest.mark.parametrize("name", list(INDEXES))
@settings(max_examples=40, deadline=None)
@given(start=st.integers(0, 40), changes=CHANGES)
def test_after_any_changes_all_that_is_there_is_found_and_nothing_else(
    name: str, start: int, changes: Sequence[Change]
) -> None:
    index, vectors = INDEXES[name](clustered(start)), np.zeros((61, WIDTH), np.float32)
    vectors[:start] = clustered(start)
    for removed, codes, seed in changes:
        new = np.zeros((len(codes), WIDTH), np.float32) if removed else clustered(len(codes), seed)
        vectors[codes] = new
        if removed:
            index.remove(np.array(codes))
        else:
            index.put(np.array(codes), new)
        there = np.flatnonzero(np.any(vectors, axis=1))
        assert len(index) == len(there)
        hits = index.search(clustered(1, seed=4), 61)[0][0]
        assert sorted(hits[hits != NOBODY].tolist()) == there.tolist()
        if len(there):
            code, score = index.search(vectors[there[:1]], 1)
            assert score[0, 0] >= 1 - 1e-4
            assert code[0, 0] in there


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_exact_equals_sorting_everything(data: st.DataObject) -> None:
    """Small whole numbers, whose products are exact and often equal: ties go by code."""
    count, width = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 3))
    numbers = st.lists(st.integers(-2, 2), min_size=count * width, max_size=count * width)
    vectors = np.array(data.draw(numbers), np.float32).reshape(count, width)
    query = np.array(data.draw(st.lists(st.integers(-2, 2), min_size=width, max_size=width)), np.float32)
    closed = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
    k = data.draw(st.integers(1, 45))
    codes, scores = ExactIndex(vectors).search(query[None], k, closed)
    expected, products = naive(vectors, query, k, closed)
    assert codes[0].tolist() == expected.tolist() + [NOBODY] * (k - len(expected))
    np.testing.assert_array_equal(scores[0][: len(expected)], products)


def test_exact_equals_sorting_everything_across_blocks() -> None:
    vectors = np.random.default_rng(0).integers(-3, 4, (20_000, 4)).astype(np.float32)
    vectors[::7] = 0.0
    index, queries = ExactIndex(vectors), vectors[[1, 2, 9_999]]
    for closed in (None, np.arange(20_000) % 3 == 0):
        codes, _ = index.search(queries, 300, closed)
        for row, query in enumerate(queries):
            assert codes[row].tolist() == naive(vectors, query, 300, closed)[0].tolist()


def test_readers_beside_a_writer_see_every_change_whole(kind: Kind) -> None:
    """One vector moves between two places, and two codes are put together: never one, half or neither."""
    start = clustered(300)
    start[100:102] = 5 * start[0]
    index, here, there = kind(start), 5 * start[0], 5 * start[1]
    stopped, wrong, answers = Event(), list[object](), list[int]()

    def read() -> None:
        queries, count = np.stack([start[0], start[1]]), 0
        try:
            while not stopped.is_set() or count < 20:
                for query in queries:
                    codes, scores = index.search(query[None], 2)
                    pair = {100, 101} & set(codes[0].tolist())
                    if len(pair) == 1 and scores[0, 0] > 4:
                        wrong.append((codes, scores))
                    if NOBODY in codes:
                        wrong.append("an answer is short")
                count += 1
            answers.append(count)
        except Exception as error:  # noqa: BLE001 - told by the test
            wrong.append(error)

    readers = [Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    for number in range(150):
        index.put(np.array([100, 101]), np.tile(here if number % 2 else there, (2, 1)))
        index.put(np.array([400 + number]), clustered(1, seed=number))
        index.remove(np.array([number + 110]))
    stopped.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert len(answers) == 6
    assert len(index) == 300
