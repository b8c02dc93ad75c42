"""The way of a request through the stages."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from polyscene.core.contracts import Stage
from polyscene.data.queries import Queries
from polyscene.engine.decision import GREEDY, Decision, Request
from polyscene.engine.requests import queries_of
from polyscene.engine.rules import ActiveRules
from polyscene.engine.stages import apply_rules, choose, fuse, give_reasons, propose, reread, score
from polyscene.engine.state import ScenarioState, System

SEED_BITS = 53
"""So that every language reads a seed from JSON without loss."""

DecisionStage = Stage[Request, Decision]


def stages(system: System, request: Request) -> Sequence[DecisionStage]:
    """Return what happens to a request, in order."""
    state = system.scenario(request.scenario)
    reads_again = (reread,) if state.fusion.reranker is not None else ()
    return (propose, score, *reads_again, fuse, apply_rules, choose, give_reasons)


def decide(system: System, request: Request) -> Decision:
    """Return the decision on a request; nobody changes the state while a stage reads it.

    Raises:
        UnknownIdError: no such scenario or item.
        DataError: the request's condition cannot be used.
    """
    state = system.scenario(request.scenario)
    waiting = list(stages(system, request))
    with system.lock.reading():
        queries = queries_of(system, request, state)
        decision = begun(system, state, request, queries)
        decision = _run(waiting, request, decision, reading=True)
    while waiting:
        decision = _run(waiting, request, decision, reading=False)
        with system.lock.reading():
            decision = _run(waiting, request, decision, reading=True)
    if decision.limits and len(decision.places) < request.size and not request.every:
        return decide(system, replace(request, every=True, seed=decision.seed))
    return decision


def begun(system: System, state: ScenarioState, request: Request, queries: Queries) -> Decision:
    """Return a decision of which only what it stands on is known."""
    policy = (request.policy or state.policy) if request.explore else GREEDY
    shadow = state.shadow if request.explore else None
    seed = 0
    if policy.explores or (shadow is not None and shadow.explores):
        seed = secrets.randbits(SEED_BITS) if request.seed is None else request.seed
    decision = Decision(system, state, int(queries.user[0]), system.position, queries, policy, seed)
    if book := state.rules:
        decision.rules = ActiveRules(
            book.active(request.context, request.moment, request.without_rules), state.catalogue
        )
        decision.rules_version = book.version
    return decision


def _run(waiting: list[DecisionStage], request: Request, decision: Decision, reading: bool) -> Decision:
    """Do stages as long as they are of one kind: quick ones that read the state, or the slow one."""
    while waiting and (waiting[0] is not reread) == reading:
        decision = waiting.pop(0)(request, decision)
    return decision
