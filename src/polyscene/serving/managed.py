"""What those who change a service see of it: the service itself, and what manages it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from polyscene.core.locks import ReadWriteLock
from polyscene.engine.indexing import IndexChecks
from polyscene.serving.catalogue_changes import CatalogueChanges
from polyscene.serving.decisions import DecisionLog
from polyscene.serving.drifting import DriftAlarm
from polyscene.serving.known import Known
from polyscene.serving.live import LiveRun
from polyscene.serving.metrics import Metrics
from polyscene.serving.snapshots import SnapshotKeeper
from polyscene.serving.stores.contract import DecisionStore, EventStore
from polyscene.serving.warming import EncoderWarming


class Managed(Protocol):
    """A service, whose live run may be another one from one request to the next."""

    live: LiveRun
    snapshots: SnapshotKeeper
    decisions: DecisionLog
    stores: tuple[EventStore, DecisionStore]
    metrics: Metrics
    encoder: EncoderWarming
    drift: DriftAlarm

    def warm_up(self, live: LiveRun) -> IndexChecks:
        """Load what the first request of a live run would load, and return what its indexes find."""
        ...

    def take_indexes(self, checks: IndexChecks) -> None:
        """Keep what the live run's indexes find."""
        ...


class Manager(Protocol):
    """What a service is changed through; see `management.Management`."""

    service: Managed
    folder: Path
    known: Known
    changes: CatalogueChanges
    gate: ReadWriteLock

    @property
    def run_folders(self) -> Sequence[Path]:
        """Where the project's runs lie, those of repeated trainings as well."""
        ...
