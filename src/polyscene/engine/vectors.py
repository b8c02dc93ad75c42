"""Items and users as vectors, for those who want to do something of their own with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from polyscene.core.columns import Vectors
from polyscene.core.errors import UnknownIdError
from polyscene.engine.requests import block_queries
from polyscene.engine.state import ScenarioState, System
from polyscene.recommenders.content import Content
from polyscene.recommenders.factors import Factors

VectorView = Literal["tuned", "prior", "common", "described", "factors"]

SIGNAL_OF_VIEW: Mapping[str, str] = {
    "tuned": "content",
    "prior": "content_prior",
    "common": "cross_scenario",
    "described": "attributes",
    "factors": "factors",
}
"""The signal whose scores are inner products of these vectors."""


def item_vectors(system: System, scenario: str | None, view: VectorView) -> Vectors:
    """Return every item's vector; a copy, zero where there is none.

    Raises:
        UnknownIdError: no such scenario, view, or no signal `factors` in it.
    """
    state = system.scenario(scenario)
    with system.lock.reading():
        ids = tuple(state.catalogue.ids[code] for code in range(len(state.catalogue)))
        if view == "factors":
            return Vectors(ids, _factors(state).items.copy())
        _demand_known(view)
        return Vectors(ids, state.space.view(view).vectors.copy())


def user_vectors(system: System, scenario: str | None, view: VectorView, users: Sequence[str]) -> Vectors:
    """Return each user's vector, as the signal of that view sees the user right now.

    Raises:
        UnknownIdError: no such scenario, view, or no signal with such vectors in it.
    """
    state = system.scenario(scenario)
    with system.lock.reading():
        codes = np.array([system.user(user, state.name) for user in users], np.int32)
        queries = block_queries(system, state, codes)
        return Vectors(tuple(users), _signal(state, view).users(queries))


def _signal(state: ScenarioState, view: str) -> Content | Factors:
    _demand_known(view)
    signal = state.fusion.present().get(SIGNAL_OF_VIEW[view])
    if not isinstance(signal, Content | Factors):
        wanted = SIGNAL_OF_VIEW[view]
        raise UnknownIdError(
            f"expected the signal '{wanted}' in scenario '{state.name}', found "
            f"{', '.join(state.fusion.present())}; take another view, or add it to 'signals' and train again"
        )
    return signal


def _factors(state: ScenarioState) -> Factors:
    signal = _signal(state, "factors")
    if not isinstance(signal, Factors):
        raise UnknownIdError(f"expected the signal 'factors' in scenario '{state.name}', found another kind")
    return signal


def _demand_known(view: str) -> None:
    if view not in SIGNAL_OF_VIEW:
        raise UnknownIdError(f"expected a view out of {', '.join(SIGNAL_OF_VIEW)}, found {view!r:.60}")
