"""Similar items, judged by what people choose one after the other: by texts alone, and joined with choices.

    python benchmarks/similar.py --set movielens_100k --json similar.json
    python benchmarks/similar.py --config FILE --run ID
    python benchmarks/similar.py --set movietweetings --pairs 1000 --vary

A run is opened (or trained where there is none). For every held-out choice, which the run has not learned
from, the item that the same user chose right before it is asked for its likes: is the held-out one among
them? The whole catalogue is ranked but for the item that is asked. Intervals are bootstrapped over users.
With --vary, other numbers in the formula are tried one at a time, each against those that are used.
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
from polyscene.engine.likeness import USUAL, Likeness, LikenessWeights, likeness
from polyscene.engine.state import ScenarioState, System
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import bootstrap_interval, paired_bootstrap
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.project import Project
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

CUTOFF = 10
JOINED = "joined"
VARIED: dict[str, tuple[float, ...]] = {
    "max_trust": (0.5, 0.7, 0.95),
    "half_known": (0.5, 5.0, 15.0),
    "damping": (0.0, 0.5),
}
WAYS: dict[str, Callable[[Likeness], FloatArray]] = {
    "texts alone": lambda alike: alike.meaning,
    "choices alone": lambda alike: alike.together,
    JOINED: lambda alike: alike.scores,
}


def variants() -> dict[str, LikenessWeights]:
    """Return the weights with one number changed each, by what was changed."""
    return {
        f"{name} {value}": USUAL._replace(**{name: value})
        for name, values in VARIED.items()
        for value in values
    }


def co_choices(project: Project, name: str, most: int) -> tuple[IntArray, LongArray, LongArray]:
    """Return (m,) users, the items they chose last, and the held-out items that they chose next."""
    evaluation = project.settings.evaluation
    choices = Folds(project.dataset, split(project.dataset, evaluation), evaluation).test(name).choices
    history = choices.queries.history
    rows = np.flatnonzero(history.lengths > 0)
    last = history.items[history.offsets[rows + 1] - 1].astype(np.int64)
    rows, last = rows[last != choices.target[rows]], last[last != choices.target[rows]]
    drawn = np.sort(generator(project.settings.seed, "similar").permutation(len(rows))[:most])
    return choices.queries.user[rows[drawn]], last[drawn], choices.target[rows[drawn]].astype(np.int64)


def ranks_of(
    system: System, state: ScenarioState, asked: LongArray, chosen: LongArray, vary: bool
) -> dict[str, Any]:
    """Return (m,) the rank of every chosen item among what is like the one that is asked, by way."""
    now, others = system.now(state), variants() if vary else {}
    ranks = {way: np.zeros(len(asked)) for way in (*WAYS, *others)}
    for item in np.unique(asked):
        alike, rows = likeness(state, int(item), now), np.flatnonzero(asked == item)
        scored = {way: scores_of(alike) for way, scores_of in WAYS.items()}
        scored |= {way: likeness(state, int(item), now, weights).scores for way, weights in others.items()}
        for way, values in scored.items():
            scores = values.copy()
            scores[item] = -np.inf
            ranks[way][rows] = mid_ranks(np.tile(scores, (len(rows), 1)), chosen[rows])
    return ranks


def judged(ranks: dict[str, Any], users: IntArray, seed: int) -> dict[str, Any]:
    """Return HR and NDCG by way with their intervals, and how far joining stands above every other way."""
    metrics: dict[str, Callable[[Any], Any]] = {
        f"hr@{CUTOFF}": lambda rank: (rank <= CUTOFF).astype(np.float64),
        f"ndcg@{CUTOFF}": lambda rank: ndcg(rank, CUTOFF),
    }
    others = [way for way in ranks if way != JOINED]
    results: dict[str, Any] = {way: {} for way in (*WAYS, *(f"{JOINED} against {way}" for way in others))}
    for metric, value in metrics.items():
        gains = {way: value(rank) for way, rank in ranks.items()}
        for way in WAYS:
            bounds = bootstrap_interval(gains[way], users, seed=seed)
            results[way][metric] = [bounds.mean, bounds.low, bounds.high]
        for way in others:
            against = paired_bootstrap(gains[JOINED], gains[way], users, seed=seed)
            results[f"{JOINED} against {way}"][metric] = [against.mean, against.low, against.high]
    return results


def measure(project: Project, run_id: str | None, most: int, vary: bool) -> dict[str, Any]:
    """Return the results of every scenario of a run."""
    run = project.run(run_id) if project.runs() else project.train()
    scenarios = {}
    for name, state in run.system.scenarios.items():
        users, asked, chosen = co_choices(project, name, most)
        if len(users):
            ranks = ranks_of(run.system, state, asked, chosen, vary)
            results = judged(ranks, users, project.settings.seed)
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
    parser.add_argument("--pairs", type=int, default=5000, metavar="N", help="so many co-choices at most")
    parser.add_argument("--vary", action="store_true", help="try other numbers in the formula")
    options = parser.parse_args(arguments)
    try:
        project = chosen_project(options, Telling())
        results = measure(project, options.run, options.pairs, options.vary)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    show(results)
    if options.json is not None:
        write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
