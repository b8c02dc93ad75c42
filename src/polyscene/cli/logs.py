"""Where the logs of a service are: the options that `serve`, `judge` and `cycle` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyscene.core.text import shown

if TYPE_CHECKING:
    from polyscene.project import Project

DATABASE = "POLYSCENE_DATABASE_URL"
"""Environment variable with the address of the database; with `_FILE`, of a file that holds it."""

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Where events, decisions and keys are kept; of several tenants, in FOLDER/NAME. [service/NAME]",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="postgresql://USER@HOST/NAME: keep events and decisions there, for several servers. "
        f"[{DATABASE}, or the file that {DATABASE}_FILE names]",
    ),
]


def folder_of(project: Project, data: Path | None, alone: bool = True) -> Path:
    """Return where the logs and keys of a tenant are.

    Args:
        alone: whether the service has one tenant.
    """
    if data is None:
        return project.base / "service" / Path(project.config).stem
    name = project.settings.name
    if not alone and (Path(name).name != name or name == ".."):
        raise typer.BadParameter(
            f"the name of a tenant is that of its folder in --data: {shown(name)} is none"
        )
    return data if alone else data / name


def place_of(project: Project, data: Path | None, database: str | None) -> str | Path:
    """Return where the logs of a service are: the address of a database, or a folder."""
    from polyscene.core.secrets import secret

    return database or secret(DATABASE) or folder_of(project, data)


def demand_extra() -> None:
    """Refuse to go on without what the service stands on.

    Raises:
        MissingExtraError: it is not installed.
    """
    from polyscene.core.errors import MissingExtraError

    try:
        import fastapi  # noqa: F401
        import httptools  # noqa: F401
        import limits  # noqa: F401
        import msgspec  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"expected the extra 'serve', found no {error.name}; run: pip install \"polyscene[serve]\""
        ) from error
