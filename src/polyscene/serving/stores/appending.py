"""What becomes of batches that are added to a log, given what it knows already: pure rules, no store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from polyscene.serving.stores.contract import Batch, Entry, LoggedEvent, Receipt


@dataclass(frozen=True, slots=True)
class LoggedBatch:
    """What a log keeps of a batch under its key."""

    digest: bytes
    accepted: int
    duplicates: int
    last: int


class Appending:
    """Batches on their way into a log that nobody else can change meanwhile.

    Args:
        last: the offset of the log's last entry.
        keys: what is kept under those keys of the batches to come that came before.
        events, changes: those ids of the entries to come that came before.

    Attributes:
        fresh: what is to be kept, with its offsets.
        batches: what is to be kept of the batches themselves, by their keys.
    """

    def __init__(
        self, last: int, keys: dict[str, LoggedBatch], events: Iterable[str], changes: Iterable[str]
    ) -> None:
        self.last, self._keys = last, keys
        self._events, self._changes = set(events), set(changes)
        self.fresh: list[tuple[int, Entry]] = []
        self.batches: list[tuple[str, LoggedBatch]] = []

    def add(self, batch: Batch) -> Receipt:
        """Take in a batch, and return what became of it."""
        earlier = None if batch.key is None else self._keys.get(batch.key)
        if earlier is not None:
            return _repeated(earlier, batch)
        entries = [entry for entry in batch.entries if self._is_new(entry)]
        fresh = tuple(enumerate(entries, self.last + 1))
        self.last += len(fresh)
        self.fresh += fresh
        duplicates = len(batch.entries) - len(fresh)
        if batch.key is not None:
            self._keys[batch.key] = kept = LoggedBatch(batch.digest, len(fresh), duplicates, self.last)
            self.batches.append((batch.key, kept))
        return Receipt(len(fresh), duplicates, self.last, fresh)

    def _is_new(self, entry: Entry) -> bool:
        """Return whether an entry did not come before, and remember it."""
        if entry.id is None:
            return True
        ids = self._events if isinstance(entry, LoggedEvent) else self._changes
        if entry.id in ids:
            return False
        ids.add(entry.id)
        return True


def _repeated(earlier: LoggedBatch, batch: Batch) -> Receipt:
    if earlier.digest != batch.digest:
        return Receipt(0, 0, earlier.last, conflict=True)
    return Receipt(earlier.accepted, earlier.duplicates, earlier.last, repeated=True)
