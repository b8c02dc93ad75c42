"""People of whom nothing is known, for a fusion that would meet none of them while it learns.

Where every user's events are split by their order, each choice has a history behind it, and the fusion would
never learn what to show to somebody without. A share of its choices is therefore learned a second time, as
if nothing was known here of who made them; of every other one not even what they did elsewhere.
"""

from __future__ import annotations

import numpy as np

from polyscene.core.types import BoolArray
from polyscene.data.queries import Choices, Histories, Queries

ENOUGH_SHARE = 0.05
"""Where so many of the choices are made by people without a history, these teach it themselves."""
NOBODY = -1


def strangers(choices: Choices, share: float, draws: np.random.Generator) -> Choices:
    """Return some choices as if people without a history had made them; none where enough were.

    Args:
        choices: that a fusion learns from, some.
        share: how many of them are returned.
    """
    without = np.mean(choices.queries.history.lengths == 0)
    count = 0 if without >= ENOUGH_SHARE else int(share * len(choices))
    drawn = choices.pick(np.sort(draws.choice(len(choices), count, replace=False)))
    return Choices(_unknown(drawn.queries), drawn.target)


def _unknown(queries: Queries) -> Queries:
    """Return requests of people of whom nothing is known here, and half of the time nothing at all."""
    count = len(queries)
    user = np.full(count, NOBODY, np.int32)
    every_other = np.arange(count) % 2 == 0
    elsewhere = {name: emptied(past, every_other) for name, past in queries.elsewhere.items()}
    return Queries(user, queries.time, Histories.of([[]] * count), elsewhere)


def emptied(past: Histories, rows: BoolArray) -> Histories:
    """Return histories of which those at (B,) True hold nothing any more."""
    lengths = np.where(rows, 0, past.lengths)
    kept = np.repeat(~rows, past.lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Histories(offsets, past.items[kept], past.times[kept], past.weights[kept])
