"""`polyscene train`: fit everything, leave a run."""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.options import CONFIG, Config, Seed, opened

Everything = Annotated[
    bool, typer.Option("--all", help="Learn from the test part too: serves best, cannot be evaluated.")
]


BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget", metavar="TIME", help="At most so long: 90s, 2m, 1h. The run tells what it left out."
    ),
]

ImportanceOption = Annotated[
    bool,
    typer.Option("--importance", help="Measure what each signal carries, on the choices that are held out."),
]


def train(
    config: Config = CONFIG,
    everything: Everything = False,
    budget: BudgetOption = None,
    importance: ImportanceOption = False,
    seed: Seed = None,
) -> None:
    """Fit every signal and the fusion on the project's tables and leave a run behind.

    The run appears under its name only when it is whole; one that is interrupted leaves nothing.
    """
    from polyscene.cli.console import show

    run = opened(config, seed).train(everything, budget, importance)
    show(f"run {run.id}", f"in  {run.folder}")
