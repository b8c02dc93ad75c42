"""Where arrays begin in memory: a compiled step for one event is handed one argument in place of many.

Handing over an array takes a tenth of a microsecond, and some steps need twenty. See `core.pointers` for the
other side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import LongArray


class Addresses:
    """The addresses and shapes of arrays, which are kept alive as long as this is.

    A copy, deep or through bytes, tells where the copied arrays lie.

    Args:
        arrays: contiguous, and writable.

    Attributes:
        table: address and shape of each array, one after another.

    Raises:
        ValueError: an array is not contiguous, or must not be written to.
    """

    __slots__ = ("_arrays", "table")

    def __init__(self, *arrays: NDArray[Any]) -> None:
        self._arrays = arrays
        numbers = [number for array in arrays for number in (address_of(array), *array.shape)]
        self.table: LongArray = np.array(numbers, np.int64)

    def __reduce__(self) -> tuple[Callable[..., Addresses], tuple[NDArray[Any], ...]]:
        return Addresses, self._arrays

    def tells(self, first: NDArray[Any]) -> bool:
        """Return whether this is the first of the arrays."""
        return self._arrays[0] is first


def address_of(array: NDArray[Any]) -> int:
    """Return where a contiguous array begins in memory.

    Raises:
        ValueError: it is not contiguous, or must not be written to.
    """
    if not (array.flags.c_contiguous and array.flags.writeable):
        raise ValueError("expected a contiguous array that may be written to, found another; copy it first")
    address: int = array.__array_interface__["data"][0]
    return address
