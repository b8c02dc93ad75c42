from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core import growing
from polyscene.core.growing import GrowingArray, Largest, largest

Changes = list[tuple[str, int]]
changes = st.lists(st.tuples(st.sampled_from(["extend", "put", "write"]), st.integers(0, 9)), max_size=30)


@given(start=st.integers(0, 5), steps=changes)
def test_it_holds_what_was_put_into_it_and_leaves_its_source_alone(start: int, steps: Changes) -> None:
    source = np.arange(start, dtype=np.float32)
    array, expected = GrowingArray(source), source.tolist()
    for place, (what, number) in enumerate(steps):
        if what == "extend":
            values = [float(place)] * number
            array.extend(np.array(values, np.float32))
            expected += values
        elif expected and what == "put":
            array.put(np.array([number % len(expected)]), np.array([-1.0], np.float32))
            expected[number % len(expected)] = -1.0
        elif expected:
            array.writable()[number % len(expected)] += 2.0
            expected[number % len(expected)] += 2.0
        assert array.array.tolist() == expected
        assert len(array) == len(expected)
    assert array.array.dtype == np.float32
    assert source.tolist() == list(range(start))


def test_rows_may_have_several_numbers() -> None:
    array = GrowingArray(np.zeros((0, 3), np.int64))
    array.extend(np.arange(6).reshape(2, 3))
    array.extend(np.zeros((0, 3), np.int64))
    array.put(np.array([0]), np.array([[7, 8, 9]]))
    assert array.array.tolist() == [[7, 8, 9], [3, 4, 5]]


def test_growing_row_by_row_seldom_copies() -> None:
    array: GrowingArray[np.int64] = GrowingArray(np.zeros(0, np.int64))
    spaces = set()
    for row in range(5000):
        array.extend(np.array([row]))
        spaces.add(array.array.ctypes.data)
    assert len(spaces) < 40
    assert array.array.tolist() == list(range(5000))


def test_a_view_shows_what_changes_in_place() -> None:
    array = GrowingArray(np.zeros(3))
    array.writable()  # its own from here on
    view = array.array
    array.put(np.array([1]), np.array([5.0]))
    assert view.tolist() == [0.0, 5.0, 0.0]


def top(values: np.ndarray, most: int) -> list[float]:
    largest: list[float] = np.sort(values)[::-1][:most].tolist()
    return largest


@given(seed=st.integers(0, 100), steps=st.lists(st.integers(0, 30), max_size=12))
def test_the_largest_stay_known_while_numbers_grow_and_come(seed: int, steps: list[int]) -> None:
    generator = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "POOL", 8)
        values, order = generator.integers(0, 20, 20).astype(float), Largest()
        for step in steps:
            for _ in range(step % 12):
                row = int(generator.integers(len(values) + 1))
                if row == len(values):
                    values = np.append(values, 0.0)
                values[row] += float(generator.integers(1, 20))
                order.changed(row)
            if step > 25:
                values = generator.permutation(values)
                order.reset()
            rows = order.ordered(values)
            assert len(set(rows.tolist())) == len(rows) == 8
            assert values[rows].tolist() == top(values, 8)


def test_of_few_numbers_all_are_ordered() -> None:
    assert Largest().ordered(np.array([1.0, 3.0, 2.0])).tolist() == [1, 2, 0]
    assert Largest().ordered(np.zeros(0)).tolist() == []


@pytest.mark.parametrize("most", [1, 3, 5, 9])
def test_largest_names_the_rows_of_the_largest(most: int) -> None:
    values = np.array([4, 1, 5, 2, 3])
    assert sorted(values[largest(values, most)].tolist(), reverse=True) == top(values, most)
