"""What changes a service while it serves: items and users, jobs, the run that answers, erasure."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from polyscene.core.errors import PolysceneError
from polyscene.core.locks import ReadWriteLock
from polyscene.serving.catalogue_changes import CatalogueChanges
from polyscene.serving.erasure import Erasures
from polyscene.serving.jobs import Jobs
from polyscene.serving.known import Known
from polyscene.serving.managed import Managed
from polyscene.serving.models import Models
from polyscene.serving.stores.contract import Entry, LoggedChange, Receipt

KNOWN, JOBS = "known.db", "jobs"
"""In the folder of a service."""


class Management:
    """Everything that changes a service.

    Args:
        service: that is open.
        folder: of its data.
        known: what the log's changes say at present.
        changes: of the live run.

    Attributes:
        gate: whoever hands something in to the live run passes it; closed while the run is swapped or a user
            erased.
        changes: of the live run; a request reads it once.
    """

    def __init__(self, service: Managed, folder: Path, known: Known, changes: CatalogueChanges) -> None:
        self.service, self.folder, self.known, self.changes = service, folder, known, changes
        self.runs = changes.run.folder.parent
        self.gate = ReadWriteLock()
        self.models, self.erasures = Models(self), Erasures(self)
        self.jobs = Jobs(folder / JOBS, self._prepared, self.submit)

    @property
    def run_folders(self) -> list[Path]:
        """Where the project's runs lie, those of repeated trainings and of cycles as well."""
        cycles = self.runs.with_name(f"{self.runs.name}-cycle")
        return [
            self.runs,
            *[cycles][: cycles.is_dir()],
            *sorted(self.runs.parent.glob(f"{glob.escape(self.runs.name)}-repeat-*")),
        ]

    def submit(self, entries: Sequence[Entry], key: str | None = None) -> Future[Receipt]:
        """Hand entries in to the run that is live; see `LiveRun.submit`."""
        with self.gate.reading():
            return self.service.live.submit(entries, key)

    def close(self) -> None:
        """Stop the jobs, and follow no activation any more.

        The live run is still to be closed, and `known` after it.
        """
        self.models.follower.close()
        self.jobs.close()

    def _prepared(
        self, scenario: str, rows: Sequence[dict[str, Any]], ids: Sequence[str]
    ) -> list[LoggedChange | PolysceneError]:
        return self.changes.items(scenario, rows, ids)
