"""A cycle of a service by where its logs are: `polyscene cycle` in Python."""

from __future__ import annotations

from pathlib import Path

from polyscene.core.errors import StoreError
from polyscene.project import Project
from polyscene.serving.activation import in_the_log, over_http
from polyscene.serving.cycle import Cycle
from polyscene.serving.cycle_replicas import Logs
from polyscene.serving.cycle_report import CycleReport
from polyscene.serving.service import NAMESPACE
from polyscene.serving.stores.copies import stores_to_read
from polyscene.serving.stores.opening import EVENTS
from polyscene.serving.stores.sqlite_events import SqliteEventStore


def cycle(
    project: Project,
    folder: Path,
    database: str | None = None,
    service: str | None = None,
    key: str | None = None,
) -> CycleReport:
    """Take what a service has logged since the last cycle, and let a better run answer.

    Args:
        project: of the service.
        folder: of the service: state and reports are kept there, and without a database its logs lie there.
        database: the address of the database with the logs.
        service: the address of the running service that shall activate the run; None: the log says it, which
            a running service with a database follows. One that holds SQLite files has to be named here.
        key: of the scope `admin`, for the service.

    Raises:
        StoreError: the logs cannot be used, or a running service holds them and was not named.
    """
    place: str | Path = folder if database is None else database
    namespace = project.settings.name or NAMESPACE
    if service is None and not isinstance(place, str):
        _demand_free(place)
    activate = in_the_log(place, namespace, folder) if service is None else over_http(service, key)
    with stores_to_read(place, namespace) as stores:
        return Cycle(project, Logs(*stores), folder, activate).run()


def _demand_free(folder: Path) -> None:
    """Find out before hours of work that the run could not be activated at its end.

    Raises:
        StoreError: a running service holds the log.
    """
    if not (folder / EVENTS).is_file():
        return  # who reads it says so
    try:
        SqliteEventStore(folder / EVENTS).close()
    except StoreError as error:
        remedy = "or name the running service with --service, so that it activates the run"
        raise StoreError(f"{error}; {remedy}") from error
