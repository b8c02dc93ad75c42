"""Requests as signals see them: of one user, of a history that belongs to nobody, of a block of users."""

from __future__ import annotations

import numpy as np

from polyscene.core.types import IntArray
from polyscene.data.queries import HISTORY_LENGTH, Histories, Queries
from polyscene.engine.decision import Request
from polyscene.engine.selection import codes_of
from polyscene.engine.state import NO_USER, ScenarioState, System


def queries_of(system: System, request: Request, state: ScenarioState) -> Queries:
    """Return a request right after everything that is known, as a batch of one.

    A history that comes with the request stands in place of the user's, its items chosen just now one after
    the other; nothing is known of what was done in other scenarios then.

    Raises:
        UnknownIdError: an item of the history is not in the catalogue.
    """
    if request.history is None:
        return system.queries(system.user(request.user, state.name), state)
    now = system.now(state)
    codes = codes_of(state.catalogue, request.history).astype(np.int32)
    count = len(codes)
    times = np.arange(now - count, now, dtype=np.int64)
    weights = np.ones(count, np.float32) if request.weights is None else np.array(request.weights, np.float32)
    past = Histories(np.array([0, count]), codes, times, weights)
    return _batch(system, state, np.array([NO_USER], np.int32), past)


def block_queries(system: System, state: ScenarioState, users: IntArray) -> Queries:
    """Return one request of each of (B,) users right after everything that is known; -1 is a stranger."""
    length = None if state.fusion.hide_seen else HISTORY_LENGTH
    here, had = state.timeline.histories(users, length), state.had.histories(users, None)
    return _batch(system, state, users, here, had)


def _batch(
    system: System, state: ScenarioState, users: IntArray, here: Histories, had: Histories | None = None
) -> Queries:
    elsewhere = {
        name: other.timeline.histories(users, HISTORY_LENGTH)
        for name, other in system.scenarios.items()
        if name != state.name
    }
    return Queries(users, np.full(len(users), system.now(state), np.int64), here, elsewhere, had)
