"""When compiled loops are worth their loading.

They save a tenth of a millisecond each time and cost half a second once (and a few seconds when this machine
compiles them for the first time): a process that answers one request does better without them.
"""

from __future__ import annotations

import sys
import threading
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

REQUESTS_BEFORE_LOADING = 64
"""From so many requests of one process on, the compiled loops are loaded."""
_KERNELS = "polyscene.recommenders.kernels"

_requests = 0
_scratch = threading.local()


def kernels_for(requests: int) -> ModuleType | None:
    """Return the compiled loops where they are loaded or worth it; None: do it in numpy.

    Args:
        requests: that are to be answered now.
    """
    global _requests
    module = sys.modules.get(_KERNELS)
    if module is None:
        _requests += requests
        module = _loaded() if _requests >= REQUESTS_BEFORE_LOADING else None
    return module


def _loaded() -> ModuleType:
    from polyscene.recommenders import kernels  # numba

    return kernels


def zeros(length: int) -> NDArray[np.float64]:
    """Return this thread's (length,) working array, which holds zeros and must hold zeros afterwards."""
    space: NDArray[np.float64] | None = getattr(_scratch, "space", None)
    if space is None or len(space) < length:
        space = _scratch.space = np.zeros(length * 3 // 2)
    return space[:length]
