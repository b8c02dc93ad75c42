"""What a slate tells a learner: who looks where, by two models of examination."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import FloatArray, LongArray

Floats = NDArray[np.float64]


def cascade(features: Floats, slate: LongArray, clicked: FloatArray) -> tuple[Floats, Floats, Floats]:
    """Return features, rewards and weights for `update`: looked at from the top, down to the first click.

    What stands below the first click was not looked at and teaches nothing; without a click all was looked at
    (Kveton et al. 2015, Cascading bandits).

    Args:
        features: (C, d) of the candidates.
        slate: (k,) their places.
        clicked: (k,) 0 or 1.
    """
    clicks = np.flatnonzero(clicked)
    last = int(clicks[0]) + 1 if len(clicks) else len(slate)
    return features[slate[:last]], clicked[:last].astype(np.float64), np.ones(last)


def positions(
    features: Floats, slate: LongArray, clicked: FloatArray, examination: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return features, rewards and weights for `update`: place t is looked at with a known chance κ_t.

    A click has the expectation κ_t θᵀx, so κ_t x is what is regressed on (Lagrée, Vernade and Cappé 2016,
    Multiple-play bandits in the position-based model).

    Args:
        features: (C, d) of the candidates.
        slate: (k,) their places.
        clicked: (k,) 0 or 1.
        examination: (k,) κ.
    """
    seen = features[slate] * examination[: len(slate), None]
    return seen, clicked.astype(np.float64), np.ones(len(slate))
