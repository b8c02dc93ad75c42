"""Products that have the same bits whoever computes them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from polyscene.core.compiled import REQUESTS_BEFORE_LOADING, kernels_for
from polyscene.core.types import FloatArray, IntArray
from polyscene.representation import products as module
from polyscene.representation.lanes import LANES
from polyscene.representation.products import KERNELS, inner_products, places

N = 600
WIDTHS = [1, 7, LANES - 1, LANES, LANES + 1, 384, 400]


def random(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def in_numpy() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "kernels_for", lambda requests, module: None)
        yield patched


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("integer", [np.int32, np.int64])
def test_numpy_and_compiled_loops_give_the_same_bits(
    width: int, integer: type, in_numpy: pytest.MonkeyPatch
) -> None:
    vectors, query = random(N, width), random(width, seed=1)
    codes: IntArray = np.random.default_rng(2).permutation(N)[:500].astype(integer)
    plain = inner_products(vectors, codes, query)
    in_numpy.undo()
    assert kernels_for(REQUESTS_BEFORE_LOADING, KERNELS) is not None
    quick = inner_products(vectors, codes, query)
    assert plain.dtype == quick.dtype == np.float32
    assert plain.tobytes() == quick.tobytes()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_order_of_summation_is_the_only_difference_from_a_product(width: int) -> None:
    vectors, query = random(N, width), random(width, seed=1)
    exact = vectors.astype(np.float64) @ query.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    assert np.all(np.abs(inner_products(vectors, np.arange(N), query) - exact) < 1e-6 * lengths)


def test_lanes_are_summed_beside_each_other_and_then_half_to_half(in_numpy: pytest.MonkeyPatch) -> None:
    """One large number swallows what is added to it, and nothing of what another lane holds."""
    vectors = np.zeros((1, 2 * LANES), np.float32)
    vectors[0, 0], vectors[0, LANES] = 2.0**24, 1.0  # one lane: 1 is lost
    vectors[0, 1], vectors[0, LANES + 1] = 1.0, 1.0  # another one: 2 is not
    ones, first = np.ones(2 * LANES, np.float32), np.array([0])
    assert inner_products(vectors, first, ones).tolist() == [2.0**24 + 2]
    in_numpy.undo()
    assert inner_products(vectors, first, ones).tolist() == [2.0**24 + 2]


def test_known_products_are_looked_up_and_the_others_computed(in_numpy: pytest.MonkeyPatch) -> None:
    vectors, query = random(9, 5), random(5, seed=1)
    codes, known = np.array([8, 2, 2, 0]), (np.array([2, 5]), np.array([70.0, 80.0], np.float32))
    for undo in (False, True):
        if undo:
            in_numpy.undo()
        for _ in range(2):  # working memory is left as it was
            actual = inner_products(vectors, codes, query, known)
            np.testing.assert_allclose(actual, [vectors[8] @ query, 70, 70, vectors[0] @ query], rtol=1e-5)


def test_nothing_asked_for_is_nothing() -> None:
    assert inner_products(random(3, 4), np.zeros(0, np.int64), random(4)).tolist() == []


def test_places_say_where_each_code_stands() -> None:
    assert places(np.array([5, 1]), np.array([1, 2, 5, 5]), 6).tolist() == [1, -1, 0, 0]
    assert places(np.array([2]), np.array([5, 1]), 6).tolist() == [-1, -1]
