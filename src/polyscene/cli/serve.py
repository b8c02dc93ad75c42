"""`polyscene serve`: a run over HTTP."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from polyscene.cli.options import CONFIG, Config, RunId, opened

if TYPE_CHECKING:
    from polyscene.project import Project
    from polyscene.serving.service import Service

PORT = 8000
SECONDS_TO_FINISH = 10
"""Requests that are being answered when the service is told to stop get so long."""

Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65_535, help="0: any that is free.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="FOLDER", help="Where events, decisions and keys are kept. [service/NAME]"
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="POLYSCENE_DATABASE",
        show_envvar=True,
        help="postgresql://USER@HOST/NAME: keep events and decisions there, for several servers.",
    ),
]
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
Scopes = Annotated[
    list[str],
    typer.Option("--scope", metavar="SCOPE", help="Of the new key: events, read or admin; may be repeated."),
]


def serve(
    config: Config = CONFIG,
    run: RunId = None,
    host: Host = "127.0.0.1",
    port: Port = PORT,
    data: Data = None,
    database: Database = None,
    event_days: KeepDays = None,
    from_the_rest: Rest = False,
    no_auth: NoAuth = False,
    new_key: NewKey = None,
    scope: Scopes = ["events", "read"],  # noqa: B006 - typer wants a list, and nobody changes it
) -> None:
    """Take events and give recommendations over HTTP, with a page to try it."""
    project = opened(config)
    folder = data or project.base / "service" / Path(project.config).stem
    _demand_extra()
    if new_key is not None:
        _make_key(folder, new_key, scope)
        return
    if no_auth and not _is_local(host):
        raise typer.BadParameter(f"--no-auth listens only on this machine, such as 127.0.0.1, not on {host}")
    listening = _listen(host, port)
    with listening:
        stores = _Stores(database, Path(project.config).stem, event_days, from_the_rest)
        service = _open(project, run, folder, no_auth, stores)
        _answer(service, listening)


def _demand_extra() -> None:
    """Refuse to go on without what the service stands on.

    Raises:
        MissingExtraError: it is not installed.
    """
    from polyscene.core.errors import MissingExtraError

    try:
        import fastapi  # noqa: F401
        import httptools  # noqa: F401
        import msgspec  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"expected the extra 'serve', found no {error.name}; run: pip install \"polyscene[serve]\""
        ) from error


def _make_key(folder: Path, name: str, scopes: list[str]) -> None:
    from polyscene.cli.console import show, tell
    from polyscene.serving.auth import KeyFile, Scope
    from polyscene.serving.service import KEYS

    known = [scope.value for scope in Scope]
    if not scopes or not set(scopes) <= set(known):
        raise typer.BadParameter(f"--scope is one of {', '.join(known)}")
    key = KeyFile(folder / KEYS).add(name, [Scope(scope) for scope in scopes])
    tell(f"a key for '{name}' with the scopes {', '.join(scopes)}; it is shown this once")
    show(key)


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


class _Stores(NamedTuple):
    """Where events and decisions are kept, and how long."""

    database: str | None
    namespace: str
    event_days: float | None
    from_the_rest: bool


def _open(project: Project, run: str | None, folder: Path, no_auth: bool, stores: _Stores) -> Service:
    """Open the run and its logs.

    Raises:
        ConfigError: nobody has a key.
    """
    from polyscene.core.errors import ConfigError, Problem
    from polyscene.core.threads import set_threads
    from polyscene.serving.auth import KeyFile
    from polyscene.serving.service import KEYS, Service
    from polyscene.serving.snapshots import SnapshotSettings

    keys = None if no_auth else KeyFile(folder / KEYS)
    if keys is not None and not len(keys):
        remedy = "make one: polyscene serve --new-key NAME; or on this machine alone: --no-auth"
        raise ConfigError(
            Problem("nobody could ask", "at least one key", "none", remedy, file=str(keys.path))
        )
    set_threads(project.settings.runtime.threads or 1)
    return Service.open(
        project.run(run),
        folder,
        keys,
        project.progress,
        database=stores.database,
        namespace=stores.namespace,
        snapshots=SnapshotSettings(event_days=stores.event_days),
        from_the_rest=stores.from_the_rest,
    )


def _answer(service: Service, listening: socket.socket) -> None:
    """Answer until told to stop."""
    import uvicorn

    from polyscene.cli.console import tell
    from polyscene.serving.app import build_app

    host, port = listening.getsockname()[:2]
    place = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    tell(f"run {service.live.run.id}: {service.live.replayed:,} events of the log replayed")
    if service.live.unfit:
        tell(f"{service.live.unfit:,} of them name items that this run does not know: kept, not used")
    tell(f"serving at {place} (page for people: /, endpoints: /docs); Ctrl-C stops")
    settings = uvicorn.Config(
        build_app(service),
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    uvicorn.Server(settings).run(sockets=[listening])
