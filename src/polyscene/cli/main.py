"""The entry point: one command, one verb per file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from polyscene.cli.check import check
from polyscene.cli.compare import compare
from polyscene.cli.compress import compress
from polyscene.cli.cycle import cycle
from polyscene.cli.demo import demo
from polyscene.cli.doctor import doctor
from polyscene.cli.evaluate import evaluate
from polyscene.cli.explain import explain
from polyscene.cli.failures import guarded
from polyscene.cli.importance import importance
from polyscene.cli.init import init
from polyscene.cli.judge import judge
from polyscene.cli.movement import movement
from polyscene.cli.predict import predict
from polyscene.cli.recommend import recommend
from polyscene.cli.report import report
from polyscene.cli.serve import serve
from polyscene.cli.similar import similar
from polyscene.cli.train import train
from polyscene.cli.tune import tune
from polyscene.core.threads import prepare_environment

VERBS: dict[Callable[..., None], tuple[str, str]] = {
    demo: ("Train on the sample company, or on your tables, and show slates.", "polyscene demo"),
    init: ("Draft polyscene.toml from tables.", "polyscene init tables/ --name my-shop"),
    check: ("List everything that is wrong with the tables.", "polyscene check --json problems.json"),
    train: ("Fit the whole system and leave a run.", "polyscene train --config polyscene.toml"),
    tune: ("Search better settings for the language model's training.", "polyscene tune --minutes 30"),
    compare: (
        "Compare how scenarios and tasks may share a network.",
        "polyscene compare --form mmoe --form separate",
    ),
    evaluate: ("Judge a run beside each of its signals.", "polyscene evaluate --json metrics.json"),
    importance: (
        "Say what carries the result, and what costs time for nothing.",
        "polyscene importance --json importance.json",
    ),
    recommend: ("Return a slate for a user.", "polyscene recommend u42 --scenario shop -k 5"),
    predict: (
        "Say how likely a user chooses given items next.",
        "polyscene predict u42 sku-7 sku-9 --scenario shop",
    ),
    similar: ("Return the items most like one item.", "polyscene similar sku-7 --scenario shop"),
    explain: ("Say why an item stands where it stands.", "polyscene explain u42 sku-7 --scenario shop"),
    movement: (
        "Show which events moved an item, and how far.",
        "polyscene movement sku-7 --scenario shop --svg moved.svg",
    ),
    report: ("Write the HTML report of an evaluated run.", "polyscene report"),
    serve: ("Take events and give recommendations over HTTP.", "polyscene serve --no-auth"),
    judge: (
        "Say what another policy would have earned, from the log of a service.",
        "polyscene judge --policy plackett_luce:0.1 --against logged",
    ),
    cycle: (
        "Learn from what a service has logged; promote the run, or refuse it.",
        "polyscene cycle --service http://127.0.0.1:8000",
    ),
    compress: (
        "Make the language model smaller or faster.",
        "polyscene compress --way distil --keep 0.5 --out student/",
    ),
    doctor: ("Look at the machine, the parts and the model.", "polyscene doctor --json"),
}
"""Every verb in a few words and with an example, in the order a newcomer meets them."""

app = typer.Typer(
    name="polyscene",
    help="A recommender system with a language model at its core.",
    epilog="\b\nFirst steps:\n  polyscene demo\n  polyscene init YOUR_FOLDER\n  polyscene check",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from polyscene import __version__

        typer.echo(f"polyscene {__version__}")
        raise typer.Exit


@app.callback()
def _polyscene(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


for _verb, (_words, _example) in VERBS.items():
    app.command(short_help=_words, epilog=f"\b\nExample:\n  {_example}")(guarded(_verb))


def run() -> None:
    """Prepare the process for numeric libraries, then do what the command line says."""
    prepare_environment()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app()
