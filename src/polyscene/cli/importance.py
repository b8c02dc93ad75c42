"""`polyscene importance`: what carries the result of a run, and what costs time for nothing?"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from polyscene.cli.options import CONFIG, Config, JsonFile, RunId, Seed, opened


class ChoicesOption(StrEnum):
    """Which choices are ranked."""

    test = "test"
    valid = "valid"


Choices = Annotated[
    ChoicesOption,
    typer.Option("--choices", help="test: ranked now. valid: those that `train --importance` held out."),
]
MaxChoices = Annotated[
    int | None, typer.Option("--max-choices", min=1, metavar="N", help="Of each scenario; default: 2,000.")
]
NoFields = Annotated[
    bool, typer.Option("--no-fields", help="Leave the fields of items out, whose texts are read anew.")
]
Dear = Annotated[
    float | None,
    typer.Option(
        "--dear", min=0.0, max=1.0, metavar="SHARE", help="Of the time; dear above it. Default: 0.05."
    ),
]


def importance(
    config: Config = CONFIG,
    run: RunId = None,
    choices: Choices = ChoicesOption.test,
    max_choices: MaxChoices = None,
    no_fields: NoFields = False,
    dear: Dear = None,
    json: JsonFile = None,
    seed: Seed = None,
) -> None:
    """Rank choices without each signal, each field of the items and each other scenario.

    What is lost stands beside what the part costs. It is kept in the run's folder, and its report shows it.
    """
    from polyscene.cli.console import show, tell, width
    from polyscene.cli.importance_table import scenario_parts
    from polyscene.evaluation.importance import DEAR_SHARE
    from polyscene.learning.importance import MAX_CHOICES
    from polyscene.runs.importance import ImportanceRequest

    project = opened(config, seed)
    asked = project.run(run)
    request = ImportanceRequest(
        max_choices or MAX_CHOICES, not no_fields, DEAR_SHARE if dear is None else dear
    )
    if choices is ChoicesOption.valid and (max_choices is not None or no_fields):
        tell("--choices valid shows what training measured: --max-choices and --no-fields change nothing")
    measured = project.importance(asked, choices.value, request)
    if json is not None:
        measured.save(json)
    for name in measured.scenarios:
        show(*scenario_parts(measured, name, width()), "")
    if asked.metrics is not None:
        show(f"report: {project.report(asked)}")
