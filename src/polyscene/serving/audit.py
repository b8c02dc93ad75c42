"""The audit log: who did what to the service, when, and with what result; never what people said or did.

One line of JSON for each act, on the disk before the act is answered. Users are named by a keyed digest, so
that the log can be asked about somebody and yet holds nobody's id, erased ones least of all.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from polyscene.core.errors import StoreError
from polyscene.core.files import exclusive, flush
from polyscene.core.settings.service import ServiceSettings
from polyscene.core.text import one_line
from polyscene.serving.auth import present

AUDIT, AUDIT_KEY = "audit.jsonl", "audit.key"
"""In the folder of a service."""
COMMAND_LINE = "the command line"
MAX_SUBJECT_LENGTH = 256
KEY_BYTES = 32


class Act(StrEnum):
    """What is written down."""

    key_made = "key made"
    key_rotated = "key rotated"
    key_removed = "key removed"
    model_activated = "model activated"
    model_rolled_back = "model rolled back"
    rule_changed = "rule changed"
    rule_removed = "rule removed"
    item_changed = "item changed"
    item_deleted = "item deleted"
    item_rolled_back = "item rolled back"
    user_changed = "user changed"
    user_exported = "user exported"
    user_erased = "user erased"


ON_USERS = frozenset({Act.user_changed, Act.user_exported, Act.user_erased})
"""Acts whose subject is a person."""


class AuditLog:
    """Lines that are only ever added; several processes may write.

    Args:
        folder: of the service.
        settings: how long it may grow, and how many earlier files are kept.
        clock: tells the time.
    """

    def __init__(
        self, folder: Path, settings: ServiceSettings | None = None, clock: Callable[[], datetime] = present
    ) -> None:
        self.path, self._key_path, self._clock = folder / AUDIT, folder / AUDIT_KEY, clock
        self._settings = settings or ServiceSettings()

    def write(self, who: str, act: Act, subject: str, result: str = "done", request: str = "") -> None:
        """Add a line; it is on the disk on return.

        Args:
            who: the name of the key.
            subject: id of what was acted on; that of a user is kept as a digest.
            result: `done`, or the code of the error.
            request: id of the request.

        Raises:
            StoreError: it cannot be written; what was to be done must not be acknowledged.
        """
        try:
            with exclusive(self.path.with_name(f".{AUDIT}.lock")):
                named = self._pseudonym(subject) if act in ON_USERS else one_line(subject, MAX_SUBJECT_LENGTH)
                row = {
                    "time": self._clock().isoformat(timespec="milliseconds"),
                    "who": one_line(who, MAX_SUBJECT_LENGTH),
                    "act": act.value,
                    "subject": named,
                    "result": one_line(result, MAX_SUBJECT_LENGTH),
                    "request": request,
                }
                self._add(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreError(
                f"expected to write the audit log, found: {reason}; mend it and try again"
            ) from error

    def pseudonym(self, user: str) -> str:
        """Return what the log calls a user.

        Raises:
            StoreError: the key of the digests cannot be read or written.
        """
        try:
            with exclusive(self.path.with_name(f".{AUDIT}.lock")):
                return self._pseudonym(user)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreError(
                f"expected the key of the audit log, found: {reason}; mend it and try again"
            ) from error

    def _pseudonym(self, user: str) -> str:
        digest = hmac.new(self._digest_key(), user.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return "user:" + digest.hexdigest()[:32]

    def _digest_key(self) -> bytes:
        try:
            return self._key_path.read_bytes()
        except FileNotFoundError:
            key = secrets.token_bytes(KEY_BYTES)
            handle = os.open(self._key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(key)
            flush(self._key_path)
            return key

    def _add(self, line: bytes) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size and size + len(line) > self._settings.audit_bytes:
            self._rotate()
            size = 0
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # a machine died while it wrote
            text = b"\n" * torn + line
            if os.write(handle, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        finally:
            os.close(handle)
        if size == 0:
            flush(self.path.parent)

    def _rotate(self) -> None:
        """Make room: 1 is the latest of the earlier files."""
        for number in range(self._settings.audit_files - 1, 0, -1):
            earlier = self._earlier(number)
            if earlier.exists():
                earlier.replace(self._earlier(number + 1))
        self.path.replace(self._earlier(1))

    def _earlier(self, number: int) -> Path:
        return self.path.with_name(f"{AUDIT}.{number}")
