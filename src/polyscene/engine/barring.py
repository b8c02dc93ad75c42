"""Which items may not be shown for one request, and for which cause."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from polyscene.core.types import BoolArray, IntArray, LongArray
from polyscene.engine.decision import Decision, Request
from polyscene.engine.filters import meeting
from polyscene.engine.selection import codes_of, selected


class Cause(StrEnum):
    """Why an item may not be shown, in the order in which they are looked at."""

    ABSENT = "not there yet"
    SEEN = "seen"
    BLOCKED = "blocked"
    EXCLUDED = "excluded"
    EARLIER = "shown on an earlier page"
    FILTERED = "filtered"
    UNWANTED = "not among those asked for"


class Bar(NamedTuple):
    """Items that are closed for one cause.

    Attributes:
        items: (n,) a mask, or codes.
        rule: that closes them, where one does.
    """

    cause: Cause
    items: BoolArray | IntArray | LongArray
    rule: str = ""


def bars_of(request: Request, decision: Decision) -> Iterator[Bar]:
    """Yield what closes items, cause by cause.

    Raises:
        UnknownIdError: the request names an item that is not in the catalogue.
        DataError: its filter or condition cannot be used.
    """
    state = decision.state
    catalogue = state.catalogue
    yield Bar(Cause.ABSENT, state.fusion.features.closed(decision.queries, False)[0])
    if hides_seen(request, decision):
        yield Bar(Cause.SEEN, _seen(request, decision))
    for rule, items in decision.rules.blocked():
        yield Bar(Cause.BLOCKED, items, rule)
    if request.exclude:
        yield Bar(Cause.EXCLUDED, codes_of(catalogue, request.exclude))
    if request.earlier:
        known = [catalogue.ids.get(item) for item in request.earlier]
        yield Bar(Cause.EARLIER, np.array([code for code in known if code is not None], np.int64))
    if request.filter:
        yield Bar(Cause.FILTERED, ~meeting(catalogue, request.filter))
    wanted = selected(catalogue, request.only, request.where)
    if wanted is not None:
        yield Bar(Cause.UNWANTED, ~wanted)


def hides_seen(request: Request, decision: Decision) -> bool:
    """Return whether what a user had is left out: the request's word, else the scenario's."""
    return decision.state.fusion.hide_seen if request.seen is None else request.seen == "hide"


def _seen(request: Request, decision: Decision) -> IntArray:
    """Return the items that the user had: all of them, however few the signals look at."""
    state = decision.state
    if request.history is None and not state.fusion.hide_seen:
        whole = state.timeline.history(decision.user, None), state.had.history(decision.user, None)
        return np.concatenate([past.items for past in whole])
    return decision.queries.seen()[1]


def barred(bars: list[Bar], n_items: int) -> BoolArray:
    """Return (n,) which items are closed for any cause."""
    closed = np.zeros(n_items, np.bool_)
    for bar in bars:
        closed[bar.items] = True
    return closed


def first_causes(bars: list[Bar], n_items: int) -> dict[Cause, int]:
    """Return how many items are closed for each cause; of several the first counts."""
    counts: dict[Cause, int] = {}
    closed = np.zeros(n_items, np.bool_)
    had_first = sorted(bars, key=lambda bar: bar.cause is Cause.ABSENT)  # had, and gone since: it was had
    for bar in had_first:
        now = barred([bar], n_items) & ~closed
        counts[bar.cause] = counts.get(bar.cause, 0) + int(now.sum())
        closed |= now
    return counts
