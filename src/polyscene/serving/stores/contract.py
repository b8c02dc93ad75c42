"""What a service expects of the places where events and decisions are kept.

The log of events is the truth: what is in it has happened, in its order, and a live system is its replay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from polyscene.core.types import Event

CODES, SCORES = "<i4", "<f4"
"""How numpy reads the arrays of a decision."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that are kept together or not at all.

    Attributes:
        events: as they are to be kept.
        key: by which the batch is known again; None: by the ids of its events alone.
        digest: of what the sender said, to tell a repetition from another batch under the same key.
    """

    events: tuple[LoggedEvent, ...]
    key: str | None = None
    digest: bytes = b""

    @classmethod
    def of(cls, events: Sequence[LoggedEvent], key: str | None = None) -> Batch:
        """Make a batch whose digest is that of its events."""
        return cls(tuple(events), key, digest_of(events))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch.

    Attributes:
        accepted: how many of its events were new; of a repeated batch, how many were when it came first.
        duplicates: how many had come before, by their ids.
        last: the offset of the log's last event when it was kept; 0 in an empty log.
        fresh: the events that this call has added, with their offsets.
        repeated: whether the whole batch had come before.
        conflict: whether another batch came before under the same key; nothing was kept then.
    """

    accepted: int
    duplicates: int
    last: int
    fresh: tuple[tuple[int, LoggedEvent], ...] = ()
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
    """An ordered log of events. Offsets start at 1 and grow; a call sees all that earlier calls kept."""

    def append(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Keep batches, each whole or not at all; on return they are durable.

        Batches and events that came before, by their keys and ids, are not kept again.

        Raises:
            StoreError: nothing is known to have been kept; the caller may look, and try again.
        """
        ...

    def since(self, offset: int, limit: int) -> Iterator[tuple[int, LoggedEvent]]:
        """Yield at most `limit` events after an offset, with their offsets, in order.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    @property
    def last(self) -> int:
        """The offset of the last event; 0 in an empty log."""
        ...

    def known_to(self, run: str) -> int:
        """Return up to which offset a run already holds the log; 0: nothing of it.

        Raises:
            StoreError: the store cannot be read.
        """
        ...

    def remember(self, run: str, offset: int) -> None:
        """Keep up to which offset a run holds the log; durable on return.

        Raises:
            StoreError: it could not be kept.
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

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def digest_of(events: Sequence[LoggedEvent]) -> bytes:
    """Return 32 bytes that tell these events from any others."""
    return hashlib.sha256(msgspec.json.encode(list(events))).digest()
