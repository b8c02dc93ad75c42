"""Links that grow, against a dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from polyscene.recommenders import links as links_module
from polyscene.recommenders.compiled import REQUESTS_BEFORE_LOADING, kernels_for
from polyscene.recommenders.links import Links, Scale
from polyscene.representation.users import Decayed

N = 6
Step = tuple[str, int, int, float]
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "replace", "clear", "grow", "matrix"]),
        st.integers(0, N - 1),
        st.integers(0, N - 1),
        st.sampled_from([0.5, 1.0, 3.0]),
    ),
    max_size=25,
)


def some(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    dense: np.ndarray = (generator.random((N, N)) * (generator.random((N, N)) < 0.4)).astype(np.float32)
    return dense


@given(seed=st.integers(0, 20), changes=steps)
def test_links_are_a_matrix_that_grows(seed: int, changes: list[Step]) -> None:
    links, dense = Links(sparse.csr_array(some(seed))), np.zeros((2 * N, 2 * N))
    dense[:N, :N] = some(seed)
    for kind, row, column, value in changes:
        row, column = (2 * place if len(links) > N else place for place in (row, column))
        if kind == "add":
            links.add([row], [column], [value])
            dense[row, column] += value
        elif kind == "replace":
            links.replace(row, np.array([column], np.int32), np.array([value], np.float32))
            dense[row], dense[row, column] = 0.0, value
        elif kind == "clear":
            links.clear(row)
            dense[row], dense[:, row] = 0.0, 0.0
        elif kind == "grow":
            links.grow(2 * N)
        else:
            links.matrix()
    n = len(links)
    assert_rows_are(links, dense[:n, :n])
    np.testing.assert_allclose(links.matrix().todense(), dense[:n, :n], rtol=1e-5, atol=1e-5)
    assert_rows_are(links, dense[:n, :n])
    again = Links.restore(links.state())
    np.testing.assert_array_equal(again.matrix().todense(), links.matrix().todense())


def assert_rows_are(links: Links, dense: np.ndarray) -> None:
    rows = np.array([*range(len(links)), 0, 0], np.int64)
    entries, expected = links.entries(rows), np.zeros((len(rows), len(links)))
    np.add.at(expected, (entries.place, entries.column), entries.value)
    np.testing.assert_allclose(expected, dense[rows], rtol=1e-5, atol=1e-5)
    for row in range(len(links)):
        columns, values = links.row(row)
        assert len(set(columns.tolist())) == len(columns)
        whole = np.zeros(len(links))
        whole[columns] = values
        np.testing.assert_allclose(whole, dense[row], rtol=1e-5, atol=1e-5)


def test_without_items_there_are_no_links() -> None:
    links = Links()
    assert len(links) == 0
    assert links.entries(np.zeros(0, np.int64)).value.tolist() == []
    assert links.matrix().shape == (0, 0)
    links.grow(2)
    assert links.entries(np.array([0, 1])).value.tolist() == []
    links.add([1], [0], [2.0])
    assert links.matrix().todense().tolist() == [[0.0, 0.0], [2.0, 0.0]]


def test_they_never_shrink_and_keep_single_precision() -> None:
    links = Links(sparse.csr_array(some(0)))
    links.grow(2)
    assert len(links) == N
    links.add([0], [1], [1.0])
    assert links.entries(np.array([0])).value.dtype == np.float32
    assert {name: array.dtype for name, array in links.state().items()} == {
        "data": np.float32,
        "indices": np.int32,
        "indptr": np.int64,
    }


@pytest.mark.parametrize("rows", [[], [3], [2, 2, 5]])
def test_entries_of_rows_stand_in_the_order_of_the_rows(rows: list[int]) -> None:
    entries = Links(sparse.csr_array(some(3))).entries(np.array(rows, np.int64))
    assert np.all(np.diff(entries.place) >= 0)
    expected = [np.flatnonzero(some(3)[row]).tolist() for row in rows]
    assert [entries.column[entries.place == place].tolist() for place in range(len(rows))] == expected


scales = st.sampled_from(
    [
        Scale(),
        Scale(factors=np.linspace(0.1, 2.0, N, dtype=np.float32)),
        Scale(norms=np.linspace(0.0, 3.0, N, dtype=np.float32), shrinkage=5.0),
    ]
)
histories = st.lists(
    st.lists(st.tuples(st.integers(0, N - 1), st.sampled_from([0.3, 0.7, 1.0])), max_size=5), max_size=4
)


def pasts(people: list[list[tuple[int, float]]]) -> Decayed:
    lengths = np.array([len(past) for past in people], np.int64)
    pairs = [pair for past in people for pair in past]
    return Decayed(
        np.concatenate([[0], np.cumsum(lengths)]),
        np.array([item for item, _ in pairs], np.int32),
        np.array([many for _, many in pairs], np.float32),
    )


@given(seed=st.integers(0, 20), people=histories, scale=scales)
def test_compiled_loops_and_numpy_give_the_same_bits(
    seed: int, people: list[list[tuple[int, float]]], scale: Scale
) -> None:
    links = Links(sparse.csr_array(some(seed)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(links_module, "kernels_for", lambda requests: None)
        plain = links.scores(pasts(people), scale)
    assert kernels_for(REQUESTS_BEFORE_LOADING) is not None
    closed = np.arange(N) == 2
    for most in (0, N):  # with the linked items noted, and without
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(links_module, "MAX_DENSE", most)
            quick = links.scores(pasts(people), scale)
        np.testing.assert_array_equal(quick.whole(), plain.whole())
        np.testing.assert_array_equal(quick.peaks(), plain.peaks())
        for row in range(len(people)):
            assert quick.best(row, 3, closed).tolist() == plain.best(row, 3, closed).tolist()


@given(seed=st.integers(0, 20), changes=st.lists(st.tuples(*[st.integers(0, N - 1)] * 2), max_size=40))
def test_scores_do_not_depend_on_when_links_came(seed: int, changes: list[tuple[int, int]]) -> None:
    live, folded = Links(sparse.csr_array(some(seed))), Links(sparse.csr_array(some(seed)))
    for links in (live, folded):
        links.add([row for row, _ in changes], [column for _, column in changes], [0.5] * len(changes))
    folded.matrix()
    past = pasts([[(1, 0.8), (3, 1.0)]])
    for scale in (Scale(), Scale(norms=np.linspace(0.1, 3.0, N, dtype=np.float32), shrinkage=5.0)):
        scores, expected = (links.scores(past, scale) for links in (live, folded))
        np.testing.assert_allclose(scores.whole(), expected.whole(), rtol=1e-6)


def test_many_more_links_than_there_was_room_for() -> None:
    n = 70
    links, pairs = Links(sparse.csr_array((n, n), dtype=np.float32)), np.arange(n * n)
    for _ in range(2):
        links.add((pairs // n).tolist(), (pairs % n).tolist(), (pairs + 1.0).tolist())
    np.testing.assert_array_equal(links.matrix().todense().ravel(), 2 * (pairs + 1.0))
