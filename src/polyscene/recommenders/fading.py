"""How fast taste fades: how much an older event still tells of what a person chooses next.

In some places the last thing counts alone, in others a year of habits. It is measured on what people chose
last, by the vectors that foretell it.
"""

from __future__ import annotations

import numpy as np

from polyscene.core.seeds import generator
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories, Timeline
from polyscene.recommenders.signal import Evidence
from polyscene.representation.items import unit
from polyscene.representation.users import taste

DECAYS = (0.3, 0.5, 0.65, 0.8, 0.9, 0.97)
USUAL = 0.8
"""Where too little was chosen to tell."""
ENOUGH = 50
MEASURED = 1000
BLOCK = 256


def fading(evidence: Evidence, vectors: FloatArray) -> float:
    """Return the decay per event under which the latest choices stand highest, out of `DECAYS`.

    Highest by the mean of `1 / log2(1 + rank)` over the whole catalogue without the person's other items.

    Args:
        evidence: its vectors are not looked at.
        vectors: (n_items, d) unit vectors; a zero row tells nothing. Vectors that have learned these very
            choices would tell of what they know by heart.
    """
    chosen, history = latest_choices(evidence, MEASURED)
    spoken = np.any(vectors != 0, axis=1)
    heard = np.bincount(history.rows, spoken[history.items], minlength=len(history)) > 0
    told = np.flatnonzero(spoken[chosen] & heard)
    if len(told) < ENOUGH:
        return USUAL
    return max(DECAYS, key=lambda decay: _worth(chosen[told], history.pick(told), vectors, decay))


def latest_choices(evidence: Evidence, most: int) -> tuple[IntArray, Histories]:
    """Return what users chose last, and after what; at most `most` of those who had a past by then.

    They are the latest, or any where times only order one user's events.
    """
    log = evidence.positive
    last = {user: row for row, user in enumerate(log.user.tolist())}
    rows: LongArray = np.array(sorted(last.values()), np.int64)
    history = Timeline(log, evidence.n_users).before(log.user[rows], log.time[rows])
    kept = np.flatnonzero(history.lengths > 0)
    if len(kept) > most and evidence.clock != "time":
        kept = np.sort(generator(evidence.seed, "latest choices").choice(kept, most, replace=False))
    kept = kept[max(len(kept) - most, 0) :]
    return log.item[rows[kept]], history.pick(kept)


def _worth(chosen: IntArray, history: Histories, vectors: FloatArray, decay: float) -> float:
    total = 0.0
    for start in range(0, len(chosen), BLOCK):
        past = history.take(start, min(start + BLOCK, len(chosen)))
        scores = unit(taste(past, vectors, decay)) @ vectors.T  # (b, n_items)
        rows = np.arange(len(past))
        target = chosen[start : start + BLOCK]
        own = scores[rows, target]
        scores[past.rows, past.items] = -np.inf
        scores[rows, target] = own
        above = (scores > own[:, None]).sum(axis=1) + (scores == own[:, None]).sum(axis=1) / 2
        total += float(np.sum(1.0 / np.log2(1.5 + above)))  # among its equals is also the choice itself
    return total / len(chosen)
