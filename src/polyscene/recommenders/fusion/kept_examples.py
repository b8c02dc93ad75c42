"""Examples as arrays: choices that taught a fusion, kept so that what they taught is not forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.recommenders.fusion.training import Example


def arrays_of(examples: Sequence[Example]) -> Arrays:
    """Return n examples of altogether C candidates as arrays, candidates one example after the other.

    Raises:
        ValueError: there are none.
    """
    if not examples:
        raise ValueError("expected examples to keep, found none")
    return {
        "lengths": np.array([len(one.log_weights) for one in examples], np.int64),
        "signals": np.concatenate([one.signals for one in examples], axis=1),
        "facts": np.concatenate([one.facts for one in examples]),
        "log_weights": np.concatenate([one.log_weights for one in examples]),
        "peaks": np.stack([one.peaks for one in examples]),
        "user": np.stack([one.user for one in examples]),
        "person": np.array([one.person for one in examples], np.int64),
    }


def examples_of_arrays(arrays: Arrays) -> list[Example]:
    """Return the examples that `arrays_of` made arrays of."""
    ends = np.cumsum(arrays["lengths"]).tolist()
    starts = [0, *ends[:-1]]
    return [
        Example(
            arrays["signals"][:, start:end],
            arrays["facts"][start:end],
            arrays["peaks"][row],
            arrays["user"][row],
            arrays["log_weights"][start:end],
            int(arrays["person"][row]),
        )
        for row, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
