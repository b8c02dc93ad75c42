"""What suits everybody: for people of whom no signal knows anything, and behind what a signal alone says.

A personal signal has nothing to say to somebody without a past, and of most items to anybody: it leaves
them at 0, all alike. What stands first in the catalogue is no answer then; what everybody chooses is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyscene.core.types import BoolArray, FloatArray
from polyscene.recommenders.fusion.features import HISTORY, MIN_PEAK, Block

BEHIND = 1e-6
"""At most so much, in spreads of the signal, stands between items that it has nothing to say of."""


def silent(block: Block, places: Sequence[int]) -> BoolArray:
    """Return (B,) whether none of the signals at these places has anything to say to a request."""
    quiet: BoolArray = np.all(block.peaks[:, places] <= MIN_PEAK, axis=1)
    if quiet.any():
        quiet &= ~np.any(block.signals[:, places], axis=(1, 2))
    return quiet


def for_everybody(block: Block, popularity: int | None) -> FloatArray:
    """Return (B, C) what everybody chooses: by popularity, or by the count of events where it is not fitted.

    Args:
        popularity: its place among the block's signals; None where it is not fitted.
    """
    if popularity is not None:
        return block.signals[:, popularity]
    counts = block.item[:, :, 0]  # (B or 1, C)
    return np.broadcast_to(counts, (len(block.signals), counts.shape[1]))


def with_new_people(scores: FloatArray, block: Block, place: int, popularity: int | None) -> FloatArray:
    """Return (B, C) scores, those for people without events here by one signal alone.

    Args:
        scores: for everybody, which may be written to.
        place, popularity: as of `alone`.
    """
    new = block.user[:, HISTORY] <= 0
    if new.any():
        scores[new] = alone(block, place, popularity)[new]
    return scores


def alone(block: Block, place: int, popularity: int | None) -> FloatArray:
    """Return (B, C) scores by one signal; what it leaves at 0 is in the order of what everybody chooses.

    Args:
        place: of the signal among the block's.
        popularity: the place of popularity; see `for_everybody`.
    """
    own, liked = block.signals[:, place], np.maximum(for_everybody(block, popularity), 0.0)
    nothing = own == 0.0
    scores: FloatArray = np.where(nothing, np.float32(BEHIND) * liked / (1.0 + liked), own)
    quiet = silent(block, [place])
    if quiet.any():
        scores = np.where(quiet[:, None], liked, scores)
    return scores.astype(np.float32, copy=False)
