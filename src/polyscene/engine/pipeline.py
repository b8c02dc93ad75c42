"""The way of a request through the stages."""

from __future__ import annotations

from collections.abc import Sequence

from polyscene.core.contracts import Stage
from polyscene.engine.decision import Decision, Request
from polyscene.engine.requests import queries_of
from polyscene.engine.stages import choose, fuse, give_reasons, propose, reread, score
from polyscene.engine.state import System

DecisionStage = Stage[Request, Decision]


def stages(system: System, request: Request) -> Sequence[DecisionStage]:
    """Return what happens to a request, in order."""
    rereads = system.scenario(request.scenario).fusion.reranker is not None
    return (propose, score, *((reread,) if rereads else ()), fuse, choose, give_reasons)


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
        decision = Decision(system, state, int(queries.user[0]), system.position, queries)
        decision = _run(waiting, request, decision, reading=True)
    while waiting:
        decision = _run(waiting, request, decision, reading=False)
        with system.lock.reading():
            decision = _run(waiting, request, decision, reading=True)
    return decision


def _run(waiting: list[DecisionStage], request: Request, decision: Decision, reading: bool) -> Decision:
    """Do stages as long as they are of one kind: quick ones that read the state, or the slow one."""
    while waiting and (waiting[0] is not reread) == reading:
        decision = waiting.pop(0)(request, decision)
    return decision
