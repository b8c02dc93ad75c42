"""People with few events: what the fusion makes of them with `[fusion] newcomers` and without.

    python benchmarks/short_histories.py --set movielens_100k --development --tuning none
    python benchmarks/short_histories.py --data FOLDER --seeds 7 8 9 --json short.json

The same project is trained twice with the same seed, with `newcomers = 0` and as it is configured, and ranks
the same choices over the whole catalogue as if only the latest 1, 2, 3, 5 or 10 events of who made them were
known, and by all that is kept of them. What is left out of a history is no candidate. Differences are means
over the seeds, paired over users. With `--development` the test part is forgotten, for choosing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from choices import development
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.core.types import IntArray
from polyscene.data.queries import HISTORY_LENGTH, Choices
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.learning.strangers import NOBODY, shortened
from polyscene.metrics.ranking import Values, mid_ranks, ndcg
from polyscene.project import Project
from polyscene.runs.run import Run
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

LENGTHS = (1, 2, 3, 5, 10, HISTORY_LENGTH)
CUTOFF, BLOCK = 10, 128
MOST_CHOICES = 3000
"""Of each scenario are judged; a sample where there are more."""
POPULARITY = "popularity"
WITHOUT, WITH = "without", "with"
Gains = dict[tuple[str, int], Values]
"""By what ranks and the length of the histories, (B,) NDCG@10."""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--tuning", help="another method than the configured one, such as none")
    parser.add_argument(
        "--development", action="store_true", help="judge on the latest of what may be learned"
    )
    return parser


def opened(options: argparse.Namespace, seed: int, way: str) -> Project:
    """Return the project as one of the two ways wants it."""
    project = chosen_project(options, Telling())
    settings = project.settings
    changes: dict[str, Any] = {"seed": seed}
    if way == WITHOUT:
        changes["fusion"] = settings.fusion.model_copy(update={"newcomers": 0.0})
    if options.tuning is not None:
        changes["language"] = settings.language.model_copy(update={"tuning": options.tuning})
    project.settings = settings.model_copy(update=changes)
    if options.development:
        development(project, project.dataset)
    return project


def of_few_events(choices: Choices, length: int) -> Choices:
    """Return the choices as if no more than the latest events of who made them were known."""
    queries = shortened(choices.queries, np.full(len(choices), length))
    return Choices(replace(queries, user=np.full(len(choices), NOBODY, np.int32)), choices.target)


def gains(run: Run, scenario: str, choices: Choices) -> dict[str, Values]:
    """Return NDCG@10 of the whole and of popularity at choices."""
    fusion, parts = run.system.scenario(scenario).fusion, dict[str, list[Values]]()
    for rows, queries in choices.queries.blocks(BLOCK):
        target = choices.target[rows].astype(np.int64)
        candidates = fusion.open(queries)
        candidates[np.arange(len(target)), target] = True
        scores = fusion.score_all(queries)
        for model in (name for name in (SYSTEM, POPULARITY) if name in scores):
            parts.setdefault(model, []).append(ndcg(mid_ranks(scores[model], target, candidates), CUTOFF))
    return {model: np.concatenate(values) for model, values in parts.items()}


def judged(options: argparse.Namespace, seed: int) -> dict[str, tuple[IntArray, Gains]]:
    """Return by scenario who made the choices, and what both ways gain with histories of each length."""
    outcomes: dict[str, tuple[IntArray, Gains]] = {}
    for way in (WITHOUT, WITH):
        project = opened(options, seed, way)
        run, data = project.train(), project.ground()
        for name in data.dataset.scenarios:
            choices = data.folds.test(name, 0).choices
            sample = generator(0, "judged", name).permutation(len(choices))[:MOST_CHOICES]
            choices = choices.pick(np.sort(sample))
            _, gained = outcomes.setdefault(name, (choices.queries.user, {}))
            for length in LENGTHS:
                values = gains(run, name, of_few_events(choices, length))
                gained[way, length] = values[SYSTEM]
                if POPULARITY in values:
                    gained[POPULARITY, length] = values[POPULARITY]
    return outcomes


def summary(users: IntArray, seeds: Sequence[Gains], length: int) -> dict[str, Any]:
    """Return what both ways gain with histories of a length, means over seeds, and the difference."""
    means = {
        name: np.mean([gain[name, length] for gain in seeds], axis=0)
        for name in (WITHOUT, WITH, POPULARITY)
        if (name, length) in seeds[0]
    }
    difference = paired_bootstrap(means[WITH], means[WITHOUT], users)
    interval = {"mean": difference.mean, "low": difference.low, "high": difference.high}
    return {name: float(values.mean()) for name, values in means.items()} | {"difference": interval}


def lines(scenarios: Mapping[str, Mapping[int, Any]]) -> list[list[str]]:
    """Return the rows of the table."""
    return [
        [
            name,
            "all" if length == HISTORY_LENGTH else str(length),
            *(f"{row[way]:.4f}" if way in row else "-" for way in (POPULARITY, WITHOUT, WITH)),
            "{mean:+.4f} [{low:+.4f}, {high:+.4f}]".format(**row["difference"]),
        ]
        for name, rows in scenarios.items()
        for length, row in rows.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge, print, write."""
    options = parser().parse_args(arguments)
    try:
        seeds = [judged(options, seed) for seed in options.seeds]
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    scenarios = {
        name: {length: summary(users, [seed[name][1] for seed in seeds], length) for length in LENGTHS}
        for name, (users, _) in seeds[0].items()
    }
    print(table(["scenario", "events", POPULARITY, WITHOUT, WITH, "difference"], lines(scenarios)))
    if options.json is not None:
        report = {"seeds": options.seeds, "development": options.development, "scenarios": scenarios}
        write_json(options.json, report | {"machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
