"""Brings a run before the judge: the same tables, the same split, the choices it has not learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from polyscene.core.arrays import Arrays, load_arrays, save_arrays
from polyscene.core.errors import RunError
from polyscene.core.progress import Progress
from polyscene.core.settings.project import Settings
from polyscene.core.types import LongArray
from polyscene.data.schema import Dataset, EventLog, Scenario
from polyscene.data.splits.description import describe_split, differences
from polyscene.data.splits.folds import Folds
from polyscene.data.splits.phases import Phase
from polyscene.data.splits.protocol import protocol_of, split
from polyscene.engine.state import ScenarioState
from polyscene.evaluation.judge import Case, judge
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import Results
from polyscene.recommenders.fusion.blocks import block_size
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.stream import Stream
from polyscene.runs.run import Run

EXPOSURE = "exposure.safetensors"
SPLIT_COLUMNS = ("user", "item", "time", "weight", "choice", "part")
"""The columns of a log that decide what is learned from and what is judged."""
LISTED = 20
"""At least so many items are kept of every list, for coverage and exposure."""


def evaluate(
    run: Run, dataset: Dataset, settings: Settings, progress: Progress, learns_on: bool | None = None
) -> Results:
    """Judge every signal and the fusion of a run on the test part of every scenario.

    Args:
        learns_on: whether what was judged is learned before what came later is; None: as the protocol has it.

    Raises:
        RunError: the run has learned from the test part, or was trained on other tables or another split.
    """
    part = JudgedPart.of(run, dataset, settings, learns_on)
    if part.learns_on:  # it changes while it is judged
        run = Run(run.folder, run.present, run.index)
    evaluation = settings.evaluation
    judgements = []
    for place in run.system.scenarios.values():
        case, fusion = part.case(place), place.fusion
        size = block_size(fusion, settings.runtime.blocks_mb)
        longest = max(LISTED, *evaluation.cutoffs)
        learn = part.learning(case, fusion)
        judgements.append(judge(case, fusion.score_all, size, longest, progress, learn))
    return Results(
        tuple(judgements),
        tuple(evaluation.cutoffs),
        evaluation.bootstrap,
        settings.seed,
        machine(),
        versions(),
    )


@dataclass(frozen=True)
class JudgedPart:
    """The test part of the tables that a run was trained on, which it has not learned from.

    Attributes:
        folds: the steps of the split.
        learns_on: whether what was judged is learned before what came later is.
        user_events: (n_users,) events of each user that the run has learned from, in all scenarios.
    """

    folds: Folds
    settings: Settings
    learns_on: bool
    user_events: LongArray

    @classmethod
    def of(cls, run: Run, dataset: Dataset, settings: Settings, learns_on: bool | None = None) -> Self:
        """Return the test part for a run; see `evaluate`."""
        _require_same_split(run, dataset, settings)
        evaluation = settings.evaluation
        whole = [name for name, place in run.system.scenarios.items() if place.fusion.hide_seen]
        folds = Folds(dataset, split(dataset, evaluation), evaluation, whole)
        seen = np.zeros(len(dataset.users), np.int64)
        for name in dataset.scenarios:
            seen += np.bincount(folds.learned(name, Phase.ALL).user, minlength=len(seen))
        learns_on = protocol_of(evaluation).learns_on if learns_on is None else learns_on
        return cls(folds, settings, learns_on, seen)

    def case(self, place: ScenarioState) -> Case:
        """Return what is judged in one scenario of the run."""
        fold, fusion = self.folds.test(place.name, self.settings.seed), place.fusion
        return Case(
            place.name,
            fold.choices,
            fusion.open,
            np.bincount(fold.learn.item, minlength=len(place.catalogue)),
            self.user_events.copy(),
            place.space.view("tuned").vectors if place.space.has_text else None,
            "removed" if fusion.hide_seen else "kept",
            self.settings.evaluation.protocol,
        )

    def learning(self, case: Case, fusion: Fusion) -> Callable[[int], None] | None:
        """Return what lets a fusion learn what the case judges, as it goes on; None: it does not."""
        if not self.learns_on:
            return None
        return _learning(self.folds, case.scenario, fusion, case.item_events, case.user_events)


def _learning(
    folds: Folds, name: str, fusion: Fusion, item_events: LongArray, user_events: LongArray
) -> Callable[[int], None]:
    """Return what lets a fusion learn what it is judged on, up to a moment, and counts it.

    Args:
        item_events: (n,) how often each item was learned from; is counted on.
        user_events: (n_users,) how often each user was, in all scenarios; is counted on.
    """
    here = Stream(fusion, folds.learned(name, Phase.ALL), folds.later(name), len(user_events))
    others = [folds.later(other) for other in folds.scenarios if other != name]
    times = np.concatenate([np.zeros(0, np.int64), *(log.time for log in others)])
    users = np.concatenate([np.zeros(0, np.int32), *(log.user for log in others)])[np.argsort(times)]
    times = np.sort(times)
    counted = 0

    def learn_before(moment: int) -> None:
        nonlocal counted
        events, start = here.learn_before(moment), counted
        counted = max(start, int(np.searchsorted(times, moment)))
        np.add.at(item_events, events.item, 1)
        np.add.at(user_events, np.concatenate([events.user, users[start:counted]]), 1)

    return learn_before


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


def _require_same_split(run: Run, dataset: Dataset, settings: Settings) -> None:
    """Refuse a run that learned from the test part, from other tables, or under another split."""
    if run.manifest["learned_from"] == "everything":
        raise RunError(
            f"expected a run that has not seen the test part, found {run.id}, trained with --all; "
            "train another one without it"
        )
    present = describe_split(settings.model_dump(mode="json"))
    changed = differences(_split_of(run), present)
    if not changed and not _same_tables(run, dataset):
        changed = ["the tables"]
    if changed:
        raise RunError(
            f"expected what run {run.id} was trained on, found that {', '.join(changed)} changed; train again"
        )


def _split_of(run: Run) -> dict[str, Any]:
    """Return the description of the split that a run was trained under."""
    description: dict[str, Any] | None = run.manifest.get("split")
    return describe_split(run.manifest["settings"]) if description is None else description


def _same_tables(run: Run, dataset: Dataset) -> bool:
    """Return whether users, items and events are those that the run knows."""
    states = run.system.scenarios
    return (
        set(states) == set(dataset.scenarios)
        and run.system.users.ids().values.equals(dataset.users.values.cast(pl.String))
        and all(_same_scenario(states[name], scenario) for name, scenario in dataset.scenarios.items())
    )


def _same_scenario(state: ScenarioState, scenario: Scenario) -> bool:
    events: EventLog = state.log.events()
    return state.catalogue.ids.ids().values.equals(scenario.catalogue.ids.values.cast(pl.String)) and all(
        np.array_equal(getattr(events, column), getattr(scenario.events, column)) for column in SPLIT_COLUMNS
    )
