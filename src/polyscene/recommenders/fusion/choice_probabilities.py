"""What the fusion's scores are worth as probabilities: that the next choice of a person is this item.

The network learns by a softmax over the catalogue, so its scores are log-odds already, if too sure or not
sure enough; a signal that is used alone has scores on a scale of its own. A temperature, measured on choices
that nothing has learned from, mends both (Guo et al., On calibration of modern neural networks, ICML 2017).
People without events in the scenario have one of their own: much less is known of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.fusion.calibration import Temperatures
from polyscene.recommenders.fusion.features import COUNT, HISTORY, Block
from polyscene.recommenders.fusion.fusion import Fusion

Probabilities = NDArray[np.float64]


def choice_scores(fusion: Fusion, block: Block) -> FloatArray:
    """Return (B, C) what answers says of a block before it is made probabilities, new items not lifted.

    A lift is for a fair place in a slate; it makes no choice likelier.
    """
    return fusion.combined(block, fusion.served.lifted(0.0))


def choice_probabilities(fusion: Fusion, queries: Queries, items: LongArray) -> Probabilities:
    """Return (B, m) how likely the next choice of each person is each of (B, m) items.

    They sum to 1 over everything that may be shown to a person; what may not has 0. For people of whom no
    signal says anything it is each item's share of all events, with one more for every item.
    """
    prepared, open_ = fusion.prepare(queries), fusion.open(queries)
    whole = fusion.reread(fusion.features.scaled(prepared, len(queries)), queries, None)
    block = fusion.features.block_of(whole, fusion.features.peaks(prepared, len(queries)), queries, None)
    temperatures = fusion.weights.temperatures or Temperatures()
    scores = choice_scores(fusion, block) / temperatures.of(block.user[:, HISTORY] <= 0)[:, None]
    silent = fusion.silent(block)
    if silent.any():
        counts = np.broadcast_to(block.item[:, :, COUNT], scores.shape)  # log(1 + events)
        scores[silent] = counts[silent]
    return np.take_along_axis(softmax(scores, open_), items, axis=1)


def softmax(scores: FloatArray, open_: BoolArray) -> Probabilities:
    """Return (B, C) the softmax over what is open, in double precision; 0 elsewhere, and where nothing is."""
    z = np.where(open_, scores.astype(np.float64), -np.inf)
    highest = z.max(axis=1, keepdims=True, initial=-np.inf)
    weights = np.exp(z - np.where(np.isfinite(highest), highest, 0.0))
    totals = weights.sum(axis=1, keepdims=True)
    shares: Probabilities = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
    return shares
