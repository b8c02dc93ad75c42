"""The arrays at addresses that `core.addresses` tells, inside compiled steps.

Nothing is checked: an address must be that of a living array of this type. Loading this module loads numba:
see `core.compiled`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit, types  # type: ignore[attr-defined] # it is there
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from polyscene.core.types import FloatArray, IntArray, LongArray


@intrinsic
def _pointer(context: Any, address: Any) -> Any:  # noqa: ANN401 - numba's own signature
    """Take a whole number for a pointer."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generated


pointer: Any = intrinsic(_pointer)


@njit(cache=True, nogil=True)
def floats(address: int, length: int) -> FloatArray:
    """Return (length,) numbers of single precision."""
    return carray(pointer(address), (length,), np.float32)


@njit(cache=True, nogil=True)
def doubles(address: int, length: int) -> NDArray[np.float64]:
    """Return (length,) numbers of double precision."""
    return carray(pointer(address), (length,), np.float64)


@njit(cache=True, nogil=True)
def float_rows(address: int, length: int, width: int) -> FloatArray:
    """Return (length, width) numbers of single precision."""
    return carray(pointer(address), (length, width), np.float32)


@njit(cache=True, nogil=True)
def double_rows(address: int, length: int, width: int) -> NDArray[np.float64]:
    """Return (length, width) numbers of double precision."""
    return carray(pointer(address), (length, width), np.float64)


@njit(cache=True, nogil=True)
def ints(address: int, length: int) -> IntArray:
    """Return (length,) whole numbers of 32 bits."""
    return carray(pointer(address), (length,), np.int32)


@njit(cache=True, nogil=True)
def longs(address: int, length: int) -> LongArray:
    """Return (length,) whole numbers of 64 bits."""
    return carray(pointer(address), (length,), np.int64)
