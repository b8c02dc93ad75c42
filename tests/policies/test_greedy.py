from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.policies.greedy import Greedy

scores_of = st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0]), max_size=60)


@given(scores=scores_of, size=st.integers(1, 10))
def test_it_takes_the_best_in_order_and_of_equals_the_first(scores: list[float], size: int) -> None:
    array = np.array(scores, np.float32)
    places, propensities = Greedy().choose(array, size)
    order = [place for place in np.argsort(-array, kind="stable") if array[place] > -np.inf]
    assert places.tolist() == order[:size]
    assert propensities.tolist() == [1.0] * len(places)
    assert propensities.dtype == np.float32


def test_it_takes_no_more_than_there_is() -> None:
    places, _ = Greedy().choose(np.array([1.0, -np.inf, 3.0], np.float32), 5)
    assert places.tolist() == [2, 0]
    assert Greedy().choose(np.zeros(0, np.float32), 3)[0].tolist() == []


@pytest.mark.parametrize(
    ("slate", "expected"), [([1, 2], [1, 1]), ([2, 1], [0, 0]), ([1, 0], [1, 0]), ([1], [1])]
)
def test_it_puts_an_item_where_it_stands_in_the_order_and_nowhere_else(
    slate: list[int], expected: list[int]
) -> None:
    scores = np.array([0.5, 3.0, 2.0], np.float32)
    assert Greedy().probability(scores, np.array(slate)).tolist() == expected


def test_chance_changes_nothing() -> None:
    scores = np.random.default_rng(0).normal(size=100).astype(np.float32)
    one = Greedy().choose(scores, 5, np.random.default_rng(1))[0]
    np.testing.assert_array_equal(one, Greedy().choose(scores, 5)[0])


def test_a_slate_longer_than_what_is_possible_has_no_chance_at_its_end() -> None:
    scores = np.array([1.0, 2.0, -np.inf], np.float32)
    assert Greedy().probability(scores, np.array([1, 0, 2])).tolist() == [1.0, 1.0, 0.0]
    assert Greedy().probability(scores[[0, 2]], np.array([0, 0])).tolist() == [1.0, 0.0]
