from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from polyscene.data.schema import UNKNOWN_TIME, EventLog
from polyscene.recommenders.signal import Evidence, interactions, top_per_row

MakeLog = Callable[..., EventLog]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.just(0)), max_size=10))
def test_interactions_sum_the_weights_of_a_user_and_an_item(
    make_log: MakeLog, rows: list[tuple[int, int, int]]
) -> None:
    expected = np.zeros((3, 4))
    for user, item, _ in rows:
        expected[user, item] += 1
    np.testing.assert_array_equal(interactions(make_log(rows), 3, 4).todense(), expected)


@pytest.mark.parametrize("most", [1, 2, 5, 100])
def test_the_largest_of_each_row_are_kept(most: int) -> None:
    dense = np.random.default_rng(0).uniform(0.1, 1.0, (7, 9)) * (
        np.random.default_rng(1).random((7, 9)) < 0.6
    )
    dense[3] = 0
    actual = top_per_row(sparse.csr_array(dense), most).todense()
    for row, full in zip(actual, dense, strict=True):
        kept = np.sort(full)[::-1][:most].min()
        np.testing.assert_array_equal(row, np.where(full >= kept, full, 0.0))


def test_an_item_is_born_when_it_says_or_with_its_first_event(
    make_evidence: Callable[..., Evidence],
) -> None:
    since = np.array([9, UNKNOWN_TIME, UNKNOWN_TIME])
    rows = [(0, 0, 3), (0, 1, 8), (1, 1, 5)]
    assert make_evidence(rows, 3, since=since).born.tolist() == [9, 5, UNKNOWN_TIME]


def test_events_that_weigh_nothing_do_not_count(
    make_log: MakeLog, make_evidence: Callable[..., Evidence]
) -> None:
    log = make_log([(0, 0, 0), (0, 1, 1), (0, 2, 2)], weight=[1, 0, 0.5])
    assert make_evidence(log, 3).positive.item.tolist() == [0, 2]


def test_of_equal_entries_the_first_are_kept() -> None:
    actual = top_per_row(
        sparse.csr_array(np.array([[2.0, 1.0, 3.0, 1.0, 1.0], [5.0, 0.0, 0.0, 0.0, 0.0]])), 3
    )
    np.testing.assert_array_equal(actual.todense(), [[2.0, 1.0, 3.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0, 0.0]])
