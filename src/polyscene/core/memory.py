"""Freed memory kept for what comes next, where the C library would hand every large array back at once."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_NEVER_TRIM = -1
_LARGEST_KEPT = 2**30
"""Bytes of the largest array whose memory is kept."""


def keep_freed_memory() -> bool:
    """Let the process keep the memory of freed arrays, so that the next ones need no fresh pages.

    A training makes and drops the same large arrays in every step; zeroed pages for them cost a tenth of its
    processor time. Only glibc can be told so; elsewhere nothing changes. It holds until the process ends.

    Returns:
        Whether the C library listened.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    kept = mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    return bool(kept and mallopt(_TRIM_THRESHOLD, _NEVER_TRIM))
