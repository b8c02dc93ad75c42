"""`polyscene report`: the HTML page of an evaluated run."""

from __future__ import annotations

from polyscene.cli.options import CONFIG, Config, RunId, opened


def report(config: Config = CONFIG, run: RunId = None) -> None:
    """Write the HTML report of an evaluated run into its folder and print its path."""
    from polyscene.cli.console import show

    project = opened(config)
    show(str(project.report(project.run(run))))
