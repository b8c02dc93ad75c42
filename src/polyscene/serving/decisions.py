"""What was decided, kept so that it can be looked at later; requests do not wait for the disk."""

from __future__ import annotations

import logging
import secrets
import time
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Event

from polyscene.core.errors import StoreError
from polyscene.engine.decision import Decision, Request
from polyscene.serving.stores.contract import CODES, SCORES, DecisionRecord, DecisionStore
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


def record_of(decision: Decision, request: Request, run: str, decision_id: str) -> DecisionRecord:
    """Return what is kept of a decision."""
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
    }
    return DecisionRecord(
        decision_id,
        time.time_ns() // 1000,
        request.user,
        decision.state.name,
        run,
        decision.position,
        decision.candidates.astype(CODES).tobytes(),
        decision.scores.astype(SCORES).tobytes(),
        details,
    )


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
