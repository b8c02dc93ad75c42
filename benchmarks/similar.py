"""Similar items, judged by what people choose one after the other: by texts alone, and joined with choices.

    python benchmarks/similar.py --set movielens_100k --json similar.json
    python benchmarks/similar.py --config FILE --run ID

A run is opened (or trained where there is none). For every held-out choice, which the run has not learned
from, the item that the same user chose right before it is asked for its likes: is the held-out one among
them? The whole catalogue is ranked but for the item that is asked. Intervals are bootstrapped over users.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.splits.folds import Folds
from polyscene.data.splits.protocol import split
from polyscene.engine.likeness import Likeness, likeness
from polyscene.engine.state import ScenarioState, System
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import bootstrap_interval, paired_bootstrap
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.project import Project
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

CUTOFF = 10
MAX_PAIRS = 5000
WAYS: dict[str, Callable[[Likeness], FloatArray]] = {
    "texts alone": lambda alike: alike.meaning,
    "choices alone": lambda alike: alike.together,
    "joined": lambda alike: alike.scores,
}


def co_choices(project: Project, name: str, seed: int) -> tuple[IntArray, LongArray, LongArray]:
    """Return (m,) users, the items they chose last, and the held-out items that they chose next."""
    evaluation = project.settings.evaluation
    choices = Folds(project.dataset, split(project.dataset, evaluation), evaluation).test(name).choices
    history = choices.queries.history
    rows = np.flatnonzero(history.lengths > 0)
    last = history.items[history.offsets[rows + 1] - 1].astype(np.int64)
    rows, last = rows[last != choices.target[rows]], last[last != choices.target[rows]]
    drawn = np.sort(generator(seed, "similar").permutation(len(rows))[:MAX_PAIRS])
    return choices.queries.user[rows[drawn]], last[drawn], choices.target[rows[drawn]].astype(np.int64)


def ranks_of(system: System, state: ScenarioState, asked: LongArray, chosen: LongArray) -> dict[str, Any]:
    """Return (m,) the rank of every chosen item among what is like the one that is asked, by way."""
    now, ranks = system.now(state), {way: np.zeros(len(asked)) for way in WAYS}
    for item in np.unique(asked):
        alike, rows = likeness(state, int(item), now), np.flatnonzero(asked == item)
        for way, scores_of in WAYS.items():
            scores = scores_of(alike).copy()
            scores[item] = -np.inf
            ranks[way][rows] = mid_ranks(np.tile(scores, (len(rows), 1)), chosen[rows])
    return ranks


def judged(ranks: dict[str, Any], users: IntArray, seed: int) -> dict[str, Any]:
    """Return HR and NDCG by way with their intervals, and how far joining stands above texts alone."""
    metrics: dict[str, Callable[[Any], Any]] = {
        f"hr@{CUTOFF}": lambda rank: (rank <= CUTOFF).astype(np.float64),
        f"ndcg@{CUTOFF}": lambda rank: ndcg(rank, CUTOFF),
    }
    results: dict[str, Any] = {way: {} for way in (*ranks, "joined against texts alone")}
    for metric, value in metrics.items():
        gains = {way: value(rank) for way, rank in ranks.items()}
        for way, gain in gains.items():
            bounds = bootstrap_interval(gain, users, seed=seed)
            results[way][metric] = [bounds.mean, bounds.low, bounds.high]
        against = paired_bootstrap(gains["joined"], gains["texts alone"], users, seed=seed)
        results["joined against texts alone"][metric] = [against.mean, against.low, against.high]
    return results


def measure(project: Project, run_id: str | None, seed: int) -> dict[str, Any]:
    """Return the results of every scenario of a run."""
    run = project.run(run_id) if project.runs() else project.train()
    scenarios = {}
    for name, state in run.system.scenarios.items():
        users, asked, chosen = co_choices(project, name, seed)
        if len(users):
            results = judged(ranks_of(run.system, state, asked, chosen), users, seed)
            scenarios[name] = {"pairs": len(users), "items": len(state.catalogue), "ways": results}
    return {"run": run.id, "scenarios": scenarios, "machine": machine(), "versions": versions()}


def show(results: dict[str, Any]) -> None:
    """Print a table per scenario."""
    for name, block in results["scenarios"].items():
        print(f"\n{name}: {block['pairs']:,} held-out co-choices, {block['items']:,} items")
        rows = [
            [way, *(f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]" for mean, low, high in values.values())]
            for way, values in block["ways"].items()
        ]
        print(table(["way", f"HR@{CUTOFF}", f"NDCG@{CUTOFF}"], rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_project_arguments(parser)
    parser.add_argument("--run", metavar="ID", help="default: the newest, or one that is trained first")
    options = parser.parse_args(arguments)
    try:
        project = chosen_project(options, Telling())
        results = measure(project, options.run, project.settings.seed)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    show(results)
    if options.json is not None:
        write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
