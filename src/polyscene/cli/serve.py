"""`polyscene serve`: a run over HTTP."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from polyscene.cli.logs import DATABASE, Data, Database, demand_extra, folder_of
from polyscene.cli.options import CONFIG, RunId, opened

if TYPE_CHECKING:
    from polyscene.cli.serve_keys import KeyAct
    from polyscene.project import Project
    from polyscene.serving.auth import KeyFile
    from polyscene.serving.service import Service
    from polyscene.serving.tenants import Tenants

PORT = 8000
OVERLAP_HOURS = 24.0

Configs = Annotated[
    list[Path],
    typer.Option(
        "--config", "-c", metavar="FILE", help="The project's configuration; repeat it for several tenants."
    ),
]
Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65_535, help="0: any that is free.")]
KeepDays = Annotated[
    float | None,
    typer.Option(
        "--event-days", min=0.0, metavar="N", help="Forget events N days after they happened. [never]"
    ),
]
Rest = Annotated[
    bool,
    typer.Option(
        "--from-the-rest", help="Start without the events that were forgotten and that no snapshot holds."
    ),
]
NoAuth = Annotated[
    bool, typer.Option("--no-auth", help="Ask nobody for a key; only on an address of this machine.")
]
NewKey = Annotated[
    str | None, typer.Option("--new-key", metavar="NAME", help="Make a key, print it this once, and stop.")
]
RotateKey = Annotated[
    str | None,
    typer.Option("--rotate-key", metavar="NAME", help="Make a new key of that name; the old one ends later."),
]
RemoveKey = Annotated[
    str | None, typer.Option("--remove-key", metavar="NAME", help="End every key of that name now.")
]
ListKeys = Annotated[bool, typer.Option("--list-keys", help="Show names, scopes and ends of all keys.")]
Scopes = Annotated[
    list[str],
    typer.Option(
        "--scope", metavar="SCOPE", help="Of the new key: events, read, metrics or admin; may be repeated."
    ),
]
Days = Annotated[
    int | None, typer.Option("--days", min=1, max=36_500, help="The new key is good for so many days.")
]
Overlap = Annotated[
    float,
    typer.Option("--overlap", min=0, max=8_760, metavar="HOURS", help="A rotated key stays good so long."),
]


def serve(
    config: Configs = [CONFIG],  # noqa: B006 - typer wants a list, and nobody changes it
    run: RunId = None,
    host: Host = "127.0.0.1",
    port: Port = PORT,
    data: Data = None,
    database: Database = None,
    event_days: KeepDays = None,
    from_the_rest: Rest = False,
    no_auth: NoAuth = False,
    new_key: NewKey = None,
    rotate_key: RotateKey = None,
    remove_key: RemoveKey = None,
    list_keys: ListKeys = False,
    scope: Scopes = ["events", "read"],  # noqa: B006 - as above
    days: Days = None,
    overlap: Overlap = OVERLAP_HOURS,
) -> None:
    """Take events and give recommendations over HTTP, with a page to try it."""
    from polyscene.cli.serve_keys import KeyAct, do

    projects = [opened(one) for one in config]
    act = KeyAct(new_key, rotate_key, remove_key, list_keys, scope, days, overlap)
    _demand_sense(projects, act, run, host, no_auth)
    demand_extra()
    if act.wanted:
        do(act, folder_of(projects[0], data, alone=True), projects[0].settings.service)
        return
    with _listen(host, port) as listening:
        logs = Logs(database, event_days, from_the_rest)
        _answer(_open(projects, run, data, no_auth, logs), listening)


def _demand_sense(
    projects: Sequence[Project], act: KeyAct, run: str | None, host: str, no_auth: bool
) -> None:
    """Refuse options that do not go together."""
    several, names = len(projects) > 1, {project.settings.name for project in projects}
    if no_auth and not _is_local(host):
        raise typer.BadParameter(f"--no-auth listens only on this machine, such as 127.0.0.1, not on {host}")
    if several and no_auth:
        raise typer.BadParameter("--no-auth serves one --config: keys tell several apart")
    if several and run is not None:
        raise typer.BadParameter("--run goes with one --config; of several, the newest runs are served")
    if several and act.wanted:
        raise typer.BadParameter("keys are made for one --config at a time, with its own --data")
    if len(names) < len(projects):
        raise typer.BadParameter(
            "tenants are told apart by name: give each configuration a 'name' of its own"
        )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything slow is done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise typer.BadParameter(
            f"cannot listen on {host}, port {port}: {reason}; try another --port"
        ) from None


class Logs(NamedTuple):
    """Where events and decisions are kept, and how long.

    Attributes:
        database: its address; None: the one that the environment names, if any.
        event_days: events are forgotten so long after they happened; None: never.
        from_the_rest: whether to start without what was forgotten and no snapshot holds.
    """

    database: str | None
    event_days: float | None
    from_the_rest: bool


def _open(
    projects: Sequence[Project], run: str | None, data: Path | None, no_auth: bool, logs: Logs
) -> Tenants:
    """Open the runs and their logs; none stays open where one cannot be.

    Raises:
        ConfigError: a tenant has no key, or two cannot be told apart.
    """
    from polyscene.core.secrets import secret
    from polyscene.core.threads import set_threads
    from polyscene.serving.models import active_run
    from polyscene.serving.service import Service
    from polyscene.serving.snapshots import SnapshotSettings
    from polyscene.serving.tenants import Tenants

    set_threads(projects[0].settings.runtime.threads or 1)
    database, alone = logs.database or secret(DATABASE), len(projects) == 1
    with ExitStack() as undo:
        services = []
        for project in projects:
            folder, settings = folder_of(project, data, alone), project.settings
            keys = None if no_auth else _keys(folder)
            service = Service.open(
                project.run(run or active_run(folder, project.runs_folder)),
                folder,
                keys,
                project.progress,
                name=settings.name,
                settings=settings.service,
                database=database,
                snapshots=SnapshotSettings(event_days=logs.event_days),
                from_the_rest=logs.from_the_rest,
                pinned=run is not None,
                drift=settings.drift,
            )
            undo.callback(service.close)
            services.append(service)
        tenants = Tenants(services)
        undo.pop_all()
    return tenants


def _keys(folder: Path) -> KeyFile:
    from polyscene.core.errors import ConfigError, Problem
    from polyscene.serving.auth import KeyFile
    from polyscene.serving.service import KEYS

    keys = KeyFile(folder / KEYS)
    if not len(keys):
        remedy = "make one: polyscene serve --new-key NAME; or on this machine alone: --no-auth"
        raise ConfigError(
            Problem("nobody could ask", "at least one good key", "none", remedy, file=str(keys.path))
        )
    return keys


def _answer(tenants: Tenants, listening: socket.socket) -> None:
    """Answer until told to stop."""
    from polyscene.cli.console import tell
    from polyscene.serving.logs import set_up_logging
    from polyscene.serving.server import serve_until_stopped

    host, port = listening.getsockname()[:2]
    place = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    for service in tenants:
        _introduce(service)
    set_up_logging(tenants.settings.access_log)
    tell(f"serving at {place} (page for people: /, endpoints: /docs); Ctrl-C stops")
    for service in tenants:
        service.encoder.warm(service.live.run)
    serve_until_stopped(tenants, listening)


def _introduce(service: Service) -> None:
    from polyscene.cli.console import tell

    live = service.live
    tell(f"{service.name}: run {live.run.id}: {live.replayed:,} events of the log replayed")
    for (scenario, view), check in service.indexes.items():
        if check.measured:
            tell(f"{scenario}, {view}: {check}")
    if live.unfit:
        tell(f"{live.unfit:,} of them name items that this run does not know: kept, not used")
