"""Lists that are the same for everybody, or about users: what is popular, what is new, who is alike."""

from __future__ import annotations

import numpy as np

from polyscene.core.errors import UnknownIdError
from polyscene.core.types import BoolArray, FloatArray, LongArray, Recommendation
from polyscene.data.queries import Queries
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.engine.barring import barred, bars_of
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import begun
from polyscene.engine.recommending import SURE
from polyscene.engine.requests import block_queries, queries_of
from polyscene.engine.state import NO_USER, ScenarioState, System
from polyscene.policies.greedy import best_of
from polyscene.recommenders.content import Content
from polyscene.recommenders.factors import Factors

MAX_COMPARED = 50_000
"""So many users are compared with one at most, those that came last."""
USERS_AT_ONCE = 4_096


def popular(system: System, scenario: str | None, k: int) -> list[Recommendation]:
    """Return the items that are chosen most, by the signal `popularity`; without it, by how often.

    What is not there yet, and what a rule without `when` blocks, is left out.

    Raises:
        UnknownIdError: no such scenario.
    """
    state = system.scenario(scenario)
    with system.lock.reading():
        queries, closed = _for_everybody(system, state)
        signal = state.fusion.present().get("popularity")
        scores = np.log1p(state.fusion.features.counts) if signal is None else signal.score(queries)[0]
        best = best_of(np.where(closed, -np.inf, scores), k)
        facts = [None if signal is None else signal.fact(code) for code in best.tolist()]
        reasons = [
            fact or f"Chosen {int(state.fusion.features.counts[code]):,} times."
            for fact, code in zip(facts, best.tolist(), strict=True)
        ]
        return _listed(state, best, scores, reasons)


def latest(system: System, scenario: str | None, k: int) -> list[Recommendation]:
    """Return the newest items: those put since the start without a date first, then by when they appeared.

    An item appears when its table says so, else with its first event. The score is that moment, by the
    scenario's clock.

    Raises:
        UnknownIdError: no such scenario.
    """
    state = system.scenario(scenario)
    with system.lock.reading():
        queries, closed = _for_everybody(system, state)
        born = state.fusion.features.born.astype(np.float64)
        born[state.fusion.features.born == UNKNOWN_TIME] = -np.inf
        put: LongArray = np.array(sorted(set(state.catalogue.puts)), np.int64)
        undated = put[born[put] == -np.inf]
        born[undated] = float(queries.time[0])
        order = np.lexsort((-np.arange(len(born)), -born))
        best = order[(~closed & (born > -np.inf))[order]][:k]
        return _listed(state, best, born, ["It is new here." for _ in best])


def users_like(system: System, user: str, scenario: str | None, k: int) -> list[tuple[str, float]]:
    """Return the users whose vectors are most like one user's, with their cosines, best first.

    The vectors are those by which the signal `content` knows users, or `factors` where there is none. Of
    more than `MAX_COMPARED` users the last that came are compared.

    Raises:
        UnknownIdError: no such scenario or user, or neither signal.
    """
    state = system.scenario(scenario)
    with system.lock.reading():
        own = system.user(user, state.name)
        if own == NO_USER:
            raise UnknownIdError(f"expected a user who is known, found '{user}'")
        signal = _signal(state)
        first = max(len(system.users) - MAX_COMPARED, 0)
        vector = _unit(signal.users(block_queries(system, state, np.array([own], np.int32))))[0]
        cosines = np.full(len(system.users), -np.inf, np.float32)
        for start in range(first, len(system.users), USERS_AT_ONCE):
            codes = np.arange(start, min(start + USERS_AT_ONCE, len(system.users)), dtype=np.int32)
            queries = block_queries(system, state, codes)
            alike = _unit(signal.users(queries)) @ vector
            cosines[codes] = np.where(queries.history.lengths > 0, alike, -np.inf)
        cosines[own] = -np.inf
        best = best_of(cosines, k)
        prefix = f"{state.name}/"
        return [(system.users[code].removeprefix(prefix), float(cosines[code])) for code in best.tolist()]


def _for_everybody(system: System, state: ScenarioState) -> tuple[Queries, BoolArray]:
    """Return the request of a stranger, and (n,) what may be shown to nobody."""
    request = Request("", state.name, explore=False, history=())
    queries = queries_of(system, request, state)
    decision = begun(system, state, request, queries)
    return queries, barred(list(bars_of(request, decision)), len(state.catalogue))


def _listed(
    state: ScenarioState, codes: LongArray, scores: FloatArray | np.ndarray, reasons: list[str]
) -> list[Recommendation]:
    items = state.catalogue.items(codes.tolist())
    return [
        Recommendation(item, float(scores[code]), SURE, reason)
        for item, code, reason in zip(items, codes.tolist(), reasons, strict=True)
    ]


def _signal(state: ScenarioState) -> Content | Factors:
    for name in ("content", "factors"):
        signal = state.fusion.present().get(name)
        if isinstance(signal, Content | Factors):
            return signal
    raise UnknownIdError(
        f"expected the signal 'content' or 'factors' in scenario '{state.name}', found neither"
    )


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: FloatArray = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return units
