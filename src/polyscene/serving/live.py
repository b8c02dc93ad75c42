"""A run that takes events through a log: durable first, then learned, and only then acknowledged.

One thread writes. What waits is kept in one transaction and taken into the live system in the order of the
log, so that a replay of the log gives the same system again. Where other servers append to the log too, a
second thread learns what they added; at the same offset all of them are in the same state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event, Lock, Thread

from polyscene.core.errors import ConflictError, StoreError
from polyscene.core.progress import Progress, Silent
from polyscene.engine.updates import Intake
from polyscene.runs.run import Run
from polyscene.serving.checking import EventCheck, with_neutral_actions
from polyscene.serving.limits import MAX_SECONDS_AHEAD
from polyscene.serving.log_learner import ChangeHandler, LogLearner
from polyscene.serving.stores.contract import (
    Batch,
    ChangeKind,
    Entry,
    EventStore,
    LoggedEvent,
    Receipt,
    digest_of,
)
from polyscene.serving.writer import GroupWriter

MAX_BATCHES_WAITING = 10_000
MAX_BATCHES_AT_ONCE = 500
ENTRIES_PER_PAGE = 5_000
SECONDS_TO_FOLLOW = 0.5
"""Who follows the log hears so often that nothing came, and looks whether to stop."""
SECONDS_BEFORE_RETRY = 0.2
MAX_MICROSECONDS_BACK = MAX_SECONDS_AHEAD * 1_000_000
"""A clock that is set back by less does not turn the order of events around."""

Visible = Callable[[float, Receipt], None]
"""Hears of every batch: the seconds from its arrival until requests see it, and what became of it."""


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
        from_the_rest: start from what is left of a log whose beginning was forgotten.

    Raises:
        StoreError: the log cannot be read, or its beginning was forgotten.

    Attributes:
        replayed: how many entries were replayed at the start.
        applied: the offset up to which the log is learned.
        fault: why the live system cannot follow its log any more; None: it can.
        trouble: why the log could not be read a moment ago; None: it could.
    """

    def __init__(
        self,
        run: Run,
        store: EventStore,
        progress: Progress | None = None,
        visible: Visible | None = None,
        handlers: Mapping[ChangeKind, ChangeHandler] | None = None,
        from_the_rest: bool = False,
    ) -> None:
        self.run, self.store, self.system = run, store, run.system
        settings = {name: with_neutral_actions(one) for name, one in run.settings.items()}
        self._intake = Intake(self.system, settings)
        self.check = EventCheck(self.system, self._intake, settings)
        self._clocks = {name: state.clock for name, state in self.system.scenarios.items()}
        self._visible = visible or (lambda seconds, receipt: None)
        self.applied, erased = held_of(run, store)
        self._learner = LogLearner(self._intake, handlers or {}, erased)
        self.fault: str | None = None
        self.trouble: str | None = None
        self._lagging, self._present = False, 0
        self._order, self._stopping = Lock(), Event()
        if not from_the_rest:
            _demand_the_beginning(store, self.applied)
        self.replayed = self._catch_up(progress or Silent())
        self._follower = Thread(target=self._follow, name="the follower of the log", daemon=True)
        if store.shared:
            self._follower.start()
        self._writer = GroupWriter[_Submission](
            "the event log", self._write, MAX_BATCHES_WAITING, MAX_BATCHES_AT_ONCE
        )

    @property
    def unfit(self) -> int:
        """How many entries of the log the run cannot take: items that it does not know."""
        return self._learner.unfit

    @property
    def erased(self) -> int:
        """The offset of the last erasure that was learned; 0: none."""
        return self._learner.erased

    @property
    def waiting(self) -> int:
        """How many batches wait to be written."""
        return len(self._writer)

    @property
    def ready(self) -> bool:
        """Whether events are taken."""
        return self._writer.alive and self.fault is None and self.trouble is None

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

    def catch_up(self) -> None:
        """Learn what was added to the log in other ways than through this live run.

        Raises:
            StoreError: the log cannot be read.
        """
        with self._order:
            self._catch_up(Silent())

    def hand_over(self, successor: LiveRun, change: Callable[[], None]) -> None:
        """Let another live run take over, so that there is no entry of the log that neither heard of.

        Args:
            successor: follows the same log.
            change: is called while both stand still, when this one has learned no less than its successor.

        Raises:
            StoreError: the log cannot be read.
        """
        with successor.standing_still(), self._order:
            self._catch_up(Silent())
            change()

    @contextmanager
    def standing_still(self) -> Iterator[int]:
        """Yield the offset up to which the log is learned; nothing is learned meanwhile, requests go on."""
        with self._order:
            yield self.applied

    def close(self) -> None:
        """Write what waits, and stop. The store stays open."""
        self._writer.close()
        self._stopping.set()
        if self._follower.is_alive():
            self._follower.join()

    def _write(self, group: list[_Submission]) -> None:
        """Keep, learn and acknowledge a group of batches."""
        with self._order:
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
            self._learn_receipt(receipt)
        except StoreError as error:
            self._lagging = True
            submission.receipt.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001 - whatever a signal raises, the log is right and the state is not
            submission.receipt.set_exception(StoreError(self._give_up(error)))
            return
        if receipt.conflict:
            key = submission.batch.key
            message = f"expected a new key, found {key!r}, under which other events came; use another"
            submission.receipt.set_exception(ConflictError(message))
            return
        self._visible(time.perf_counter() - submission.arrived, receipt)
        submission.receipt.set_result(receipt)

    def _learn_receipt(self, receipt: Receipt) -> None:
        """Learn everything up to the end of a batch: what others added before it comes first."""
        if receipt.fresh and receipt.fresh[0][0] == self.applied + 1:
            self._learner.learn(receipt.fresh)
        elif receipt.last > self.applied:
            self._catch_up(Silent(), receipt.last)
        self.applied = max(self.applied, receipt.last)

    def _give_up(self, error: Exception) -> str:
        self.fault = (
            f"expected to learn from the log, found {type(error).__name__}; restart to replay the log"
        )
        return self.fault

    def _follow(self) -> None:
        """Learn what other servers add, until told to stop."""
        while self.fault is None and not self._stopping.is_set():
            try:
                if self.store.wait(self.applied, SECONDS_TO_FOLLOW) or self.trouble is not None:
                    self.catch_up()
                self.trouble = None
            except StoreError as error:
                self.trouble = str(error)
                self._stopping.wait(SECONDS_BEFORE_RETRY)
            except Exception as error:  # noqa: BLE001 - as above
                self._give_up(error)

    def _dated(self, batch: Batch) -> Batch:
        """Give the present time to events without one, where the scenario's clock shows the time."""
        present = time.time_ns() // 1000
        if not 0 < self._present - present < MAX_MICROSECONDS_BACK:
            self._present = present
        entries = [
            replace(entry, time=self._present)
            if isinstance(entry, LoggedEvent)
            and entry.time is None
            and self._clocks[entry.scenario] == "time"
            else entry
            for entry in batch.entries
        ]
        return replace(batch, entries=tuple(entries))

    def _catch_up(self, progress: Progress, goal: int | None = None) -> int:
        """Learn what the log holds and the live system does not know yet, at least up to a goal.

        Returns:
            How many entries these were.

        Raises:
            StoreError: the log cannot be read, or is shorter than it was.
        """
        last, count = self.store.last if goal is None else goal, 0
        if last < self.applied:
            self.fault = (
                f"expected a log of {self.applied:,} entries or more, found {last:,}: it was set back; "
                "restart to replay it"
            )
            raise StoreError(self.fault)
        listener = progress if last > self.applied else Silent()
        with listener.track("replaying the log", last - self.applied, "entries") as advance:
            while (goal is None or self.applied < goal) and (
                page := list(self.store.since(self.applied, ENTRIES_PER_PAGE))
            ):
                self._learner.learn(page)
                self.applied = page[-1][0]
                count += len(page)
                advance(len(page))
        self._lagging = False
        return count


def held_of(run: Run, store: EventStore) -> tuple[int, int]:
    """Return up to which offset a run holds a log, and that of the last erasure in it; 0: nothing of it."""
    log = run.manifest.get("log", {})
    return (
        (int(log["offset"]), int(log.get("erased", 0))) if log.get("identity") == store.identity else (0, 0)
    )


def _demand_the_beginning(store: EventStore, held: int) -> None:
    """Look whether a log has everything that a run does not hold.

    Raises:
        StoreError: the beginning of the log was forgotten.
    """
    if held < store.forgotten:
        snapshot = f"one up to {held:,}" if held else "none"
        raise StoreError(
            f"expected a snapshot of this run that holds the log up to {store.forgotten:,}, since older "
            f"events were forgotten, found {snapshot}; put the folder of snapshots back, or take another "
            "server's, or start from what is left with --from-the-rest"
        )
