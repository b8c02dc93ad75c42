"""Everything a service holds, opened together and closed in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.progress import Progress
from polyscene.core.settings.service import ServiceSettings
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.runs.run import Run
from polyscene.serving.audit import AuditLog
from polyscene.serving.auth import KeyFile
from polyscene.serving.decisions import DecisionLog
from polyscene.serving.live import LiveRun
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


def open_stores(folder: Path, tenant: str, database: str | None) -> tuple[EventStore, DecisionStore]:
    """Open the logs of a tenant, apart from those of every other tenant.

    Raises:
        StoreError: they cannot be used.
        ConfigError: the database is of a kind that is not known.
    """
    if database is not None:
        raise ConfigError(
            Problem(
                f"the logs of '{tenant}' cannot be kept there",
                "no database: they are kept in SQLite, in the data folder",
                "the address of one",
                "unset POLYSCENE_DATABASE_URL and POLYSCENE_DATABASE_URL_FILE",
            )
        )
    with ExitStack() as undo:
        events = SqliteEventStore(folder / EVENTS)
        undo.callback(events.close)
        decisions = SqliteDecisionStore(folder / DECISIONS)
        undo.pop_all()
    return events, decisions


@dataclass
class Service:
    """A live run with its logs, keys and measurements: all that one tenant has.

    Attributes:
        keys: None: everybody may do everything.
        audit: what was done to the service.
        name: of the tenant, which no other of the process has.
        settings: what its requests may take.
    """

    live: LiveRun
    decisions: DecisionLog
    stores: tuple[EventStore, DecisionStore]
    metrics: Metrics
    keys: KeyFile | None
    pool: ThreadPoolExecutor
    audit: AuditLog
    name: str = ""
    settings: ServiceSettings = field(default_factory=ServiceSettings)

    @classmethod
    def open(
        cls,
        run: Run,
        folder: Path,
        keys: KeyFile | None = None,
        progress: Progress | None = None,
        *,
        name: str = "",
        settings: ServiceSettings | None = None,
        database: str | None = None,
    ) -> Service:
        """Open the logs in a folder, replay what the run does not know, and load what requests need.

        Args:
            name: of the tenant; its measurements carry it.
            database: where the logs are kept instead of the folder; None: in the folder.

        Raises:
            StoreError: the logs cannot be used.
            ConfigError: the database is of a kind that is not known.
            RunError: the run cannot be read.
        """
        limits = settings or ServiceSettings()
        metrics, pool = Metrics(name), ThreadPoolExecutor(THREADS, "request")
        with ExitStack() as undo:
            events, decisions = open_stores(folder, name, database)
            undo.callback(events.close)
            undo.callback(decisions.close)
            live = LiveRun(run, events, progress, metrics.batch_visible)
            undo.pop_all()
        stores, audit = (events, decisions), AuditLog(folder, limits)
        service = cls(live, DecisionLog(decisions), stores, metrics, keys, pool, audit, name, limits)
        service._watch()
        service._warm_up()
        return service

    async def in_pool(
        self, function: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """Compute beside the loop that takes requests."""
        loop, context = asyncio.get_running_loop(), copy_context()  # what is logged there names the request
        return await loop.run_in_executor(self.pool, lambda: context.run(function, *args, **kwargs))

    @property
    def faults(self) -> list[str]:
        """What is the matter, for the log of the service: not for those who ask it."""
        faults = [text for text in (self.live.fault, self.decisions.fault) if text is not None]
        return faults if faults or self.live.ready else ["the event log has stopped"]

    def close(self) -> None:
        """Write what waits, then close everything."""
        self.live.close()
        self.decisions.close()
        self.pool.shutdown()
        for store in self.stores:
            store.close()

    def _watch(self) -> None:
        """Measure what is asked for only when somebody reads the measurements."""
        live, decisions = self.live, self.decisions
        watch = self.metrics.watch
        watch("polyscene_log_offset", "Offset of the last event that requests see.", lambda: live.applied)
        watch("polyscene_batches_waiting", "Batches that wait to be durable.", lambda: live.waiting)
        watch("polyscene_events_unfit", "Events of the log that the run cannot take.", lambda: live.unfit)
        watch("polyscene_decisions_lost", "Decisions that could not be kept.", lambda: decisions.lost)
        watch("polyscene_decisions_waiting", "Decisions that wait for the disk.", lambda: decisions.waiting)
        watch("polyscene_ready", "1 while events are taken and slates are given.", lambda: not self.faults)

    def _warm_up(self) -> None:
        """Load compiled loops, and let every scenario answer once."""
        from polyscene.recommenders import kernels  # noqa: F401 - numba, which is loaded once and for all

        for name in self.live.system.scenarios:
            decide(self.live.system, Request("", name, 10))
