"""Where arrays begin in memory: a compiled step for one event is handed one argument in place of many.

Handing over an array takes a tenth of a microsecond, and some steps need twenty. See `core.pointers` for the
other side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import LongArray


class Addresses:
    """The addresses and shapes of arrays, which are kept alive as long as this is.

    A copy, deep or through bytes, tells where the copied arrays lie.

    Args:
        arrays: contiguous, and writable.
        types: what the numbers of each must be, since a compiled step takes them for that unseen.

    Attributes:
        table: address and shape of each array, one after another.

    Raises:
        ValueError: an array is not contiguous, must not be written to, or is of another type.
    """

    __slots__ = ("_arrays", "_types", "table")

    def __init__(self, arrays: Sequence[NDArray[Any]], types: Sequence[type[np.generic]]) -> None:
        self._arrays, self._types = tuple(arrays), tuple(types)
        pairs = zip(self._arrays, self._types, strict=True)
        numbers = [number for array, kind in pairs for number in (address_of(array, kind), *array.shape)]
        self.table: LongArray = np.array(numbers, np.int64)

    def __reduce__(self) -> tuple[Callable[..., Addresses], tuple[Any, ...]]:
        return Addresses, (self._arrays, self._types)

    def tells(self, arrays: Sequence[NDArray[Any]]) -> bool:
        """Return whether these are the arrays, every one of them."""
        return all(map(is_, self._arrays, arrays))


def address_of(array: NDArray[Any], kind: type[np.generic]) -> int:
    """Return where a contiguous array of numbers of a type begins in memory.

    Raises:
        ValueError: it is not contiguous, must not be written to, or is of another type.
    """
    if not (array.flags.c_contiguous and array.flags.writeable and array.dtype == kind):
        raise ValueError(
            f"expected a contiguous array of {kind.__name__} that may be written to, found another, of "
            f"{array.dtype}; copy it first"
        )
    address: int = array.__array_interface__["data"][0]
    return address
