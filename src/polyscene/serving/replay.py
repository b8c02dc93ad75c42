"""Past slates drawn again from what the log kept, bit for bit, and computed again where that can be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.types import FloatArray, LongArray
from polyscene.engine.decision import Decision, Request
from polyscene.engine.pipeline import decide
from polyscene.engine.state import System
from polyscene.policies.registry import policy_of
from polyscene.runs.asking import conditions_of
from polyscene.serving.packing import limits_of
from polyscene.serving.stores.contract import CODES, EPOCH, SCORES, DecisionRecord

Plain = dict[str, Any]


def redrawn(record: DecisionRecord) -> tuple[LongArray, FloatArray]:
    """Return (k,) places of the candidates and (k,) propensities, drawn from the record alone.

    Whether the policy looks at how uncertain the scores were or not, the record keeps it where it was known.

    Raises:
        UnknownIdError: its policy is one of a plug-in that is not installed.
    """
    details, scores = record.details, np.frombuffer(record.scores, SCORES).astype(np.float32)
    policy = policy_of(PolicyChoice(**details.get("policy", {"name": "greedy"})))
    generator = np.random.default_rng(int(details["seed"])) if policy.explores else None
    deviations = details.get("deviations")
    known = policy.knowing(None if deviations is None else np.array(deviations, np.float32))
    return known.choose(scores, int(details["k"]), generator, limits_of(details.get("limits"), len(scores)))


def replay(record: DecisionRecord, system: System, run: str) -> Plain:
    """Return the slate of a record drawn again, whether it is the same, and computed again where that can be.

    Args:
        record: of the decision.
        system: that answers at present.
        run: of the system.
    """
    details = record.details
    places, propensities = redrawn(record)
    same = places.tolist() == details["places"] and _floats(propensities) == _floats(details["propensities"])
    hindrance = _hindrance(record, system, run)
    decision = None if hindrance else decide(system, request_again(record))
    if decision is not None and decision.position != record.position:
        hindrance, decision = "an event came while it was computed", None
    return {
        "decision": record.id,
        "same": same,
        "slate": details["slate"],
        "places": places.tolist(),
        "propensities": propensities.tolist(),
        "recomputed": decision is not None,
        "recomputed_same": None if decision is None else _equals(decision, record),
        "why_not_recomputed": hindrance,
    }


def request_again(record: DecisionRecord) -> Request:
    """Return the request that was decided on."""
    details = record.details
    return Request(
        record.user,
        record.scenario,
        int(details["k"]),
        details["exclude"],
        reasons=False,
        only=details["only"],
        history=details["history"],
        weights=details.get("weights"),
        policy=policy_of(PolicyChoice(**details["policy"])),
        seed=int(details["seed"]),
        context=details.get("context", {}),
        filter=conditions_of(details.get("filter", {})),
        seen=details.get("seen"),
        earlier=details.get("earlier", ()),
        moment=EPOCH + timedelta(microseconds=record.time),
    )


def _hindrance(record: DecisionRecord, system: System, run: str) -> str | None:
    """Return why a decision cannot be computed again; None where it can."""
    if record.run != run:
        return f"it was answered by the run '{record.run}', and '{run}' answers now"
    if "policy" not in record.details:
        return "it was kept by an earlier version"
    state = system.scenario(record.scenario)
    if system.users.erased != record.details.get("erased", 0):
        return "somebody was erased since"
    if system.position != record.position:
        count = system.position - record.position
        return "1 event came since" if count == 1 else f"{count:,} events came since"
    if state.catalogue.n_puts != record.details["puts"]:
        return "items were put, taken out or set back since"
    if state.rules.version != record.details.get("rules_version", ""):
        return "the rules have changed since"
    return None


def _equals(decision: Decision, record: DecisionRecord) -> bool:
    return (
        decision.candidates.astype(CODES).tobytes() == record.candidates
        and decision.scores.astype(SCORES).tobytes() == record.scores
        and decision.places.tolist() == record.details["places"]
        and _floats(decision.propensities) == _floats(record.details["propensities"])
    )


def _floats(values: FloatArray | list[float]) -> bytes:
    return np.asarray(values, np.float32).tobytes()
