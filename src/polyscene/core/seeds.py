"""One seed rules a run: every random stream is derived from it by name."""

from __future__ import annotations

import hashlib

import numpy as np


def derived(seed: int, *names: str) -> int:
    """Return a 63-bit seed for the stream called `names`, the same on every machine."""
    digest = hashlib.sha256("/".join((str(seed), *names)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return numpy's generator for the stream called `names`."""
    return np.random.default_rng(derived(seed, *names))
