"""Brings a run before the judge: the same tables, the same split, the choices it has not learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from polyscene.core.errors import RunError
from polyscene.core.progress import Progress
from polyscene.core.settings.project import Settings
from polyscene.core.types import Arrays, LongArray
from polyscene.data.schema import Dataset
from polyscene.data.splits.folds import Folds, split
from polyscene.engine.state import ScenarioState
from polyscene.evaluation.judge import Case, judge
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import Results
from polyscene.learning.fit import block_size
from polyscene.recommenders.registry import load_arrays, save_arrays
from polyscene.runs.run import Run

EXPOSURE = "exposure.safetensors"
LISTED = 20
"""At least so many items are kept of every list, for coverage and exposure."""


def evaluate(run: Run, dataset: Dataset, settings: Settings, progress: Progress) -> Results:
    """Judge every signal and the fusion of a run on the test part of every scenario.

    Raises:
        RunError: the run has learned from the test part, or was trained on other tables or another split.
    """
    _fits(run, dataset, settings)
    evaluation = settings.evaluation
    parts = split(dataset, evaluation)
    whole = [name for name, place in run.system.scenarios.items() if place.fusion.hide_seen]
    folds = Folds(dataset, parts, evaluation, whole)
    seen = np.zeros(len(dataset.users), np.int64)
    for name in dataset.scenarios:
        seen += np.bincount(folds.learned(name, tuning=False).user, minlength=len(seen))
    judgements = []
    for name, place in run.system.scenarios.items():
        fold = folds.test(name, settings.seed)
        counts = np.bincount(fold.learn.item, minlength=len(place.catalogue))
        fusion = place.fusion
        case = Case(
            name,
            fold.choices,
            fusion.open,
            counts,
            seen,
            place.space.view("tuned").vectors if place.space.has_text else None,
            "removed" if fusion.hide_seen else "kept",
            evaluation.protocol,
        )
        size = block_size(fusion, settings.runtime.blocks_mb)
        longest = max(LISTED, *evaluation.cutoffs)
        judgements.append(judge(case, fusion.score_all, size, longest, progress))
    return Results(
        tuple(judgements),
        tuple(evaluation.cutoffs),
        evaluation.bootstrap,
        settings.seed,
        machine(),
        versions(),
    )


def save_exposure(results: Results, folder: Path) -> None:
    """Keep how often every model showed every item, for the report."""
    shown: Arrays = {
        f"{number}.{model}": judgement.exposure(model, results.main_cutoff)
        for number, judgement in enumerate(results.judgements)
        for model in judgement.top
    }
    save_arrays(folder / EXPOSURE, shown)


def load_exposure(folder: Path, number: int) -> dict[str, LongArray]:
    """Return what `save_exposure` kept of the scenario with that number, by model."""
    shown = load_arrays(folder / EXPOSURE)
    return {
        name.partition(".")[2]: row for name, row in shown.items() if name.partition(".")[0] == str(number)
    }


def _fits(run: Run, dataset: Dataset, settings: Settings) -> None:
    if run.manifest["learned_from"] == "everything":
        raise RunError(
            f"expected a run that has not seen the test part, found {run.id}, trained with --all; "
            "train another one without it"
        )
    trained = run.manifest["settings"]["evaluation"]
    present = settings.evaluation.model_dump(mode="json")
    changed = [
        key for key in ("protocol", "test_share", "valid_share", "warmup") if trained[key] != present[key]
    ]
    system = run.system
    users = system.users.ids().values
    same = set(system.scenarios) == set(dataset.scenarios) and users.equals(dataset.users.values)
    if changed or not same or not all(_same(state, dataset) for state in system.scenarios.values()):
        what = f"[evaluation] {', '.join(changed)}" if changed else "the tables"
        raise RunError(f"expected what run {run.id} was trained on, found that {what} changed; train again")


def _same(place: ScenarioState, dataset: Dataset) -> bool:
    scenario, events = dataset.scenarios[place.name], place.log.events()
    return (
        place.catalogue.ids.ids().values.equals(scenario.catalogue.ids.values.cast(pl.String))
        and np.array_equal(events.item, scenario.events.item)
        and np.array_equal(events.time, scenario.events.time)
    )
