"""Everything that is known of one user, as JSON Lines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from polyscene.engine.state import ScenarioState
from polyscene.serving.answers import plain_record
from polyscene.serving.stores.contract import EPOCH, MAX_DECISIONS, ChangeKind, Entry, LoggedEvent

if TYPE_CHECKING:
    from polyscene.serving.service import Service


def exported(service: Service, user: str) -> bytes:
    """Return all that is known of a user, a JSON object in each line.

    Raises:
        StoreError: a store cannot be read.
    """
    return b"".join(msgspec.json.encode(line) + b"\n" for line in _lines(service, user))


def _lines(service: Service, user: str) -> Iterator[dict[str, Any]]:
    live, (events, decisions) = service.live, service.stores
    profile = service.management.known.told(ChangeKind.user, "", user)
    yield {"kind": "profile", "user": user, "fields": {} if profile is None else profile[1] or {}}
    for name, state in live.system.scenarios.items():
        with live.system.lock.reading():
            rows = list(_events(state, live.system.user(user, name)))
        yield from ({"kind": "event", "scenario": name} | row for row in rows)
    for offset, entry in events.events_of(user):
        yield {"kind": "entry", "offset": offset} | _entry(entry)
    for record in decisions.decisions_of(user, MAX_DECISIONS):
        ids = live.system.scenarios[record.scenario].catalogue.ids if record.run == live.run.id else None
        yield {"kind": "decision"} | plain_record(record, ids)


def _events(state: ScenarioState, user: int) -> Iterator[dict[str, Any]]:
    log = state.log.events()
    for row in np.flatnonzero(log.user == user).tolist():
        value, moment = float(log.value[row]), int(log.time[row])
        yield {
            "item": state.catalogue.ids[int(log.item[row])],
            "action": log.actions[int(log.action[row])],
            "value": None if math.isnan(value) else value,
            "time": _iso(moment) if state.clock == "time" else None,
            "order": moment,
        }


def _entry(entry: Entry) -> dict[str, Any]:
    if not isinstance(entry, LoggedEvent):
        return {"change": entry.kind, "fields": entry.fields, "id": entry.id}
    return {
        "scenario": entry.scenario,
        "item": entry.item,
        "action": entry.action,
        "value": entry.value,
        "time": None if entry.time is None else _iso(entry.time),
        "id": entry.id,
    }


def _iso(moment: int) -> str:
    return (EPOCH + timedelta(microseconds=moment)).isoformat()
