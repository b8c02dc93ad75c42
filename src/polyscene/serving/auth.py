"""API keys: 256 random bits, of which only the SHA-256 is kept, each with what it may do.

A key file is read again when it changes, so that keys come and go without a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.files import replacing
from polyscene.core.text import shown

PREFIX = "psk_"
"""By which a key is known as one of ours, where it turns up by mistake."""
RANDOM_BYTES = 32


_log = logging.getLogger(__name__)


class Scope(StrEnum):
    """What a key may do."""

    events = "events"
    """send events"""
    read = "read"
    """ask for slates, items, explanations, decisions and metrics"""
    admin = "admin"
    """everything"""


@dataclass(frozen=True)
class Key:
    """What is kept of a key.

    Attributes:
        sha256: of the key, in hexadecimal digits.
        made: when, ISO 8601.
    """

    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    made: str

    def may(self, scope: Scope) -> bool:
        """Return whether it may do something."""
        return scope in self.scopes or Scope.admin in self.scopes


class KeyFile:
    """The keys of a service, in a file that only its owner can read.

    Args:
        path: of the file; it need not be there yet.

    Raises:
        ConfigError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: tuple[Key, ...] = ()
        self._seen: tuple[int, int, int] | None = None
        self._refresh()

    def __len__(self) -> int:
        self._refresh()
        return len(self._keys)

    def find(self, key: str) -> Key | None:
        """Return what is known of a key; compares with every known one in constant time."""
        self._refresh()
        digest = _digest(key)
        match = None
        for one in self._keys:
            if hmac.compare_digest(one.sha256, digest):
                match = one
        return match

    def add(self, name: str, scopes: Sequence[Scope]) -> str:
        """Make a key and return it: it is shown this once and never kept.

        Raises:
            ConfigError: there is a key of that name.
        """
        self._refresh()
        if any(one.name == name for one in self._keys):
            raise _unusable(self.path, "a new name", shown(name), "choose another, or remove its entry")
        key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        self._write((*self._keys, Key(name, _digest(key), tuple(scopes), made)))
        self._refresh()
        return key

    def _write(self, keys: Sequence[Key]) -> None:
        with replacing(self.path) as partial:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump([asdict(one) for one in keys], file, indent=2)
                file.write("\n")

    def _refresh(self) -> None:
        """Read the file where it is not the one that was read last."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._keys, self._seen = (), None
            return
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen == self._seen:
            return
        first, self._seen = self._seen is None, seen
        try:
            self._keys = _read(self.path)
        except ConfigError as error:
            if first:
                raise
            _log.error("%s; the keys from before count", error)


def _read(path: Path) -> tuple[Key, ...]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return tuple(
            Key(str(row["name"]), str(row["sha256"]), tuple(map(Scope, row["scopes"])), str(row["made"]))
            for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(path, "a key file", str(error), "mend it, or remove it and make new keys") from error


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _unusable(path: Path, expected: str, found: str, remedy: str) -> ConfigError:
    return ConfigError(Problem("this key file cannot be used", expected, found, remedy, file=str(path)))
