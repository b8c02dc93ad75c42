"""When compiled loops are worth their loading, and the working memory that they and numpy share.

They save a tenth of a millisecond each time and cost half a second once (and a few seconds when this machine
compiles them for the first time): a process that answers one request does better without them.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import FloatArray, LongArray

REQUESTS_BEFORE_LOADING = 64
"""From so many requests of one process on, the compiled loops are loaded."""

_requests = 0
_scratch = threading.local()


def kernels_for(requests: int, module: str) -> ModuleType | None:
    """Return a module of compiled loops where it is worth it; None: do it in numpy.

    It is where so many requests were counted, or where numba is loaded already, for events.

    Args:
        requests: that are to be answered now; 0 where another part of the request counts them.
        module: its full name.
    """
    global _requests
    _requests += requests
    if _requests < REQUESTS_BEFORE_LOADING and "numba" not in sys.modules:
        return None
    return kernels(module)


def kernels(module: str) -> ModuleType:
    """Return a module of compiled loops by its full name, faster than an import statement does."""
    return sys.modules.get(module) or import_module(module)


def zeros(length: int) -> NDArray[np.float64]:
    """Return this thread's (length,) working array, which holds zeros and must hold zeros afterwards."""
    return _working("zeros", np.float64(0.0), length)


def short_zeros(length: int) -> FloatArray:
    """Return the same of float32."""
    return _working("short_zeros", np.float32(0.0), length)


def nowhere(length: int) -> LongArray:
    """Return this thread's (length,) working array, which holds -1 and must hold -1 afterwards."""
    return _working("nowhere", np.int64(-1), length)


def _working(name: str, value: np.generic, length: int) -> NDArray[Any]:
    space: NDArray[Any] | None = getattr(_scratch, name, None)
    if space is None or len(space) < length:
        space = np.full(length * 3 // 2, value)
        setattr(_scratch, name, space)
    return space[:length]
