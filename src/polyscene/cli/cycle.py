"""`polyscene cycle`: the nightly loop, by hand or by cron."""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.logs import Data, Database
from polyscene.cli.options import CONFIG, Config, JsonFile, Seed, opened

KEY = "POLYSCENE_KEY"
"""Environment variable with the key for a running service; with `_FILE`, of a file that holds it."""

Service = Annotated[
    str | None,
    typer.Option(
        "--service",
        metavar="URL",
        help=f"The running service that shall activate the run; its key of scope admin is in {KEY}, or "
        f"in the file that {KEY}_FILE names. Needed where a running service holds SQLite files.",
    ),
]
IfWanted = Annotated[bool, typer.Option("--if-wanted", help="Do nothing unless drift has asked for a cycle.")]


def cycle(
    config: Config = CONFIG,
    data: Data = None,
    database: Database = None,
    service: Service = None,
    if_wanted: IfWanted = False,
    json: JsonFile = None,
    seed: Seed = None,
) -> None:
    """Learn from what a service has logged, judge that against what is live, and promote it or refuse.

    One that was cut short goes on where it stood. The report is kept in the service's folder.
    """
    from json import dumps

    from polyscene.cli.console import show
    from polyscene.cli.logs import DATABASE, demand_extra, folder_of
    from polyscene.core.files import write_text
    from polyscene.core.secrets import secret

    demand_extra()
    from polyscene.serving.cycle_service import cycle as cycled
    from polyscene.serving.drifting import cycle_wanted

    project = opened(config, seed)
    folder = folder_of(project, data)
    if if_wanted and cycle_wanted(folder) is None:
        show("no cycle is wanted: nothing has changed")
        return
    report = cycled(project, folder, database or secret(DATABASE), service, secret(KEY))
    if json is not None:
        write_text(json, dumps(report.plain(), indent=2, ensure_ascii=False) + "\n")
    show(*report.lines())
