"""Addresses tell where arrays lie, and those of a copy where the copied ones do."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from polyscene.core.addresses import Addresses, address_of
from polyscene.core.growing import GrowingArray


def test_a_table_holds_address_and_shape_of_each_array() -> None:
    rows, numbers = np.zeros((3, 4), np.float32), np.zeros(5, np.int64)
    types = np.float32, np.int64
    table = Addresses((rows, numbers), types).table
    assert table.tolist() == [rows.ctypes.data, 3, 4, numbers.ctypes.data, 5]
    assert Addresses((rows, numbers), types).tells((rows, numbers))
    assert not Addresses((rows, numbers), types).tells((rows, numbers.copy())), "the first is not all of them"


def test_a_copy_tells_of_the_copied_arrays() -> None:
    rows = np.zeros(3)
    copy, copied = deepcopy((Addresses([rows], [np.float64]), rows))
    assert copy.tells([copied])
    assert copy.table[0] == copied.ctypes.data != rows.ctypes.data


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4))[:, 1], np.broadcast_to(np.zeros(3), (2, 3)), np.zeros(3, np.float32)]
)
def test_what_compiled_steps_cannot_write_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected a contiguous array"):
        address_of(array, np.float64)


def test_a_growing_array_lies_elsewhere_once_it_has_grown_or_was_copied() -> None:
    start = np.zeros(2)
    growing: GrowingArray[np.float64] = GrowingArray(start)
    assert growing.address(np.float64) == growing.writable().ctypes.data != start.ctypes.data
    growing.extend(np.ones(100))
    assert growing.address(np.float64) == growing.array.ctypes.data
    copy = deepcopy(growing)
    assert copy.address(np.float64) == copy.array.ctypes.data != growing.address(np.float64)
    copy.writable()[0] = 7.0
    assert copy.array[0] == 7.0
    assert growing.array[0] == 0.0
