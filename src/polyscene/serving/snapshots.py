"""Keeps snapshots of a live run, so that a start replays only the rest of the log.

A snapshot is taken while the log stands still and requests go on, and written afterwards, while everything
goes on. What snapshots hold, the log may forget.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

from polyscene.core.errors import PolysceneError, RunError
from polyscene.engine.changes import changes_of, resume
from polyscene.runs.run import Run
from polyscene.runs.snapshots import (
    Snapshot,
    read_snapshot,
    remove_snapshots,
    snapshots_in,
    write_snapshot,
)
from polyscene.serving.live import LiveRun
from polyscene.serving.stores.contract import EventStore

_log = logging.getLogger(__name__)

SNAPSHOTS = "snapshots"
"""In the folder of a service."""
SECONDS_BETWEEN_LOOKS = 1.0
MICROSECONDS_PER_DAY = 86_400_000_000
OFFSETS_AT_ONCE = 20_000
"""So much of the log is looked through for old events before others get a turn."""


@dataclass(frozen=True)
class SnapshotSettings:
    """When snapshots are taken, and how long events are kept.

    Attributes:
        entries: after so many entries of the log.
        seconds: after so long, where anything came.
        keep: so many are kept.
        event_days: events are forgotten so long after they happened, once all kept snapshots hold them;
            None: never.
    """

    entries: int = 50_000
    seconds: float = 900.0
    keep: int = 2
    event_days: float | None = None


def resume_newest(
    run: Run,
    store: EventStore,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
    most: int | None = None,
) -> Snapshot | None:
    """Bring a run that was just opened to its newest snapshot of a log; None: there is none that fits.

    Args:
        run: its system changes in place; its manifest says then up to where it holds the log.
        folder: of the snapshots.
        say: hears of snapshots that are passed over.
        most: of those that hold no more of the log than this; None: of all.

    Raises:
        StoreError: the log cannot be read.
    """
    forgotten, last = store.forgotten, store.last
    for snapshot in snapshots_in(folder):
        if (snapshot.run, snapshot.log) != (run.id, store.identity):
            continue
        if most is not None and snapshot.offset > most:
            continue
        if not forgotten <= snapshot.offset <= last:
            say(
                f"snapshot {snapshot.folder.name} passed over: it holds the log up to {snapshot.offset:,}, "
                f"which has what is from {forgotten:,} to {last:,}"
            )
            continue
        try:
            resume(run.system, read_snapshot(snapshot))
        except RunError as error:
            say(f"snapshot {snapshot.folder.name} passed over: {error}")
            run.reload()
            continue
        run.manifest["log"] = {"identity": snapshot.log, "offset": snapshot.offset, "erased": snapshot.erased}
        return snapshot
    return None


class SnapshotKeeper:
    """Takes snapshots of a live run now and then, and removes those that are not needed any more.

    Args:
        live: of which.
        folder: where they lie.
        settings: when.
        held: the offset up to which the newest one holds the log.

    Attributes:
        trouble: why the last one could not be written; None: it could, or there was none.
    """

    def __init__(
        self, live: LiveRun, folder: Path, settings: SnapshotSettings | None = None, held: int = 0
    ) -> None:
        self.live, self.folder, self.settings = live, folder, settings or SnapshotSettings()
        self.trouble: str | None = None
        self._taken_at, self._taken = time.monotonic(), held
        self._erased = live.erased
        self._stopping, self._writing = Event(), Lock()
        self._thread = Thread(target=self._run, name="the keeper of snapshots", daemon=True)
        self._thread.start()

    def take(self) -> Snapshot:
        """Take a snapshot now, remove those that are not needed any more, and let the log forget.

        Raises:
            RunError: it cannot be written.
            StoreError: the log cannot forget now.
        """
        live = self.live
        with self._writing:
            with live.standing_still() as offset, live.system.lock.reading():
                changes, erased = changes_of(live.system), live.erased
            self._taken_at = time.monotonic()
            snapshot = write_snapshot(self.folder, changes, live.run.id, live.store.identity, offset, erased)
            self._taken, self._erased = offset, erased
            self._remove_old(snapshot)
            self._forget()
        return snapshot

    def close(self) -> None:
        """Stop, and take a last snapshot where anything came since the one before.

        The live run takes no more by then.
        """
        self._stopping.set()
        self._thread.join()
        if self.live.fault is None and self.live.applied > self._taken:
            self._try()

    def _run(self) -> None:
        while not self._stopping.wait(SECONDS_BETWEEN_LOOKS):
            if self.live.fault is None and self._is_due():
                self._try()

    def _is_due(self) -> bool:
        fresh, seconds = self.live.applied - self._taken, time.monotonic() - self._taken_at
        if self.trouble is not None:  # again, but not all the time
            return seconds >= min(self.settings.seconds, 60.0)
        late = fresh > 0 and seconds >= self.settings.seconds
        return late or fresh >= self.settings.entries or self.live.erased > self._erased

    def _try(self) -> None:
        """Take a snapshot; the service does not need it, the log has everything."""
        try:
            self.take()
        except (PolysceneError, OSError) as error:
            self._taken_at, self.trouble = time.monotonic(), str(error)
            _log.warning("no snapshot was taken: %s", error)
        except Exception as error:  # noqa: BLE001 - the thread lives on; the log has everything
            self._taken_at, self.trouble = time.monotonic(), f"{type(error).__name__} in the code"
            _log.exception("no snapshot was taken")
        else:
            self.trouble = None

    def _remove_old(self, newest: Snapshot) -> None:
        """Remove what is older than the newest few of a run, and what knows somebody who was erased since."""
        known = [one for one in snapshots_in(self.folder) if one.log == newest.log]
        own = [one for one in known if one.run == newest.run]
        needed_from = max(newest.erased, self.live.store.forgotten)
        stale = [one for one in known if one.offset < needed_from]
        remove_snapshots({one.folder: one for one in [*own[self.settings.keep :], *stale]}.values())

    def _forget(self) -> None:
        """Let the log forget old events that every kept snapshot holds."""
        days = self.settings.event_days
        if days is None:
            return
        store = self.live.store
        known = snapshots_in(self.folder)
        held = [one.offset for one in known if (one.run, one.log) == (self.live.run.id, store.identity)]
        before = time.time_ns() // 1000 - int(days * MICROSECONDS_PER_DAY)
        goal = min(held)
        for offset in range(min(store.forgotten + OFFSETS_AT_ONCE, goal), goal + 1, OFFSETS_AT_ONCE):
            store.forget(offset, before)
        store.forget(goal, before)
