"""Write the folds of a project as plain arrays, so that peers learn and rank exactly what Polyscene does.

    python benchmarks/peers/export.py --set amazon_beauty --out folds

FOLDER/export.json says what there is, and whether lists leave out what a user already has. FOLDER/0,
FOLDER/1 and so on hold one scenario each: tune.npz (learn TRAIN, rank VALID) and test.npz (learn both, rank
TEST), with the histories as they were known at each request and when items could first be shown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from polyscene.core.errors import PolysceneError
from polyscene.data.splits.folds import Fold
from polyscene.data.splits.phases import Phase
from polyscene.data.splits.protocol import split
from polyscene.evaluation.slices import choice_slices
from polyscene.learning.training_data import TrainingData, training_data
from polyscene.project import Project
from projects import add_project_arguments, chosen_project
from showing import Telling, write_json

Arrays = dict[str, Any]
"""Arrays by name."""


def export(opened: Project, folder: Path) -> dict[str, Any]:
    """Write the folds of every scenario and return what `export.json` says of them.

    Raises:
        DataError: the tables cannot be used.
        ConfigError: the protocol does not fit them.
    """
    settings, dataset = opened.settings, opened.dataset
    parts = split(dataset, settings.evaluation)
    ground = training_data(dataset, parts, settings)
    folds = ground.folds
    learned = [folds.learned(name, Phase.ALL).user for name in dataset.scenarios]
    user_events = np.bincount(np.concatenate(learned), minlength=len(dataset.users))
    scenarios = {}
    for number, name in enumerate(dataset.scenarios):
        home = folder / str(number)
        home.mkdir(parents=True, exist_ok=True)
        np.savez(home / "tune.npz", **_arrays(folds.tune(name), ground, name))
        fold = folds.test(name, settings.seed)
        slices = _slices(fold, ground, name, user_events)
        masks: Arrays = {f"slice_{part}": mask for part, mask in slices.items()}
        np.savez(home / "test.npz", **_arrays(fold, ground, name) | masks)
        scenarios[name] = _facts(fold, ground, name, settings.evaluation.protocol, slices)
    facts = {
        "project": settings.name,
        "seed": settings.seed,
        "cutoffs": list(settings.evaluation.cutoffs),
        "scenarios": scenarios,
    }
    write_json(folder / "export.json", facts)
    return facts


def _arrays(fold: Fold, ground: TrainingData, name: str) -> Arrays:
    learn, queries = fold.learn.take(fold.learn.weight > 0), fold.choices.queries
    return {
        "learn_user": learn.user.astype(np.int64),
        "learn_item": learn.item.astype(np.int64),
        "learn_time": learn.time,
        "learn_weight": learn.weight,
        "user": queries.user.astype(np.int64),
        "time": queries.time,
        "offsets": queries.history.offsets,
        "items": queries.history.items.astype(np.int64),
        "target": fold.choices.target.astype(np.int64),
        "since": ground.since[name],
    }


def _slices(
    fold: Fold, ground: TrainingData, name: str, user_events: NDArray[np.int64]
) -> Mapping[str, NDArray[np.bool_]]:
    n_items = len(ground.dataset.scenarios[name].catalogue)
    item_events = np.bincount(fold.learn.item, minlength=n_items)
    return choice_slices(item_events[fold.choices.target], user_events[fold.choices.queries.user])


def _facts(
    fold: Fold, ground: TrainingData, name: str, protocol: str, slices: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Any]:
    scenario = ground.dataset.scenarios[name]
    return {
        "n_users": len(ground.dataset.users),
        "n_items": len(scenario.catalogue),
        "clock": scenario.clock,
        "hide_seen": ground.hide_seen[name],
        "users": len(np.unique(fold.choices.queries.user)),
        "choices": len(fold.choices),
        "protocol": protocol,
        "seen_items": "removed" if ground.hide_seen[name] else "kept",
        "slices": {part: int(mask.sum()) for part, mask in slices.items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folds of the chosen project."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="write the folds here")
    options = parser.parse_args(arguments)
    try:
        facts = export(chosen_project(options, Telling()), options.out)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json is not None:
        write_json(options.json, facts)
    for name, about in facts["scenarios"].items():
        print(f"{name}: {about['choices']:,} choices, {about['n_items']:,} items, seen {about['seen_items']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
