"""Answers in plain values, written as JSON by one fast encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np
from starlette.responses import Response

from polyscene.core.types import Item, Recommendation, Slate
from polyscene.engine.catalogue import Numbering
from polyscene.engine.decision import Decision
from polyscene.engine.recommending import Explanation
from polyscene.engine.why_not import WhyNot
from polyscene.policies.registry import choice_of
from polyscene.serving.stores.contract import CODES, SCORES, DecisionRecord, Receipt

Plain = dict[str, Any]

NOTHING: Mapping[str, object] = {
    "context": {},
    "filter": {},
    "weights": None,
    "seen": None,
    "earlier": [],
    "rules_version": "",
    "effects": [],
    "marks": [],
    "limits": None,
    "deviations": None,
    "shadow": None,
}
"""What a record leaves out where there is nothing of it."""

_encode = msgspec.json.Encoder().encode


def answer(value: object, status: int = 200) -> Response:
    """Return a value as a JSON response; what is no number is null."""
    return Response(_encode(value), status, media_type="application/json")


def plain_item(item: Item) -> Plain:
    """Return an item as people see it."""
    return {"id": item.id, "title": item.text, "attributes": dict(item.attributes)}


def plain_place(place: Recommendation, reasons: bool) -> Plain:
    """Return one place of a slate."""
    known = plain_item(place.item) | {"score": place.score, "propensity": place.propensity}
    if place.rules:
        known["rules"] = list(place.rules)
    return known | {"reason": place.reason, "signals": dict(place.signals)} if reasons else known


def plain_slate(
    slate: Slate, decision: Decision, decision_id: str, cursor: str | None, reasons: bool
) -> Plain:
    """Return a slate with the id by which its decision can be looked up.

    Args:
        cursor: of the next page; None: there is none.
        reasons: whether every place has its own.
    """
    return {
        "decision": decision_id,
        "user": slate.user,
        "scenario": slate.scenario,
        "run": slate.run,
        "position": decision.position,
        "policy": choice_of(decision.policy),
        "cursor": cursor,
        "rules": [asdict(effect) for effect in decision.effects],
        "user_known": slate.user_known,
        "notes": list(slate.notes),
        "items": [plain_place(place, reasons) for place in slate.items],
    }


def plain_explanation(why: Explanation) -> Plain:
    """Return why an item stands where it stands; `rank` is null where it may not be shown."""
    return {
        "user": why.user,
        "scenario": why.item.scenario,
        "item": plain_item(why.item),
        "rank": why.rank,
        "candidates": why.candidates,
        "score": why.score,
        "reason": why.reason,
        "shares": why.shares,
        "scores": why.scores,
        "past": [{"signal": signal} | plain_item(past) for signal, past in why.past],
        "parts": why.parts,
    }


def plain_receipt(receipt: Receipt) -> Plain:
    """Return what became of events."""
    return {
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "repeated": receipt.repeated,
        "offset": receipt.last,
    }


def plain_record(record: DecisionRecord, ids: Numbering | None) -> Plain:
    """Return what was decided.

    Args:
        ids: of the catalogue that the decision was made from; None: it is not at hand, and neither are the
            names of the candidates.
    """
    codes = np.frombuffer(record.candidates, CODES).tolist()
    return {
        "decision": record.id,
        "time": record.time,
        "user": record.user,
        "scenario": record.scenario,
        "run": record.run,
        "position": record.position,
        "candidates": None if ids is None else [ids[code] for code in codes],
        "scores": np.frombuffer(record.scores, SCORES).tolist(),
        **NOTHING,
        **record.details,
    }


def plain_why_not(why: WhyNot) -> Plain:
    """Return what keeps an item out of a slate; `obstacles` is empty where it is in it."""
    return {
        "user": why.user,
        "item": why.item,
        "scenario": why.scenario,
        "place": why.place,
        "rank": why.rank,
        "score": why.score,
        "missing": why.missing,
        "obstacles": [
            {"stage": str(one.stage), "sentence": one.sentence, "change": dict(one.change)}
            for one in why.obstacles
        ],
        "enough": why.enough,
    }
