"""What was decided, kept so that it can be looked at later; requests do not wait for the disk."""

from __future__ import annotations

import logging
import secrets
import time
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from threading import Event

from polyscene.core.errors import StoreError
from polyscene.core.settings.conditions import plain_conditions
from polyscene.engine.decision import Decision, Request
from polyscene.engine.marks import marks_of
from polyscene.policies.registry import choice_of
from polyscene.serving.packing import plain_limits
from polyscene.serving.stores.contract import CODES, EPOCH, SCORES, DecisionRecord, DecisionStore
from polyscene.serving.writer import GroupWriter

_log = logging.getLogger(__name__)

MAX_WAITING = 20_000
MAX_AT_ONCE = 1_000
SECONDS_TO_GATHER = 0.02
"""Decisions wait so long for others: a commit for each would cost half a millisecond."""
SECONDS_BEFORE_RETRY = 1.0


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class _Erasure:
    user: str
    removed: Future[int]


def record_of(
    decision: Decision, request: Request, run: str, decision_id: str, page: int = 1
) -> DecisionRecord:
    """Return what is kept of a decision: all that a replay needs, and no more than was said.

    Args:
        page: of a chain of pages, from 1.
    """
    ids = decision.state.catalogue.ids
    details = {
        "k": request.size,
        "exclude": list(request.exclude),
        "only": request.only,
        "history": request.history,
        "reasons": request.reasons,
        "user_known": decision.user >= 0,
        "slate": [ids[code] for code in decision.codes.tolist()],
        "places": decision.places.tolist(),
        "propensities": decision.propensities.tolist(),
        "said": list(decision.reasons),
        "signals": decision.shares,
        "policy": choice_of(decision.policy),
        "seed": decision.seed,
        "page": page,
        "puts": decision.state.catalogue.n_puts,
        **_where_there_is(decision, request),
    }
    return DecisionRecord(
        decision_id,
        _microseconds(request.moment),
        request.user,
        decision.state.name,
        run,
        decision.position,
        decision.candidates.astype(CODES).tobytes(),
        decision.scores.astype(SCORES).tobytes(),
        details,
    )


def _microseconds(moment: datetime | None) -> int:
    return time.time_ns() // 1000 if moment is None else (moment - EPOCH) // timedelta(microseconds=1)


def _where_there_is(decision: Decision, request: Request) -> dict[str, object]:
    """Return what most decisions have nothing of, and then do not keep."""
    parts: dict[str, object] = {
        "context": dict(request.context),
        "filter": plain_conditions(request.filter),
        "weights": request.weights,
        "seen": request.seen,
        "earlier": list(request.earlier),
        "erased": decision.system.users.erased,
        "rules_version": decision.rules_version,
        "effects": [asdict(effect) for effect in decision.effects],
        "marks": [mark._asdict() for mark in marks_of(decision)],
        "limits": plain_limits(decision.limits) if decision.limits else None,
        "deviations": None if decision.deviations is None else decision.deviations.tolist(),
        "shadow": None if decision.shadowed is None else decision.shadowed.plain(),
    }
    return {name: part for name, part in parts.items() if part}


class DecisionLog:
    """Keeps decisions in the background; while the store cannot, they wait, and too many are refused.

    Args:
        store: where they are kept.

    Attributes:
        lost: how many were given up: the service stopped while its store could not be used, or by a bug.
        fault: why the store cannot be used; None: it can.
    """

    def __init__(self, store: DecisionStore) -> None:
        self._store, self._pending = store, dict[str, DecisionRecord]()
        self._closing = Event()
        self.lost = 0
        self.fault: str | None = None
        self._writer = GroupWriter[DecisionRecord | _Erasure](
            "the decision log", self._write, MAX_WAITING, MAX_AT_ONCE, SECONDS_TO_GATHER
        )

    def put(self, record: DecisionRecord) -> None:
        """Hand in a decision; it can be found at once.

        Raises:
            StoreError: too many are waiting for the disk.
        """
        self._pending[record.id] = record
        try:
            self._writer.put(record)
        except StoreError:
            self._pending.pop(record.id, None)
            raise

    def erase(self, user: str) -> int:
        """Remove the decisions for a user, those that wait as well, and return how many; durable on return.

        Raises:
            StoreError: too much is waiting, or nothing is known to have been removed; it may be tried again.
        """
        erasure = _Erasure(user, Future[int]())
        self._writer.put(erasure)  # behind all that was decided before
        return erasure.removed.result()

    def find(self, decision: str) -> DecisionRecord | None:
        """Return a decision; None where there is none (any more).

        Raises:
            StoreError: the store cannot be read.
        """
        return self._pending.get(decision) or self._store.find(decision)

    def of_user(self, user: str, limit: int) -> list[DecisionRecord]:
        """Return the latest decisions for a user, latest first; those that wait for the disk too.

        Raises:
            StoreError: the store cannot be read.
        """
        waiting = [record for record in list(self._pending.values()) if record.user == user]
        kept = {record.id: record for record in self._store.decisions_of(user, limit)}
        newer = [record for record in reversed(waiting) if record.id not in kept]
        return [*newer, *kept.values()][:limit]

    @property
    def waiting(self) -> int:
        """How many wait to be written."""
        return len(self._pending)

    def close(self) -> None:
        """Write what waits, and stop. The store stays open."""
        self._closing.set()
        self._writer.close()

    def _write(self, group: list[DecisionRecord | _Erasure]) -> None:
        records = [entry for entry in group if isinstance(entry, DecisionRecord)]
        if records:
            self._write_records(records)
        for erasure in (entry for entry in group if isinstance(entry, _Erasure)):
            try:
                erasure.removed.set_result(self._store.erase(erasure.user))
            except Exception as error:  # noqa: BLE001 - the thread lives on, and who asked is told
                erasure.removed.set_exception(error)

    def _write_records(self, group: list[DecisionRecord]) -> None:
        while not self._written(group):
            if self._closing.wait(SECONDS_BEFORE_RETRY):
                self.lost += 0 if self._written(group) else len(group)
                break
        for record in group:
            self._pending.pop(record.id, None)

    def _written(self, group: list[DecisionRecord]) -> bool:
        try:
            self._store.record(group)
        except StoreError as error:
            self.fault = str(error)
            return False
        except Exception:  # noqa: BLE001 - the thread lives on; what cannot be written must not wait for ever
            _log.exception("decisions could not be written")
            self.lost += len(group)
        self.fault = None
        return True
