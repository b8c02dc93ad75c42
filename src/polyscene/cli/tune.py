"""`polyscene tune`: a search for better settings of `[tuning]`, within a budget of minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyscene.cli.failures import INTERRUPTED
from polyscene.cli.options import CONFIG, Config, JsonFile, Seed, opened

if TYPE_CHECKING:
    from polyscene.learning.search import SearchResult
    from polyscene.learning.search_space import Chosen, Trial

SHOWN = 10
"""So many of the best trials are shown."""
TUNED = "tuned.toml"
"""Beside the runs: the best settings, fit to be copied into the configuration."""
OBJECTIVE = "mean over the scenarios of the content signal's NDCG@10 on held-out choices"

Minutes = Annotated[float, typer.Option("--minutes", min=1e-6, help="How long to search.")]
Trials = Annotated[int | None, typer.Option("--trials", min=1, help="Make at most so many trials.")]
Weights = Annotated[
    bool,
    typer.Option("--weights", help="Also search how the model's own weights learn; takes long."),
]


def tune(
    config: Config = CONFIG,
    minutes: Minutes = 30.0,
    trials: Trials = None,
    weights: Weights = False,
    json: JsonFile = None,
    seed: Seed = None,
) -> None:
    """Search better settings for the language model's training.

    The present settings are tried first. Each trial learns from the past and is judged on held-out choices,
    never on the test part. Finished trials are kept beside the runs, and the next search goes on from them.
    The configuration is left as it is: what to copy into it is shown.
    """
    from polyscene.cli.console import show
    from polyscene.core.files import write_text

    project = opened(config, seed)
    result = project.tune(minutes, trials, weights)
    lines, path = toml(result.best.settings), project.runs_folder / TUNED
    write_text(path, lines)
    if json is not None:
        write_text(json, _json(result))
    show(_table(result), *_sentences(result), "", lines.rstrip(), "", f"written: {path}")
    if result.ended == "interruption":
        raise typer.Exit(INTERRUPTED)


def toml(chosen: Chosen) -> str:
    """Return searched settings as lines of a configuration."""
    return "[tuning]\n" + "".join(f"{name} = {value!r}\n" for name, value in chosen.items())


def _table(result: SearchResult) -> Any:  # noqa: ANN401 - rich is loaded late
    from polyscene.cli.tables import plain_table

    ordered = sorted(result.trials, key=lambda trial: -trial.worth)[:SHOWN]
    base = result.unchanged
    if base is not None and base not in ordered:
        ordered.append(base)
    rows = [_row(result, trial) for trial in ordered]
    return plain_table("trials, best first", ("trial", "NDCG@10", "gain", "seconds", "settings"), rows)


def _row(result: SearchResult, trial: Trial) -> tuple[str, ...]:
    base, number = result.unchanged, result.trials.index(trial) + 1
    worth = "failed" if trial.failure else f"{trial.worth:.4f}"
    gain = "" if base is None or trial.failure else f"{trial.worth - base.worth:+.4f}"
    changes = ", ".join(f"{name} {value:g}" for name, value in trial.settings.items())
    return str(number), worth, gain, f"{trial.seconds:.0f}", "as they are" if trial is base else changes


def _sentences(result: SearchResult) -> list[str]:
    """Return what the table leaves to be said."""
    ends = {"time": "the time is up", "trials": "as asked", "interruption": "interrupted"}
    earlier = len(result.trials) - result.fresh
    kept = f", {earlier} known from before" if earlier else ""
    many = f"{result.fresh} trial" + "s" * (result.fresh != 1)
    lines = [f"{many}{kept}; {ends[result.ended]}. {OBJECTIVE[0].upper()}{OBJECTIVE[1:]}."]
    if result.best is result.unchanged:
        return [*lines, "The present settings are the best so far."]
    return [
        *lines,
        "The best of many is flattered by the choices that picked it: copy, train and evaluate before you "
        "believe it. In place of the same keys of the configuration:",
    ]


def _json(result: SearchResult) -> str:
    from dataclasses import asdict
    from json import dumps

    from polyscene.evaluation.provenance import machine, versions

    def described(trial: Trial | None) -> dict[str, Any] | None:
        return None if trial is None else asdict(trial) | {"ndcg@10": trial.worth}

    document = {
        "objective": OBJECTIVE,
        "ended": result.ended,
        "fresh": result.fresh,
        "best": described(result.best),
        "present": described(result.unchanged),
        "trials": [described(trial) for trial in result.trials],
        "file": str(result.file),
        "machine": machine(),
        "versions": versions(),
    }
    return dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
