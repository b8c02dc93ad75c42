"""What a service expects of the places where events, changes and decisions are kept.

The log of events and changes is the truth: what is in it has happened, in its order, and a live system is its
replay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

import msgspec

from polyscene.core.errors import StoreError
from polyscene.core.types import Event

CODES, SCORES = "<i4", "<f4"
"""How numpy reads the arrays of a decision."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_DECISIONS = 200_000
"""The oldest beyond these are forgotten."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as the log keeps it.

    Attributes:
        time: microseconds since 1970, UTC; None where only its order counts.
        id: by which it is known again; None: it may be told any number of times.
    """

    user: str
    item: str
    scenario: str
    action: str
    value: float | None = None
    time: int | None = None
    id: str | None = None

    def as_event(self) -> Event:
        """Return it as a live system takes it."""
        time = None if self.time is None else EPOCH + timedelta(microseconds=self.time)
        return Event(self.user, self.item, self.scenario, self.action, self.value, time)


class ChangeKind(StrEnum):
    """What a change is about."""

    item = "item"
    """an item of a scenario: its fields by the names of the columns of its table"""
    user = "user"
    """a user, known in every scenario: their fields"""
    rules = "rules"
    """the rules of a scenario, all of them"""
    model = "model"
    """which run answers, on every server: its id, and those before it"""
    movement = "movement"
    """what is believed of an item was set back to an earlier moment: the beliefs, and since when"""
    erasure = "erasure"
    """a user was erased: `name` is no id but the salt, `fields` hold the digest; see `erasure_of`"""


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """Something was described anew, or taken away.

    Attributes:
        scenario: empty where it is known in every scenario.
        name: the id of what changed.
        fields: all that is known of it from now on; None: it is gone.
        id: by which the change is known again; None: it may be told any number of times.
    """

    kind: ChangeKind
    scenario: str
    name: str
    fields: Mapping[str, Any] | None
    id: str | None = None


Entry: TypeAlias = LoggedEvent | LoggedChange


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that are kept together or not at all.

    Attributes:
        entries: as they are to be kept.
        key: by which the batch is known again; None: by the ids of its entries alone.
        digest: of what the sender said, to tell a repetition from another batch under the same key.
    """

    entries: tuple[Entry, ...]
    key: str | None = None
    digest: bytes = b""

    @classmethod
    def of(cls, entries: Sequence[Entry], key: str | None = None) -> Batch:
        """Make a batch whose digest is that of its entries."""
        return cls(tuple(entries), key, digest_of(entries))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch.

    Attributes:
        accepted: how many of its entries were new; of a repeated batch, how many were when it came first.
        duplicates: how many had come before, by their ids.
        last: the offset of the log's last entry when it was kept; 0 in an empty log.
        fresh: the entries that this call has added, with their offsets.
        repeated: whether the whole batch had come before.
        conflict: whether another batch came before under the same key; nothing was kept then.
    """

    accepted: int
    duplicates: int
    last: int
    fresh: tuple[tuple[int, Entry], ...] = ()
    repeated: bool = False
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One request and everything that was decided on it.

    Attributes:
        time: microseconds since 1970, UTC.
        run: which model answered.
        position: how many events the model knew.
        candidates: (C,) codes in the catalogue of the run, `CODES` as bytes.
        scores: (C,) of the candidates, `SCORES` as bytes.
        details: the request, and the slate with its propensities, by ids that outlive the run.
    """

    id: str
    time: int
    user: str
    scenario: str
    run: str
    position: int
    candidates: bytes = b""
    scores: bytes = b""
    details: Mapping[str, Any] = field(default_factory=dict)


class EventStore(Protocol):
    """An ordered log of events and changes.

    Offsets start at 1 and grow, with gaps where something was erased. A call sees all that earlier ones kept.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes may append to it too."""
        ...

    @property
    def identity(self) -> str:
        """A name that this log alone has, made when it began: offsets of another log tell nothing here."""
        ...

    @property
    def last(self) -> int:
        """The offset of the last entry; 0 in an empty log. Never shrinks.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    @property
    def forgotten(self) -> int:
        """The offset up to which entries may have been forgotten; 0: none was.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    def append(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Keep batches, each whole or not at all; on return they are durable.

        Batches and entries that came before, by their keys and ids, are not kept again.

        Raises:
            StoreError: nothing is known to have been kept; the caller may look, and try again.
        """
        ...

    def since(self, offset: int, limit: int) -> Iterator[tuple[int, Entry]]:
        """Yield at most `limit` entries after an offset, with their offsets, in order.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    def wait(self, offset: int, seconds: float) -> bool:
        """Return whether there are entries after an offset, as soon as there are, or when the time is over.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    def events_of(self, user: str) -> Iterator[tuple[int, Entry]]:
        """Yield everything that is kept of a user, with the offsets, in order.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    def erase(self, user: str) -> Erased:
        """Remove everything that is kept of a user and add the change that tells so; durable on return.

        What was removed is in no table any more, and in no file that the store keeps by itself.

        Raises:
            StoreError: nothing is known to have been removed; it may be tried again.
        """
        ...

    def forget(self, offset: int, before: int) -> int:
        """Remove events up to an offset that happened before a moment, and return how many.

        Changes are kept: what is known of items and users does not age. The keys of batches that came before
        that moment are forgotten too: under one of them another batch may come.

        Args:
            offset: up to which a snapshot holds the log.
            before: microseconds since 1970, UTC; events without a time are kept.

        Raises:
            StoreError: nothing was removed.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class DecisionStore(Protocol):
    """A log of decisions, the oldest of which are forgotten in time."""

    def record(self, records: Sequence[DecisionRecord]) -> None:
        """Keep decisions: they survive the end of the process, the last ones perhaps not that of the machine.

        Raises:
            StoreError: none was kept.
        """
        ...

    def find(self, decision: str) -> DecisionRecord | None:
        """Return a decision by its id; None where there is none (any more).

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    def since(self, number: int, limit: int) -> Iterator[tuple[int, DecisionRecord]]:
        """Yield at most `limit` decisions after a number, with their numbers, in the order of recording.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    def decisions_of(self, user: str, limit: int) -> list[DecisionRecord]:
        """Return the latest decisions for a user, latest first.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    def erase(self, user: str) -> int:
        """Remove the decisions for a user and return how many; durable on return.

        Raises:
            StoreError: nothing is known to have been removed; it may be tried again.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of a user's entries.

    Attributes:
        offset: of the change that tells of the erasure.
        entries: how many were removed.
        marker: the change.
    """

    offset: int
    entries: int
    marker: LoggedChange


def erasure_of(user: str, salt: str) -> LoggedChange:
    """Return the change that tells other servers of an erasure without telling the id.

    Who holds the log and guesses an id can confirm the guess, but nobody can read the id from it.
    """
    digest = hashlib.sha256(f"{salt}/{user}".encode("utf-8", "surrogatepass")).hexdigest()
    return LoggedChange(ChangeKind.erasure, "", salt, {"sha256": digest})


def kind_of(name: str) -> ChangeKind:
    """Return the kind of a change by the name that a log keeps.

    Raises:
        StoreError: a later version wrote it.
    """
    try:
        return ChangeKind(name)
    except ValueError:
        known = ", ".join(ChangeKind)
        raise StoreError(
            f"expected a change of a kind out of {known}, found '{name}'; "
            "use the version of Polyscene that wrote it"
        ) from None


def digest_of(entries: Sequence[Entry]) -> bytes:
    """Return 32 bytes that tell these entries from any others."""
    return hashlib.sha256(msgspec.json.encode(list(entries))).digest()
