"""How fast taste fades: how much an older event still tells of what a person chooses next.

In some places the last thing counts alone, in others a year of habits. It is measured on what people chose,
by the vectors that predict it.
"""

from __future__ import annotations

import numpy as np

from polyscene.core.seeds import generator
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories, Timeline
from polyscene.data.schema import Clock, EventLog
from polyscene.data.splits.repeats import repeated
from polyscene.metrics.ranking import Values, mid_ranks, ndcg
from polyscene.representation.items import unit
from polyscene.representation.users import taste

DECAYS = (0.3, 0.5, 0.65, 0.8, 0.9, 0.97)
DEFAULT_DECAY = 0.8
"""Where too little was chosen to tell."""
MIN_CHOICES = 50
MAX_CHOICES, FEW_CHOICES = 6000, 500
SCORES = 75_000_000
"""Between `FEW_CHOICES` and `MAX_CHOICES` choices are asked, so many that about these scores are compared."""
LATEST_SHARE = 0.1
CUTOFF = 20
BLOCK = 256
SAMPLED = 8
"""One of so many items is looked at first: it tells which targets stand far below the cutoff."""
VAIN_SHARE = 0.25
"""Where more blocks than this share could not be told so, the others are compared whole."""
ROUNDING = 1e-5
"""Cosines nearer to each other may change places where they are computed in another order."""


def history_decay(log: EventLog, n_users: int, clock: Clock, vectors: FloatArray, seed: int) -> float:
    """Return the decay per event under which choices stand highest, out of `DECAYS`.

    Highest by NDCG@20 over the whole catalogue, without what the person had where nobody chooses anything
    twice. The choices are drawn from the latest tenth, or from all where times only order one user's events.

    Args:
        log: the events that count, ordered by time.
        n_users: of the numbering.
        clock: whether times are moments or positions.
        vectors: (n_items, d) unit vectors; a zero row tells nothing. Vectors that have learned these very
            choices would tell of what they know by heart.
        seed: of the draw.
    """
    chosen, history = _choices(log, n_users, clock, len(vectors), seed)
    has_text = np.any(vectors != 0, axis=1)
    has_history = np.bincount(history.rows, has_text[history.items], minlength=len(history)) > 0
    usable = np.flatnonzero(has_text[chosen] & has_history)
    if len(usable) < MIN_CHOICES:
        return DEFAULT_DECAY
    once = not repeated(log)
    return max(DECAYS, key=lambda decay: _worth(chosen[usable], history.pick(usable), vectors, decay, once))


def _choices(
    log: EventLog, n_users: int, clock: Clock, n_items: int, seed: int
) -> tuple[IntArray, Histories]:
    """Draw choices, and what their users had done strictly before."""
    most = max(FEW_CHOICES, min(MAX_CHOICES, SCORES // max(n_items, 1)))
    rows: LongArray = np.arange(len(log))
    if clock == "time":
        rows = rows[-max(int(len(log) * LATEST_SHARE), most) :]
    draws = generator(
        seed, "fading"
    )  # as earlier versions call this stream: a seed keeps giving the same run
    rows = np.sort(draws.choice(rows, min(most, len(rows)), replace=False))
    return log.item[rows], Timeline(log, n_users).before(log.user[rows], log.time[rows])


def _worth(chosen: IntArray, history: Histories, vectors: FloatArray, decay: float, once: bool) -> float:
    total, vain = 0.0, 0
    sample = np.ascontiguousarray(vectors[::SAMPLED])
    for start in range(0, len(chosen), BLOCK):
        past = history.take(start, min(start + BLOCK, len(chosen)))
        target = chosen[start : start + BLOCK]
        profiles = unit(taste(past, vectors, decay))
        ranks = None
        if vain * BLOCK <= VAIN_SHARE * start:  # else too many items say the same
            ranks = _ranks_of_contenders(profiles, vectors, sample, target, past if once else None)
        if ranks is None:
            vain += 1
            scores = profiles @ vectors.T  # (b, n_items)
            if once:
                _leave_out(scores, past, target)
            ranks = mid_ranks(scores, target)
        total += float(ndcg(ranks, CUTOFF).sum())
    return total / len(chosen)


def _ranks_of_contenders(
    profiles: FloatArray, vectors: FloatArray, sample: FloatArray, target: IntArray, had: Histories | None
) -> Values | None:
    """Return (b,) ranks, infinity beyond the cutoff; None where rounding could decide one.

    Most targets stand far below the cutoff, as a sample of the items shows already; only the others are
    compared with all items. A product of other rows may round otherwise.

    Args:
        profiles: (b, d) unit or zero rows.
        vectors: (n_items, d) unit or zero rows.
        sample: (m, d) every `SAMPLED`th of them.
        target: (b,) items.
        had: what to leave out, beside the targets.
    """
    own = np.einsum("bd,bd->b", profiles, vectors[target])
    above = profiles @ sample.T > own[:, None] + ROUNDING  # (b, m)
    if had is not None:
        sampled = had.items % SAMPLED == 0
        above[had.rows[sampled], had.items[sampled] // SAMPLED] = False
    near = np.flatnonzero(above.sum(axis=1) < CUTOFF)
    ranks = np.full(len(target), np.inf)
    scores = profiles[near] @ vectors.T  # (c, n_items)
    own = scores[np.arange(len(near)), target[near]]
    if had is not None:
        _leave_out(scores, had.pick(near), target[near])
    ranks[near] = 1.0 + (scores > own[:, None] + ROUNDING).sum(axis=1)
    level = (scores >= own[:, None] - ROUNDING).sum(axis=1) - ranks[near] + 1.0  # with the target itself
    return ranks if np.all((level == 1.0) | (ranks[near] > CUTOFF)) else None


def _leave_out(scores: FloatArray, had: Histories, target: IntArray) -> None:
    """Put what people had behind everything, but for the targets."""
    rows = np.arange(len(had))
    own = scores[rows, target]
    scores[had.rows, had.items] = -np.inf
    scores[rows, target] = own
