from __future__ import annotations

from itertools import combinations
from math import isnan, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from polyscene.metrics import lists

N_ITEMS = 7
LISTS = st.integers(1, 5).flatmap(
    lambda k: st.lists(st.lists(st.integers(-1, N_ITEMS - 1), min_size=k, max_size=k), min_size=1, max_size=8)
)


def array(rows: list[list[int]]) -> NDArray[np.int32]:
    return np.array(rows, np.int32)


@given(LISTS)
def test_exposures_and_coverage_count_what_is_listed(rows: list[list[int]]) -> None:
    flat = [item for row in rows for item in row if item >= 0]
    assert lists.exposures(array(rows), N_ITEMS).tolist() == [flat.count(i) for i in range(N_ITEMS)]
    assert lists.coverage(array(rows), N_ITEMS) == len(set(flat)) / N_ITEMS


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12))
def test_gini_is_the_mean_difference_over_twice_the_mean(counts: list[int]) -> None:
    n, total = len(counts), sum(counts)
    apart = sum(abs(a - b) for a in counts for b in counts)
    assert lists.gini(counts) == pytest.approx(apart / (2 * n * total) if total else 0.0)


def test_gini_knows_its_ends() -> None:
    assert lists.gini([3, 3, 3]) == pytest.approx(0.0)
    assert lists.gini([0] * 99 + [5]) == pytest.approx(0.99)
    assert lists.gini([]) == lists.gini([0, 0]) == 0.0
    with pytest.raises(ValueError, match="negative"):
        lists.gini([1, -1])


@given(LISTS, st.lists(st.integers(0, 50), min_size=N_ITEMS, max_size=N_ITEMS))
def test_novelty_is_the_mean_surprise(rows: list[list[int]], counts: list[int]) -> None:
    flat = [item for row in rows for item in row if item >= 0]
    surprise = [-log2((counts[i] + 1) / (sum(counts) + N_ITEMS)) for i in flat]
    novelty = lists.novelty(array(rows), counts)
    assert novelty == pytest.approx(sum(surprise) / len(surprise)) if flat else isnan(novelty)


@given(LISTS, st.integers(0, 1000))
def test_diversity_is_one_minus_the_mean_cosine_of_pairs(rows: list[list[int]], seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(N_ITEMS, 3)).astype(np.float32)
    vectors[0] = 0.0
    unit = [v / np.linalg.norm(v) if np.any(v) else v for v in vectors.astype(np.float64)]
    for row, diversity in zip(rows, lists.intra_list_diversity(array(rows), vectors), strict=True):
        pairs = [unit[a] @ unit[b] for a, b in combinations([i for i in row if i >= 0], 2)]
        assert diversity == pytest.approx(1 - np.mean(pairs), abs=1e-6) if pairs else isnan(diversity)


def test_diversity_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(3)
    rows, vectors = dice.integers(-1, 20, (50, 6), np.int32), dice.normal(size=(20, 4)).astype(np.float32)
    whole = lists.intra_list_diversity(rows, vectors)
    monkeypatch.setattr(lists, "BLOCK_NUMBERS", 100)
    np.testing.assert_array_equal(lists.intra_list_diversity(rows, vectors), whole)


def test_nothing_listed_is_decided() -> None:
    none = np.full((2, 3), -1, np.int32)
    assert lists.coverage(none, N_ITEMS) == lists.coverage(none, 0) == 0.0
    assert isnan(lists.novelty(none, [1] * N_ITEMS))
    assert np.isnan(lists.intra_list_diversity(none, np.ones((N_ITEMS, 2), np.float32))).all()
    assert len(lists.intra_list_diversity(none[:0], np.ones((N_ITEMS, 2), np.float32))) == 0


@pytest.mark.parametrize("item", [-2, N_ITEMS])
def test_unknown_items_are_refused(item: int) -> None:
    with pytest.raises(ValueError, match="items in 0 to 6"):
        lists.coverage(array([[0, item]]), N_ITEMS)
    with pytest.raises(ValueError, match="items in 0 to 6"):
        lists.intra_list_diversity(array([[0, item]]), np.ones((N_ITEMS, 2), np.float32))
