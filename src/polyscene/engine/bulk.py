"""Slates of many users at once: a block of requests goes through the signals and the fusion together.

The answers are those that each user alone would get, without reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from polyscene.core.columns import Slates
from polyscene.core.progress import Progress, Silent
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.engine.requests import block_queries, queries_of
from polyscene.engine.selection import codes_of, selected
from polyscene.engine.state import ScenarioState, System
from polyscene.recommenders.fusion.blocks import block_size
from polyscene.recommenders.fusion.candidates import SMALL_CATALOGUE, padded
from polyscene.recommenders.fusion.features import Prepared

BLOCK_MB = 256
"""Working memory of the requests that are answered together."""


@dataclass(frozen=True)
class BulkRequest:
    """What is asked for many users.

    Attributes:
        users: ids.
        scenario: None where there is only one.
        size: how many items at most, for each.
        exclude: ids of items that nobody shall be shown.
        only: ids of items that the answers shall consist of; None: any.
        where: a condition that they shall meet; None: none.
    """

    users: Sequence[str]
    scenario: str | None = None
    size: int = 10
    exclude: Sequence[str] = ()
    only: Sequence[str] | None = None
    where: str | None = None

    def alone(self, user: str) -> Request:
        """Return the same request for one of the users."""
        return Request(
            user, self.scenario, self.size, self.exclude, reasons=False, only=self.only, where=self.where
        )


def recommend_many(
    system: System, run: str, request: BulkRequest, progress: Progress | None = None
) -> Slates:
    """Return the best items for each of many users, in their order.

    Raises:
        UnknownIdError: no such scenario or item.
        DataError: the condition cannot be used.
    """
    state = system.scenario(request.scenario)
    rows: list[tuple[LongArray, FloatArray]] = []
    known: list[bool] = []
    label = f"{state.name}: recommending"
    with (progress or Silent()).track(label, len(request.users), "users") as advance:
        for start in range(0, len(request.users), size := block_size(state.fusion, BLOCK_MB)):
            names = request.users[start : start + size]
            with system.lock.reading():
                users = np.array([system.user(name, state.name) for name in names], np.int32)
                block = list(_block(system, state, users, request))
            for name, row in zip(names, block, strict=True):
                rows.append(_alone(system, request.alone(name)) if row is None else row)
            known += (users >= 0).tolist()
            advance(len(names))
    lengths = [len(codes) for codes, _ in rows]
    with system.lock.reading():
        ids = tuple(state.catalogue.ids[code] for codes, _ in rows for code in codes.tolist())
    return Slates(
        state.name,
        run,
        tuple(request.users),
        np.array(known, np.bool_),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ids,
        np.concatenate([np.zeros(0, np.float32), *(scores for _, scores in rows)]).astype(np.float32),
    )


def score_items(system: System, request: Request, items: Sequence[str]) -> FloatArray:
    """Return (m,) the scores of given items for one user, whether or not they may be shown.

    Raises:
        UnknownIdError: no such scenario or item.
    """
    state = system.scenario(request.scenario)
    with system.lock.reading():
        queries = queries_of(system, request, state)
        codes = codes_of(state.catalogue, items)[None]
        if not codes.size:
            return np.zeros(0, np.float32)
        scores: FloatArray = _fused(state, state.fusion.prepare(queries), queries, codes)[0]
    return scores


def _alone(system: System, request: Request) -> tuple[LongArray, FloatArray]:
    rules = [rule.name for rule in system.scenario(request.scenario).rules.rules]
    decision = decide(system, replace(request, explore=False, without_rules=rules))
    return decision.codes, decision.scores[decision.places]


def _block(
    system: System, state: ScenarioState, users: IntArray, request: BulkRequest
) -> Iterator[tuple[LongArray, FloatArray] | None]:
    """Yield codes and scores of each slate; None where fewer were put forward than could be shown."""
    queries = block_queries(system, state, users)
    closed, narrowed = _closed(state, queries, request)
    prepared = state.fusion.prepare(queries)
    if state.fusion.small and not narrowed and state.fusion.reranker is None:
        scores = _of_all(state, prepared, queries, closed)
        for row, places in enumerate(best_places(scores, request.size)):
            yield places, scores[row, places]
        return
    candidates, lengths = _candidates(state, prepared, closed, narrowed)
    scores = _fused(state, prepared, queries, candidates)
    scores[np.arange(scores.shape[1]) >= lengths[:, None]] = -np.inf
    enough = lengths >= np.minimum(request.size, np.sum(~closed, axis=1))
    for row, places in enumerate(best_places(scores, request.size)):
        yield (candidates[row, places].astype(np.int64), scores[row, places]) if enough[row] else None


def best_places(scores: FloatArray, size: int) -> list[LongArray]:
    """Return for each row of (B, C) scores what `policies.greedy.Greedy` chooses, the rows all together."""
    n_places = scores.shape[1]
    if size < 1 or not n_places:
        return [np.zeros(0, np.int64) for _ in scores]
    least = np.full((len(scores), 1), -np.inf)
    if n_places > size:
        least = np.partition(scores, n_places - size, axis=1)[:, n_places - size, None]
    rows, places = np.nonzero((scores >= least) & (scores > -np.inf))
    order = np.lexsort((places, -scores[rows, places], rows))
    borders = np.searchsorted(rows, np.arange(len(scores) + 1))
    return [places[order[start:stop]][:size] for start, stop in pairwise(borders.tolist())]


def _of_all(state: ScenarioState, prepared: Prepared, queries: Queries, closed: BoolArray) -> FloatArray:
    """Return (B, n) fused scores of every item, minus infinity for those that are closed."""
    fusion = state.fusion
    signals = fusion.features.scaled(prepared, len(queries))
    if (quiet := fusion.quiet(fusion.features.peaks(prepared, len(queries)))).any():
        signals[quiet] *= ~closed[quiet][:, None]  # what cannot be shown says nothing
    scores = fusion.fused(signals, prepared, queries, None)[0]
    scores[closed] = -np.inf
    return scores


def _closed(state: ScenarioState, queries: Queries, request: BulkRequest) -> tuple[BoolArray, bool]:
    """Return (B, n) which items may not be shown, and whether the request names those that may."""
    closed = state.fusion.closed(queries)
    closed[:, codes_of(state.catalogue, request.exclude)] = True
    wanted = selected(state.catalogue, request.only, request.where)
    return (closed, False) if wanted is None else (closed | ~wanted, True)


def _candidates(
    state: ScenarioState, prepared: Prepared, closed: BoolArray, narrowed: bool
) -> tuple[IntArray, LongArray]:
    """Return (B, C) candidates and how many of each row count; of a few named items every one."""
    if narrowed and np.sum(~closed, axis=1).max(initial=0) <= SMALL_CATALOGUE:
        return padded([np.flatnonzero(~row) for row in closed])
    return state.fusion.candidates(prepared, closed)


def _fused(
    state: ScenarioState, prepared: Prepared, queries: Queries, candidates: IntArray | LongArray
) -> FloatArray:
    """Return (B, C) fused scores."""
    fusion = state.fusion
    scaled = fusion.features.scaled(prepared, len(queries), candidates)
    return fusion.fused(fusion.reread(scaled, queries, candidates), prepared, queries, candidates)[0]
