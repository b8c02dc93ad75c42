"""The options that several verbs share, written once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from polyscene.project import Project

CONFIG = Path("polyscene.toml")

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The project's configuration.")]
RunId = Annotated[str | None, typer.Option("--run", metavar="ID", help="Which run; default: the newest.")]
ScenarioName = Annotated[
    str | None,
    typer.Option("--scenario", "-s", metavar="NAME", help="May be left out where there is only one."),
]
Size = Annotated[int, typer.Option("-k", min=1, help="How many items.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="In place of the configuration's seed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON in place of a table.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write JSON here.")]


def opened(config: Path, seed: int | None = None) -> Project:
    """Open a project that tells its progress on standard error; a seed given here beats the file's."""
    from polyscene.cli.progress import TerminalProgress
    from polyscene.project import Project

    project = Project.open(config, TerminalProgress())
    if seed is not None:
        project.settings = project.settings.model_copy(update={"seed": seed})
    return project
