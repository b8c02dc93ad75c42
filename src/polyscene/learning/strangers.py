"""People of whom nothing or little is known, for a fusion that would meet none of them while it learns.

Where every user's events are split by their order, each choice has a history behind it, often a long one, and
the fusion would never learn what to show to somebody without, or after a first click. A share of its choices
is therefore learned a second time as if nothing was known here of who made them, and a share as if only their
latest few events were; of every other one not even what they did elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polyscene.core.types import BoolArray, LongArray
from polyscene.data.queries import Choices, Histories, Queries

ENOUGH_SHARE = 0.05
"""Where so many of the choices are made by people without a history, or with a short one, these teach it."""
FEW_EVENTS = 3
"""A history of at most so many events is short."""
NOBODY = -1


def strangers(choices: Choices, share: float, draws: np.random.Generator) -> Choices:
    """Return some choices as if people without a history had made them; none where enough were.

    Args:
        choices: that a fusion learns from, some.
        share: how many of them are returned.
    """
    drawn = _drawn(choices, choices.queries.history.lengths == 0, share, draws)
    return Choices(_unknown(drawn.queries, Histories.of([[]] * len(drawn))), drawn.target)


def newcomers(choices: Choices, share: float, draws: np.random.Generator) -> Choices:
    """Return some choices as if people had made them who have 1 to 3 events; none where enough were.

    What is left out of a history counts as had, so that it is no candidate where it was none.
    """
    lengths = choices.queries.history.lengths
    drawn = _drawn(choices, (lengths > 0) & (lengths <= FEW_EVENTS), share, draws)
    known = draws.integers(1, FEW_EVENTS + 1, len(drawn))
    short = shortened(drawn.queries, known)
    return Choices(replace(_unknown(short, short.history), had=short.had), drawn.target)


def shortened(queries: Queries, lengths: LongArray) -> Queries:
    """Return requests of which the latest (B,) events are known; what came before them was had."""
    past, had = queries.history, queries.had
    older = past.ages >= np.repeat(lengths, past.lengths)
    dropped = past.without(~older)
    return replace(queries, history=past.without(older), had=dropped if had is None else dropped.joined(had))


def _drawn(choices: Choices, alike: BoolArray, share: float, draws: np.random.Generator) -> Choices:
    """Return a share of the choices; none where enough of them are (B,) alike already."""
    count = 0 if np.mean(alike) >= ENOUGH_SHARE else int(share * len(choices))
    return choices.pick(np.sort(draws.choice(len(choices), count, replace=False)))


def _unknown(queries: Queries, history: Histories) -> Queries:
    """Return requests of people of whom a history is known here, and half of the time nothing elsewhere."""
    every_other = np.arange(len(queries)) % 2 == 0
    elsewhere = {name: past.emptied(every_other) for name, past in queries.elsewhere.items()}
    return Queries(np.full(len(queries), NOBODY, np.int32), queries.time, history, elsewhere)
