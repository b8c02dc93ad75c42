"""API keys: 256 random bits, of which only the SHA-256 is kept, each with what it may do and until when.

A key file is read again when it changes, so that keys come and go without a restart. A name may have several
keys: while one is rotated, the old one stays good for a while beside the new one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.files import exclusive, replacing
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
    metrics = "metrics"
    """ask for metrics alone"""
    admin = "admin"
    """everything"""


_INCLUDED = {Scope.read: {Scope.metrics}, Scope.admin: set(Scope)}
"""Scopes that others bring with them."""


@dataclass(frozen=True)
class Key:
    """What is kept of a key.

    Attributes:
        sha256: of the key, in hexadecimal digits.
        made: when, ISO 8601.
        expires: from when it is not good any more, ISO 8601; None: it stays good.
    """

    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    made: str
    expires: str | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether it may do something."""
        return any(scope == own or scope in _INCLUDED.get(own, ()) for own in self.scopes)

    def good(self, now: datetime) -> bool:
        """Return whether it has not expired."""
        return self.expires is None or now < datetime.fromisoformat(self.expires)

    @property
    def lifetime(self) -> timedelta | None:
        """How long it is good, from first to last; None: for ever."""
        if self.expires is None:
            return None
        return datetime.fromisoformat(self.expires) - datetime.fromisoformat(self.made)


def present() -> datetime:
    """Return the present time, UTC."""
    return datetime.now(UTC)


class KeyFile:
    """The keys of a service, in a file that only its owner can read.

    Args:
        path: of the file; it need not be there yet.
        clock: tells the time, by which keys expire.

    Raises:
        ConfigError: it cannot be read.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = present) -> None:
        self.path, self._clock = path, clock
        self._keys: tuple[Key, ...] = ()
        self._seen: tuple[int, int, int] | None = None
        self._refresh()

    def __len__(self) -> int:
        """Return how many keys are good."""
        now = self._clock()
        return sum(one.good(now) for one in self.known)

    @property
    def known(self) -> tuple[Key, ...]:
        """What is known of all keys, expired ones too."""
        self._refresh()
        return self._keys

    def find(self, key: str) -> Key | None:
        """Return what is known of a good key; compares with every known one in constant time."""
        digest = _digest(key)
        match = None
        for one in self.known:
            if hmac.compare_digest(one.sha256, digest):
                match = one
        return match if match is not None and match.good(self._clock()) else None

    def add(self, name: str, scopes: Sequence[Scope], lifetime: timedelta | None = None) -> str:
        """Make a key and return it: it is shown this once and never kept.

        Args:
            lifetime: how long it is good; None: for ever.

        Raises:
            ConfigError: there is a key of that name.
        """
        with self._changing():
            if self._named(name):
                raise _unusable(
                    self.path, "a new name", shown(name), "choose another, or rotate or remove it"
                )
            key, kept = self._made(name, scopes, lifetime)
            self._write((*self._keys, kept))
        return key

    def rotate(self, name: str, overlap: timedelta, lifetime: timedelta | None = None) -> str:
        """Make a new key of the same name and scopes; the old ones stay good for the overlap, or end before.

        Args:
            overlap: how long both are good.
            lifetime: of the new key; None: that of the old one.

        Raises:
            ConfigError: there is no key of that name.
        """
        with self._changing():
            now = self._clock()
            old = max(self._demand(name), key=lambda one: one.made)
            end = now + overlap
            ending = [replace(one, expires=_earlier(one.expires, end)) for one in self._named(name)]
            key, kept = self._made(name, old.scopes, lifetime or old.lifetime)
            others = [one for one in self._keys if one.name != name]
            self._write((*others, *(one for one in ending if one.good(now)), kept))
        return key

    def remove(self, name: str) -> None:
        """End every key of a name at once.

        Raises:
            ConfigError: there is none.
        """
        with self._changing():
            self._demand(name)
            self._write([one for one in self._keys if one.name != name])

    def _named(self, name: str) -> list[Key]:
        return [one for one in self.known if one.name == name]

    def _demand(self, name: str) -> list[Key]:
        named = self._named(name)
        if not named:
            remedy = "see --list-keys for the names"
            raise _unusable(self.path, "the name of a key", shown(name), remedy)
        return named

    def _made(self, name: str, scopes: Sequence[Scope], lifetime: timedelta | None) -> tuple[str, Key]:
        key, now = PREFIX + secrets.token_urlsafe(RANDOM_BYTES), self._clock()
        expires = None if lifetime is None else _moment(now + lifetime)
        return key, Key(name, _digest(key), tuple(scopes), _moment(now), expires)

    def _changing(self) -> AbstractContextManager[None]:
        """Let one process at a time change the file."""
        return exclusive(self.path.with_name(f".{self.path.name}.lock"))

    def _write(self, keys: Sequence[Key]) -> None:
        with replacing(self.path) as partial:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump([asdict(one) for one in keys], file, indent=2)
                file.write("\n")
        self._refresh()

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
        return tuple(map(_key, rows))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(path, "a key file", str(error), "mend it, or remove it and make new keys") from error


def _key(row: Mapping[str, Any]) -> Key:
    scopes, expires = tuple(map(Scope, row["scopes"])), row.get("expires")
    key = Key(str(row["name"]), str(row["sha256"]), scopes, str(row["made"]), expires)
    for moment in (key.made, *([] if expires is None else [expires])):
        if datetime.fromisoformat(moment).tzinfo is None:
            raise ValueError(f"expected a time with its offset from UTC, found {shown(moment)}")
    return key


def _earlier(expires: str | None, end: datetime) -> str:
    return _moment(end if expires is None else min(end, datetime.fromisoformat(expires)))


def _moment(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _unusable(path: Path, expected: str, found: str, remedy: str) -> ConfigError:
    return ConfigError(Problem("this key file cannot be used", expected, found, remedy, file=str(path)))
