"""The sequence encoder that hears all scenarios against the one that hears its own: quality, seconds, memory.

    python benchmarks/sequences.py --set amazon_three --part validation --json sequences.json
    python benchmarks/sequences.py --config FILE --only shop --seed 11

In every scenario the signal `sequence` is fitted twice, `scenarios = "own"` and `"all"`, with the language
model as it came, and ranks the same choices over the whole catalogue: all of them, those of people who did
something in another scenario too, and the others'. Differences are paired over users. With `--part
validation` it learns from the training part and the test part is not touched.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.core.settings.project import Settings
from polyscene.core.threads import set_threads
from polyscene.core.types import BoolArray
from polyscene.data.queries import Choices
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.language.model.loading import load_models
from polyscene.language.text.cache import EncodingCache
from polyscene.learning.language import tune_language
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import Values, mid_ranks, ndcg
from polyscene.project import Project
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.sequence.sequence import Sequence as SequenceSignal
from polyscene.recommenders.signal import Evidence
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

ARMS = ("own", "all")
CUTOFF, BLOCK = 10, 256
HEAD = ("choices", "number", "own", "all", "difference, 95 %", "own s", "all s", "own MB", "all MB")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument(
        "--part", choices=("validation", "test"), default="test", help="which choices are judged"
    )
    arguments.add_argument("--only", metavar="SCENARIO", help="default: every scenario")
    arguments.add_argument("--epochs", type=int, metavar="N", help="default: as configured")
    return arguments


def read(project: Project) -> TrainingData:
    """Return what fitting needs, with the catalogues read by the language model as it came."""
    settings = project.settings
    language = settings.language.model_copy(update={"tuning": "none"})
    frozen: Settings = settings.model_copy(update={"language": language})
    models = load_models(frozen.languages, project.base, project.progress)
    named = settings.runtime.cache
    cache = EncodingCache(None if named is None else project.base / Path(named), project.progress)
    data = project.ground()
    tuned = tune_language(models, data, frozen, project.runs_folder, cache, project.progress)
    return replace(data, vectors=tuned.vectors)


def gains(signal: SequenceSignal, choices: Choices, features: Features, hide_seen: bool) -> Values:
    """Return NDCG@10 of every choice."""
    values = []
    for rows, queries in choices.queries.blocks(BLOCK):
        ranks = mid_ranks(signal.score(queries), choices.target[rows], ~features.closed(queries, hide_seen))
        values.append(ndcg(ranks, CUTOFF))
    return np.concatenate(values)


def fitted(settings: Any, evidence: Evidence, scenarios: str) -> tuple[SequenceSignal, dict[str, float]]:  # noqa: ANN401 - a signal's own settings
    """Return the signal that hears some scenarios, and what it cost."""
    with measured() as cost:
        signal = SequenceSignal(settings.model_copy(update={"scenarios": scenarios})).fit(evidence)
    numbers = sum(array.nbytes for array in signal.state().values())
    return signal, cost.to_json() | {"state_mb": round(numbers / 2**20, 2)}


def compared(data: TrainingData, name: str, part: str, settings: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return both arms in one scenario, on all choices, on those of shared users, and on the others."""
    phase = Phase.PAST if part == "validation" else Phase.ALL
    evidence = data.evidence(name, phase)
    fold = data.folds.tune(name) if phase is Phase.PAST else data.folds.test(name, data.seed)
    choices, features = fold.choices, Features.of(evidence)
    users = choices.queries.user
    elsewhere = sum((rows.lengths for rows in choices.queries.elsewhere.values()), np.zeros(len(users), int))
    values, costs = {}, {}
    for arm in ARMS:
        signal, costs[arm] = fitted(settings, evidence, arm)
        values[arm] = gains(signal, choices, features, data.hide_seen[name])
    slices: dict[str, BoolArray] = {
        "all": np.ones(len(users), np.bool_),
        "shared users": elsewhere > 0,
        "others": elsewhere == 0,
    }
    rows = {title: _slice(values, users, chosen) for title, chosen in slices.items() if chosen.any()}
    return {"slices": rows, "cost": costs}


def _slice(values: Mapping[str, Values], users: np.ndarray, chosen: BoolArray) -> dict[str, Any]:
    own, everything = (values[arm][chosen] for arm in ARMS)
    gain = paired_bootstrap(everything, own, users[chosen])
    difference = {"mean": gain.mean, "low": gain.low, "high": gain.high}
    return {
        "choices": int(chosen.sum()),
        **{arm: float(values[arm][chosen].mean()) for arm in ARMS},
        "difference": difference,
    }


def lines(report: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of the table."""
    rows = []
    for name, one in report["scenarios"].items():
        for title, part in one["slices"].items():
            gain = part["difference"]
            costs = [one["cost"][arm] for arm in ARMS] if title == "all" else []
            rows.append(
                [
                    f"{name}: {title}",
                    f"{part['choices']:,}",
                    *(f"{part[arm]:.4f}" for arm in ARMS),
                    f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]",
                    *([f"{cost['processor_seconds']:.0f}" for cost in costs] or ["", ""]),
                    *([f"{cost['state_mb']:.1f}" for cost in costs] or ["", ""]),
                ]
            )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, judge, print, write."""
    options = parser().parse_args(arguments)
    try:
        project = chosen_project(options, Telling())
        set_threads(project.settings.runtime.threads)
        settings = project.settings.signal("sequence")
        if options.epochs is not None:
            settings = settings.model_copy(update={"epochs": options.epochs})
        data = read(project)
        names = [name for name in data.dataset.scenarios if options.only in (None, name)]
        results = {name: compared(data, name, options.part, settings) for name in names}
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    report = {
        "project": project.settings.name,
        "part": options.part,
        "seed": project.settings.seed,
        "scenarios": results,
        "machine": machine(),
        "versions": versions(),
    }
    print(table(HEAD, lines(report)))
    if options.json is not None:
        write_json(options.json, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
