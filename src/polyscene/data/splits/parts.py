"""Which part of a split each event belongs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import BoolArray
from polyscene.data.schema import Part

Parts = NDArray[np.int8]
"""(n,) a `Part` for each event of a log."""


def mask_of(parts: Parts, *kept: Part) -> BoolArray:
    """Return (n,) True where an event belongs to one of the parts."""
    return np.isin(parts, kept)
