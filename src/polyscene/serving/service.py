"""Everything a service holds, opened together and closed in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from polyscene.core.progress import Progress, Silent
from polyscene.core.settings.drift import DriftSettings
from polyscene.core.settings.service import ServiceSettings
from polyscene.engine.decision import Request
from polyscene.engine.indexing import IndexChecks, check_indexes
from polyscene.engine.pipeline import decide
from polyscene.engine.state import ScenarioState
from polyscene.online.drift import STREAMS
from polyscene.runs.run import Run
from polyscene.serving.audit import AuditLog
from polyscene.serving.auth import KeyFile
from polyscene.serving.catalogue_changes import CatalogueChanges
from polyscene.serving.cycle_state import CYCLE, REPORTS
from polyscene.serving.decisions import DecisionLog
from polyscene.serving.drifting import DriftAlarm
from polyscene.serving.known import Known
from polyscene.serving.live import LiveRun
from polyscene.serving.management import KNOWN, Management
from polyscene.serving.metrics import Metrics
from polyscene.serving.refit_monitor import RefitMonitor
from polyscene.serving.snapshots import SNAPSHOTS, SnapshotKeeper, SnapshotSettings, resume_newest
from polyscene.serving.stores.contract import EPOCH, DecisionStore, EventStore
from polyscene.serving.stores.opening import open_stores
from polyscene.serving.warming import EncoderState, EncoderWarming

KEYS = "keys.json"
"""In the folder of a service."""
THREADS = 2
"""Requests that hand something in, or read the disk, at the same time."""
NAMESPACE = "default"
"""Of the logs in a database, where the service has no name."""

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


@dataclass
class Service:
    """A live run with its logs, keys and measurements: all that one tenant has.

    Attributes:
        keys: None: everybody may do everything.
        audit: what was done to the service.
        snapshots: keeps those of the live run.
        name: of the tenant, which no other of the process has.
        settings: what its requests may take.
        management: what changes it while it serves.
        encoder: how far the language model for new items is.
        indexes: what the indexes of the live run were found to find, by scenario and view.
        drift: watches what is shown and done for change.
        computing: the thread that answers what has to be computed.
    """

    live: LiveRun
    decisions: DecisionLog
    stores: tuple[EventStore, DecisionStore]
    metrics: Metrics
    keys: KeyFile | None
    pool: ThreadPoolExecutor
    audit: AuditLog
    snapshots: SnapshotKeeper
    name: str = ""
    settings: ServiceSettings = field(default_factory=ServiceSettings)
    computing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "computing"))
    management: Management = field(init=False)
    encoder: EncoderWarming = field(init=False)
    indexes: IndexChecks = field(init=False)
    drift: DriftAlarm = field(init=False)

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
        snapshots: SnapshotSettings | None = None,
        from_the_rest: bool = False,
        pinned: bool = False,
        drift: DriftSettings | None = None,
    ) -> Service:
        """Open the logs, replay what neither the run nor a snapshot knows, and load what requests need.

        Args:
            run: to serve.
            folder: of snapshots, and of the logs where there is no database.
            keys: None: everybody may do everything.
            progress: hears of the replay.
            name: of the tenant; its measurements carry it, and in a database its logs.
            settings: what its requests may take.
            database: the address of the PostgreSQL database with the logs; None: they lie in the folder.
            snapshots: when they are taken.
            from_the_rest: see `LiveRun`.
            pinned: whether the run answers until one is activated, whatever was activated before.
            drift: how it watches for change.

        Raises:
            StoreError: the logs cannot be used.
            MissingExtraError: what speaks with the database is not installed.
            RunError: the run cannot be read.
        """
        limits = settings or ServiceSettings()
        metrics, pool = Metrics(name), ThreadPoolExecutor(THREADS, "request")
        with ExitStack() as undo:
            events, decisions = open_stores(folder if database is None else database, name or NAMESPACE)
            undo.callback(events.close)
            undo.callback(decisions.close)
            known = Known(folder / KNOWN)
            undo.callback(known.close, events.identity)
            known.follow(events)
            snapshot = resume_newest(run, events, folder / SNAPSHOTS, (progress or Silent()).say)
            changes = CatalogueChanges(run, known)
            live = LiveRun(run, events, progress, metrics.batch_visible, changes.handlers, from_the_rest)
            changes.restore_rules()
            undo.pop_all()
        stores, audit = (events, decisions), AuditLog(folder, limits)
        keeper = SnapshotKeeper(
            live, folder / SNAPSHOTS, snapshots, 0 if snapshot is None else snapshot.offset
        )
        service = cls(live, DecisionLog(decisions), stores, metrics, keys, pool, audit, keeper, name, limits)
        for scenario in run.settings:
            metrics.drift_watched(scenario, STREAMS)
        service.drift = DriftAlarm(drift or DriftSettings(), folder, run.settings, metrics.drift_detected)
        service.encoder = EncoderWarming(limits.load_encoder)
        service.management = Management(service, folder, known, changes)
        service._watch()
        service.take_indexes(service.warm_up(live))
        service.management.models.follower.start(pinned)
        return service

    async def in_pool(
        self, function: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """Hand in or read beside the loop that takes requests."""
        return await _beside(self.pool, partial(function, *args, **kwargs))

    async def in_turn(
        self, function: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """Compute beside the loop, one request after the other.

        Several at once would take the interpreter from each other a thousand times each, and all be later.
        """
        return await _beside(self.computing, partial(function, *args, **kwargs))

    def moment(self, state: ScenarioState) -> datetime | None:
        """Return when a request for a scenario is asked, by the clock of `[service]`; None: now."""
        if self.settings.clock == "system" or state.clock != "time":
            return None
        return EPOCH + timedelta(microseconds=self.live.system.now(state))

    @property
    def faults(self) -> list[str]:
        """What is the matter, for the log of the service: not for those who ask it."""
        known = (self.live.fault, self.live.trouble, self.decisions.fault)
        faults = [text for text in known if text is not None]
        return faults if faults or self.live.ready else ["the event log has stopped"]

    def close(self) -> None:
        """Write what waits, then close everything."""
        self.management.close()
        self.encoder.wait()
        self.live.close()
        self.snapshots.close()
        self.management.known.close(self.live.store.identity)
        self.decisions.close()
        self.pool.shutdown()
        self.computing.shutdown()
        for store in self.stores:
            store.close()

    def _watch(self) -> None:
        """Measure what is asked for only when somebody reads the measurements."""
        decisions, jobs, follower = self.decisions, self.management.jobs, self.management.models.follower
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
        watch(
            "polyscene_model_behind",
            "1 while another run answers than the one that was activated last.",
            lambda: follower.behind is not None,
        )
        watch(
            "polyscene_encoder_ready",
            "1 when the language model for new items is loaded.",
            lambda: self.encoder.state == EncoderState.ready,
        )
        self.metrics.registry.register(RefitMonitor(self.management.folder / CYCLE / REPORTS))
        watch("polyscene_ready", "1 while events are taken and slates are given.", lambda: not self.faults)

    def take_indexes(self, checks: IndexChecks) -> None:
        """Remember and measure what the indexes of the live run find."""
        self.indexes = checks
        self.metrics.indexes_checked(checks)

    @staticmethod
    def warm_up(live: LiveRun) -> IndexChecks:
        """Load compiled loops, check the indexes, and let every scenario of a live run answer once."""
        from polyscene.recommenders import kernels  # noqa: F401 - numba, which is loaded once and for all

        checks = check_indexes(live.system)
        for name in live.system.scenarios:
            decide(live.system, Request("", name, 10))
        return checks


async def _beside(executor: ThreadPoolExecutor, function: Callable[[], Answer]) -> Answer:
    """Return what a function returns in a thread of an executor; what is logged there names the request."""
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor, context.run, function)
