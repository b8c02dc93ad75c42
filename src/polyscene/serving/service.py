"""Everything a service holds, opened together and closed in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from polyscene.core.progress import Progress, Silent
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.runs.run import Run
from polyscene.serving.auth import KeyFile
from polyscene.serving.decisions import DecisionLog
from polyscene.serving.live import LiveRun
from polyscene.serving.metrics import Metrics
from polyscene.serving.snapshots import SNAPSHOTS, SnapshotKeeper, SnapshotSettings, resume_newest
from polyscene.serving.stores.contract import DecisionStore, EventStore
from polyscene.serving.stores.opening import open_stores

KEYS = "keys.json"
"""In the folder of a service."""
THREADS = 2
"""Requests that compute at the same time."""

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


@dataclass
class Service:
    """A live run with its logs, keys and measurements.

    Attributes:
        keys: None: everybody may do everything.
        snapshots: of the live run.
    """

    live: LiveRun
    decisions: DecisionLog
    stores: tuple[EventStore, DecisionStore]
    metrics: Metrics
    keys: KeyFile | None
    pool: ThreadPoolExecutor
    snapshots: SnapshotKeeper

    @classmethod
    def open(
        cls,
        run: Run,
        folder: Path,
        keys: KeyFile | None = None,
        progress: Progress | None = None,
        *,
        database: str | None = None,
        namespace: str = "default",
        snapshots: SnapshotSettings | None = None,
        from_the_rest: bool = False,
    ) -> Service:
        """Open the logs, replay what neither the run nor a snapshot knows, and load what requests need.

        Args:
            run: to serve.
            folder: of snapshots, and of the logs where there is no database.
            keys: None: everybody may do everything.
            progress: hears of the replay.
            database: the address of the PostgreSQL database with the logs; None: they lie in the folder.
            namespace: tells services apart that share a database.
            snapshots: when they are taken.
            from_the_rest: see `LiveRun`.

        Raises:
            StoreError: the logs cannot be used.
            RunError: the run cannot be read.
        """
        metrics, pool = Metrics(), ThreadPoolExecutor(THREADS, "request")
        with ExitStack() as undo:
            events, decisions = open_stores(folder if database is None else database, namespace)
            undo.callback(events.close)
            undo.callback(decisions.close)
            snapshot = resume_newest(run, events, folder / SNAPSHOTS, (progress or Silent()).say)
            live = LiveRun(run, events, progress, metrics.batch_visible, from_the_rest=from_the_rest)
            undo.pop_all()
        keeper = SnapshotKeeper(
            live, folder / SNAPSHOTS, snapshots, 0 if snapshot is None else snapshot.offset
        )
        service = cls(live, DecisionLog(decisions), (events, decisions), metrics, keys, pool, keeper)
        service._watch()
        service._warm_up()
        return service

    async def in_pool(
        self, function: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """Compute beside the loop that takes requests."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Write what waits, then close everything."""
        self.live.close()
        self.snapshots.close()
        self.decisions.close()
        self.pool.shutdown()
        for store in self.stores:
            store.close()

    def _watch(self) -> None:
        live, decisions = self.live, self.decisions
        watch = self.metrics.watch
        watch("polyscene_log_offset", "Offset of the last event that requests see.", lambda: live.applied)
        watch("polyscene_batches_waiting", "Batches that wait to be durable.", lambda: live.waiting)
        watch("polyscene_events_unfit", "Events of the log that the run cannot take.", lambda: live.unfit)
        watch("polyscene_decisions_lost", "Decisions that could not be kept.", lambda: decisions.lost)
        watch("polyscene_decisions_waiting", "Decisions that wait for the disk.", lambda: decisions.waiting)

    def _warm_up(self) -> None:
        """Load compiled loops, and let every scenario answer once."""
        from polyscene.recommenders import kernels  # noqa: F401 - numba, which is loaded once and for all

        for name in self.live.system.scenarios:
            decide(self.live.system, Request("", name, 10))
