"""`polyscene doctor`: can it run here, and what would make it faster?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from polyscene.cli.failures import WRONG
from polyscene.cli.options import CONFIG, AsJson

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="Look at this project too. [polyscene.toml if there]"
    ),
]


def doctor(config: Config = None, json: AsJson = False) -> None:
    """Look at processor, memory, parts, language model and cache; advise where something is slow or wrong.

    Exit code 0 where Polyscene can work here, 1 where it cannot.
    """
    from polyscene.cli.console import show, show_json
    from polyscene.cli.facts import facts
    from polyscene.cli.tables import plain_table

    established = list(facts(config or CONFIG, wanted=config is not None))
    ok = all(fact.ok for fact in established)
    if json:
        show_json({"ok": ok, "facts": [asdict(fact) for fact in established]})
    else:
        rows = [("ok" if fact.ok else "WRONG", fact.name, fact.found, fact.advice) for fact in established]
        show(plain_table("polyscene doctor", ("", "what", "found", "advice"), rows))
        show("all well" if ok else "something is wrong: see the lines marked WRONG")
    if not ok:
        raise typer.Exit(WRONG)
