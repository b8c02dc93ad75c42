"""Entries of a log taken into a live system: events in blocks, changes by their handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from polyscene.core.errors import PolysceneError, StoreError
from polyscene.engine.updates import Intake
from polyscene.serving.stores.contract import ChangeKind, Entry, LoggedChange, LoggedEvent

EVENTS_AT_ONCE = 64
"""So many events are learned before requests get a turn."""

ChangeHandler = Callable[[LoggedChange], None]
"""Takes a change into the live system."""


class LogLearner:
    """Takes a log into a live system, in its order.

    Args:
        intake: of the system.
        handlers: take changes, by what they are about.
        erased: the offset of the last erasure that the system holds.

    Attributes:
        unfit: how many entries could not be taken: of items that the system does not know.
        erased: the offset of the last erasure that was learned; 0: none.
    """

    def __init__(self, intake: Intake, handlers: Mapping[ChangeKind, ChangeHandler], erased: int = 0) -> None:
        self._intake, self._handlers = intake, dict(handlers)
        self.unfit, self.erased = 0, erased

    def learn(self, entries: Iterable[tuple[int, Entry]]) -> None:
        """Take entries with their offsets, neighbouring events in blocks."""
        block: list[LoggedEvent] = []
        for offset, entry in entries:
            if isinstance(entry, LoggedEvent):
                block.append(entry)
                if len(block) < EVENTS_AT_ONCE:
                    continue
            self._observe(block)
            block = []
            if isinstance(entry, LoggedChange):
                self._change(entry)
                self.erased = offset if entry.kind == ChangeKind.erasure else self.erased
        self._observe(block)

    def _observe(self, block: Sequence[LoggedEvent]) -> None:
        events = [event.as_event() for event in block]
        try:
            self._intake.observe(events)
        except PolysceneError:
            for event in events:
                try:
                    self._intake.observe([event])
                except PolysceneError:
                    self.unfit += 1

    def _change(self, change: LoggedChange) -> None:
        handler = self._handlers.get(change.kind)
        try:
            if handler is None:
                raise StoreError(f"expected a kind of change that is known, found '{change.kind}'")
            handler(change)
        except PolysceneError:
            self.unfit += 1
