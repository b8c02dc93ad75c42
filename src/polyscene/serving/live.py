"""A run that takes events through a log: durable first, then learned, and only then acknowledged.

One thread writes. What waits is kept in one transaction and taken into the live system in the order of the
log, so that a replay of the log gives the same system again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from polyscene.core.errors import ConflictError, PolysceneError, StoreError
from polyscene.core.progress import Progress, Silent
from polyscene.engine.updates import Intake
from polyscene.runs.run import Run
from polyscene.serving.checking import EventCheck, with_neutral_actions
from polyscene.serving.stores.contract import (
    Batch,
    ChangeKind,
    Entry,
    EventStore,
    LoggedChange,
    LoggedEvent,
    Receipt,
    digest_of,
)
from polyscene.serving.writer import GroupWriter

MAX_BATCHES_WAITING = 10_000
MAX_BATCHES_AT_ONCE = 500
EVENTS_AT_ONCE = 64
"""So many events are learned before requests get a turn."""
ENTRIES_PER_PAGE = 5_000

Visible = Callable[[float, Receipt], None]
"""Hears of every batch: the seconds from its arrival until requests see it, and what became of it."""
ChangeHandler = Callable[[LoggedChange], None]
"""Takes a change into the live system."""


@dataclass(frozen=True)
class _Submission:
    batch: Batch
    receipt: Future[Receipt]
    arrived: float


class LiveRun:
    """A run and the log of what happened since.

    Args:
        run: to start from.
        store: the log; what the run does not hold of it is replayed now.
        progress: hears of the replay.
        visible: hears of every batch.
        handlers: take changes into the live system, by what they are about.

    Attributes:
        replayed: how many entries were replayed at the start.
        unfit: how many entries of the log the run cannot take: items that it does not know.
        fault: why the live system is behind its log; None: it is not.
    """

    def __init__(
        self,
        run: Run,
        store: EventStore,
        progress: Progress | None = None,
        visible: Visible | None = None,
        handlers: Mapping[ChangeKind, ChangeHandler] | None = None,
    ) -> None:
        self.run, self.store, self.system = run, store, run.system
        settings = {name: with_neutral_actions(one) for name, one in run.settings.items()}
        self._intake = Intake(self.system, settings)
        self.check = EventCheck(self.system, self._intake, settings)
        self._clocks = {name: state.clock for name, state in self.system.scenarios.items()}
        self._visible = visible or (lambda seconds, receipt: None)
        self._handlers = dict(handlers or {})
        self.applied, self.unfit = _held(run, store), 0
        self.fault: str | None = None
        self._lagging = False
        before = self.applied
        self._catch_up(progress or Silent())
        self.replayed = self.applied - before
        self._writer = GroupWriter[_Submission](
            "the event log", self._write, MAX_BATCHES_WAITING, MAX_BATCHES_AT_ONCE
        )

    @property
    def waiting(self) -> int:
        """How many batches wait to be written."""
        return len(self._writer)

    @property
    def ready(self) -> bool:
        """Whether events are taken."""
        return self._writer.alive and self.fault is None

    def submit(self, entries: Sequence[Entry], key: str | None = None) -> Future[Receipt]:
        """Hand in entries, all or none; the receipt comes when they are durable and requests see them.

        Args:
            entries: events without a time happen now; changes were checked by who hands them in.
            key: by which the batch is known if it comes again.

        Raises:
            EventsRefusedError: some cannot be taken.
            StoreError: too much is waiting, or the service is stopping.
        """
        if self.fault is not None:
            raise StoreError(self.fault)
        self.check.demand([entry for entry in entries if isinstance(entry, LoggedEvent)])
        batch = Batch(tuple(entries), key, digest_of(entries))
        submission = _Submission(batch, Future[Receipt](), time.perf_counter())
        submission.receipt.set_running_or_notify_cancel()  # a caller who goes away cannot take it back
        self._writer.put(submission)
        return submission.receipt

    def close(self) -> None:
        """Write what waits, and stop. The store stays open."""
        self._writer.close()

    def _write(self, group: list[_Submission]) -> None:
        """Keep, learn and acknowledge a group of batches."""
        try:
            if self._lagging:
                self._catch_up(Silent())
            receipts = self.store.append([self._dated(one.batch) for one in group])
        except Exception as error:  # noqa: BLE001 - the thread lives on, and everyone is told
            self._lagging = True  # what was not acknowledged may be in the log all the same
            for one in group:
                one.receipt.set_exception(error)
            return
        for one, receipt in zip(group, receipts, strict=True):
            self._finish(one, receipt)

    def _finish(self, submission: _Submission, receipt: Receipt) -> None:
        try:
            self._learn([entry for _, entry in receipt.fresh])
            self.applied = max(self.applied, receipt.last)
        except Exception as error:  # noqa: BLE001 - whatever a signal raises, the log is right and the state is not
            self.fault = (
                f"expected to learn from the log, found {type(error).__name__}; restart to replay the log"
            )
            submission.receipt.set_exception(StoreError(self.fault))
            return
        if receipt.conflict:
            key = submission.batch.key
            message = f"expected a new key, found {key!r}, under which other events came; use another"
            submission.receipt.set_exception(ConflictError(message))
            return
        self._visible(time.perf_counter() - submission.arrived, receipt)
        submission.receipt.set_result(receipt)

    def _dated(self, batch: Batch) -> Batch:
        """Give the present time to events without one, where the scenario's clock shows the time."""
        present = time.time_ns() // 1000
        entries = [
            replace(entry, time=present)
            if isinstance(entry, LoggedEvent)
            and entry.time is None
            and self._clocks[entry.scenario] == "time"
            else entry
            for entry in batch.entries
        ]
        return replace(batch, entries=tuple(entries))

    def _catch_up(self, progress: Progress) -> None:
        """Learn what the log holds and the live system does not know yet."""
        behind = self.store.last - self.applied
        told = progress if behind else Silent()
        with told.track("replaying the log", behind, "entries") as advance:
            while page := list(self.store.since(self.applied, ENTRIES_PER_PAGE)):
                self._learn([entry for _, entry in page])
                self.applied = page[-1][0]
                advance(len(page))
        self._lagging = False

    def _learn(self, entries: Sequence[Entry]) -> None:
        """Take entries into the live system, neighbouring events in blocks."""
        block: list[LoggedEvent] = []
        for entry in entries:
            if isinstance(entry, LoggedEvent):
                block.append(entry)
                if len(block) < EVENTS_AT_ONCE:
                    continue
            self._observe(block)
            block = []
            if isinstance(entry, LoggedChange):
                self._change(entry)
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


def _held(run: Run, store: EventStore) -> int:
    """Return up to which offset a run holds a log; 0: nothing of it."""
    log = run.manifest.get("log", {})
    return int(log["offset"]) if log.get("identity") == store.identity else 0
