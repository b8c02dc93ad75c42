"""Everything a service holds, opened together and closed in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from polyscene.core.progress import Progress
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.runs.run import Run
from polyscene.serving.auth import KeyFile
from polyscene.serving.catalogue_changes import CatalogueChanges
from polyscene.serving.decisions import DecisionLog
from polyscene.serving.known import Known
from polyscene.serving.live import LiveRun
from polyscene.serving.management import KNOWN, Management
from polyscene.serving.metrics import Metrics
from polyscene.serving.stores.contract import DecisionStore, EventStore
from polyscene.serving.stores.sqlite_decisions import SqliteDecisionStore
from polyscene.serving.stores.sqlite_events import SqliteEventStore

EVENTS, DECISIONS, KEYS = "events.db", "decisions.db", "keys.json"
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
        management: what changes it while it serves.
    """

    live: LiveRun
    decisions: DecisionLog
    stores: tuple[EventStore, DecisionStore]
    metrics: Metrics
    keys: KeyFile | None
    pool: ThreadPoolExecutor
    management: Management = field(init=False)

    @classmethod
    def open(
        cls, run: Run, folder: Path, keys: KeyFile | None = None, progress: Progress | None = None
    ) -> Service:
        """Open the logs in a folder, replay what the run does not know, and load what requests need.

        Raises:
            StoreError: the logs cannot be used.
            RunError: the run cannot be read.
        """
        metrics, pool = Metrics(), ThreadPoolExecutor(THREADS, "request")
        with ExitStack() as undo:
            events = SqliteEventStore(folder / EVENTS)
            undo.callback(events.close)
            decisions = SqliteDecisionStore(folder / DECISIONS)
            undo.callback(decisions.close)
            known = Known(folder / KNOWN)
            undo.callback(known.close, events.identity)
            known.follow(events)
            changes = CatalogueChanges(run, known)
            live = LiveRun(run, events, progress, metrics.batch_visible, changes.handlers)
            undo.pop_all()
        service = cls(live, DecisionLog(decisions), (events, decisions), metrics, keys, pool)
        service.management = Management(service, folder, known, changes)
        service._watch()
        service.warm_up(live)
        return service

    async def in_pool(
        self, function: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """Compute beside the loop that takes requests."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Write what waits, then close everything."""
        self.management.close()
        self.live.close()
        self.management.known.close(self.live.store.identity)
        self.decisions.close()
        self.pool.shutdown()
        for store in self.stores:
            store.close()

    def _watch(self) -> None:
        decisions, jobs = self.decisions, self.management.jobs
        watch = self.metrics.watch
        watch(
            "polyscene_log_offset", "Offset of the last event that requests see.", lambda: self.live.applied
        )
        watch("polyscene_batches_waiting", "Batches that wait to be durable.", lambda: self.live.waiting)
        watch(
            "polyscene_events_unfit", "Events of the log that the run cannot take.", lambda: self.live.unfit
        )
        watch("polyscene_job_rows_waiting", "Rows of items that wait to be taken.", lambda: jobs.waiting)
        watch("polyscene_decisions_lost", "Decisions that could not be kept.", lambda: decisions.lost)
        watch("polyscene_decisions_waiting", "Decisions that wait for the disk.", lambda: decisions.waiting)

    @staticmethod
    def warm_up(live: LiveRun) -> None:
        """Load compiled loops, and let every scenario of a live run answer once."""
        from polyscene.recommenders import kernels  # noqa: F401 - numba, which is loaded once and for all

        for name in live.system.scenarios:
            decide(live.system, Request("", name, 10))
