"""Erases a user everywhere, gives a receipt, and proves it.

A receipt holds no id, only a salted digest of it: whoever names the id can have it looked for again.
"""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import asdict, dataclass, replace
from threading import Lock
from typing import Any

import msgspec

from polyscene.core.errors import ConflictError, RunError, StoreError, UnknownIdError
from polyscene.core.files import write_bytes
from polyscene.core.text import shown
from polyscene.runs.erasing import erase_from_run
from polyscene.runs.folder import run_ids
from polyscene.serving.managed import Manager
from polyscene.serving.snapshots import SNAPSHOTS
from polyscene.serving.stores.contract import LoggedChange, erasure_of
from polyscene.serving.traces import Search, search

_log = logging.getLogger(__name__)

RECEIPTS = "erasures"
"""Folder of the receipts, in the data folder."""
RANDOM_BYTES = 16
STAYS = (
    "counts of events by item, links between items and the weights of the models: they tell of nobody",
    "the tables that the runs were trained on, and copies made outside of this service",
)


@dataclass(frozen=True)
class ErasureReceipt:
    """What an erasure removed.

    Attributes:
        time: microseconds since 1970, UTC.
        salt: with which the id was digested.
        sha256: see `stores.contract.erasure_of`.
        complete: whether everything could be removed; else ask for the erasure again.
        entries: of the log.
        decisions: of the decision log.
        runs: ids of the runs whose files held the user, and were rewritten.
        failed: ids of the runs that could not be rewritten, or `snapshots`: they still hold the user.
        stays: what is not removed, in words.
    """

    id: str
    time: int
    salt: str
    sha256: str
    complete: bool = False
    entries: int = 0
    decisions: int = 0
    runs: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    stays: tuple[str, ...] = STAYS

    @classmethod
    def of(cls, user: str) -> ErasureReceipt:
        """Begin one."""
        salt, name = secrets.token_hex(RANDOM_BYTES), secrets.token_hex(RANDOM_BYTES)
        return cls(name, time.time_ns() // 1000, salt, _digest(erasure_of(user, salt)))

    def names(self, user: str) -> bool:
        """Return whether it is of this user."""
        return secrets.compare_digest(_digest(erasure_of(user, self.salt)), self.sha256)

    def plain(self) -> dict[str, Any]:
        """Return it as an answer."""
        return asdict(self)


class Erasures:
    """Erases users from everything that a service holds.

    Args:
        management: of the service.
    """

    def __init__(self, management: Manager) -> None:
        self._management, self._one_at_a_time = management, Lock()
        self._folder = management.folder / RECEIPTS

    def erase(self, user: str) -> ErasureReceipt:
        """Erase a user; everything is removed and durable on return, unless the receipt says otherwise.

        Raises:
            StoreError: the stores cannot be written; what was removed stays removed; try it again.
        """
        management, service = self._management, self._management.service
        with self._one_at_a_time:
            receipt = self._keep(ErasureReceipt.of(user))
            events, _ = service.stores
            with management.gate.writing():  # nobody hands anything in
                service.live.submit([]).result()  # and what was handed in is learned
                erased = events.erase(user)
                service.live.catch_up()
            decisions = service.decisions.erase(user)
            service.drift.forget(user)
            rewritten, failed = self._rewrite(user)
            if not self._taken_anew():
                failed.append(SNAPSHOTS)
            return self._keep(
                replace(
                    receipt,
                    complete=not failed,
                    entries=erased.entries,
                    decisions=decisions,
                    runs=tuple(rewritten),
                    failed=tuple(failed),
                )
            )

    def _taken_anew(self) -> bool:
        """Take a snapshot without the user, which drops those that hold them; return whether it was."""
        try:
            self._management.service.snapshots.take()
        except (RunError, OSError) as error:
            _log.warning("the snapshots still hold who was erased: %s", error)
            return False
        return True

    def find(self, name: str) -> ErasureReceipt:
        """Return a receipt.

        Raises:
            UnknownIdError: there is none of that id.
        """
        path = self._folder / f"{name}.json"
        if not name.isalnum() or not path.is_file():
            raise UnknownIdError(f"expected the id of a receipt, found {shown(name)}")
        values = msgspec.json.decode(path.read_bytes())
        lists = {key: tuple(values[key]) for key in ("runs", "failed", "stays")}
        return ErasureReceipt(**values | lists)

    def verify(self, receipt: ErasureReceipt, user: str) -> tuple[Search, dict[str, int]]:
        """Look for a user in every file, and in what the stores give of them.

        Raises:
            ConflictError: the receipt is of somebody else.
        """
        if not receipt.names(user):
            raise ConflictError("expected the id that this receipt is of, found another")
        management, service = self._management, self._management.service
        events, decisions = service.stores
        kept = {
            "log": sum(1 for _ in events.events_of(user)),
            "decisions": len(decisions.decisions_of(user, 1_000)),
            "live": sum(service.live.system.user(user, name) >= 0 for name in service.live.system.scenarios),
        }
        return search(user, [management.folder, *management.run_folders]), kept

    def _rewrite(self, user: str) -> tuple[list[str], list[str]]:
        """Remove a user from every run, and return the ids of those that held them and that failed."""
        management = self._management
        homes = (folder / name for folder in management.run_folders for name in run_ids(folder))
        rewritten, failed = [], []
        for home in homes:
            try:
                if erase_from_run(home, lambda name: name == user):
                    rewritten.append(home.name)
            except RunError:
                failed.append(home.name)
        return rewritten, failed

    def _keep(self, receipt: ErasureReceipt) -> ErasureReceipt:
        try:
            write_bytes(self._folder / f"{receipt.id}.json", msgspec.json.encode(receipt.plain()))
        except OSError as error:
            raise StoreError(f"expected room for a receipt, found {error.strerror}; try it again") from error
        return receipt


def _digest(change: LoggedChange) -> str:
    return str((change.fields or {})["sha256"])
