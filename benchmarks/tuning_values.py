"""One setting of tuning at several values: how well the tuned vectors alone rank, and what the tuning costs.

    python benchmarks/tuning_values.py --set amazon_beauty --key projection_batch --values 1024 512
    python benchmarks/tuning_values.py --data FOLDER --key projection_steps --values 400 200 --json steps.json

For choosing between values, so the test part is forgotten: of what may be learned from, the latest is judged
(see `choices.py --development`). For each value the language model is tuned as a training does it, on the
past and then on everything in as many rounds as were best, and the content signal ranks the same choices, at
most 6,000 of a scenario; differences from the first value are paired over users. No other signal is fitted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from choices import development
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.core.settings.project import Settings
from polyscene.core.threads import set_threads
from polyscene.core.types import IntArray
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.language.model.loading import load_models
from polyscene.language.text.cache import EncodingCache
from polyscene.learning.language import tune_language
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import Values, mid_ranks, ndcg
from polyscene.project import Project
from polyscene.recommenders.content import Content
from polyscene.recommenders.fusion.features import Features
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

CUTOFF, BLOCK = 10, 256
MOST_CHOICES = 6000
"""Of each scenario are judged; a sample where there are more."""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(parser)
    parser.add_argument("--key", default="projection_batch", help="of [tuning]")
    parser.add_argument(
        "--values",
        nargs="+",
        required=True,
        metavar="JSON",
        help="the first is what the others are compared with",
    )
    return parser


def with_value(settings: Settings, key: str, value: str) -> Settings:
    """Return the settings with another value of one key of `[tuning]`.

    Raises:
        ConfigError: there is no such key, or the value does not fit it.
    """
    values = settings.model_dump(mode="json", exclude_unset=True)
    return Settings.parse({**values, "tuning": {**values.get("tuning", {}), key: json.loads(value)}})


def tuned(project: Project) -> TrainingData:
    """Return the development choices, and catalogues read by models tuned on what came before."""
    development(project, project.dataset)
    settings, data = project.settings, project.ground()
    models = load_models(settings.languages, project.base, project.progress)
    with TemporaryDirectory() as folder:  # checkpoints of another value are no start
        cache = EncodingCache(project.base / Path(str(settings.runtime.cache)), project.progress)
        language = tune_language(models, data, settings, Path(folder), cache, project.progress)
    return replace(data, vectors=language.vectors)


def gains(data: TrainingData, name: str) -> tuple[Values, IntArray]:
    """Return NDCG@10 of the content signal at a scenario's choices, and their users."""
    choices = data.folds.test(name, data.seed).choices
    if len(choices) > MOST_CHOICES:
        sample = generator(data.seed, "judged", name).permutation(len(choices))[:MOST_CHOICES]
        choices = choices.pick(np.sort(sample))
    evidence, values = data.evidence(name, Phase.ALL), []
    signal, features = Content().fit(evidence), Features.of(evidence)
    for rows, queries in choices.queries.blocks(BLOCK):
        shown = ~features.closed(queries, data.hide_seen[name])
        values.append(ndcg(mid_ranks(signal.score(queries), choices.target[rows], shown), CUTOFF))
    return np.concatenate(values), choices.queries.user


def judged(
    options: argparse.Namespace, value: str
) -> tuple[dict[str, tuple[Values, IntArray]], dict[str, Any]]:
    """Return what the content signal gains in every scenario with one value, and what the tuning cost."""
    project = chosen_project(options, Telling())
    project.settings = with_value(project.settings, options.key, value)
    set_threads(project.settings.runtime.threads)
    with measured() as cost:
        data = tuned(project)
    return {name: gains(data, name) for name in data.dataset.scenarios}, cost.to_json()


def main(arguments: Sequence[str] | None = None) -> int:
    """Tune with each value, judge, print, write."""
    options = parser().parse_args(arguments)
    values: dict[str, dict[str, Any]] = {}
    first: dict[str, tuple[Values, IntArray]] = {}
    try:
        for value in options.values:
            scenarios, cost = judged(options, value)
            first = first or scenarios
            values[value] = {"cost": cost, "scenarios": {}}
            for name, (gain, users) in scenarios.items():
                lead = paired_bootstrap(gain, first[name][0], users)
                difference = {"mean": lead.mean, "low": lead.low, "high": lead.high}
                values[value]["scenarios"][name] = {"ndcg@10": float(gain.mean()), "difference": difference}
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    rows = [
        [
            name,
            value,
            f"{row['ndcg@10']:.4f}",
            "{mean:+.4f} [{low:+.4f}, {high:+.4f}]".format(**row["difference"]),
            f"{one['cost']['processor_seconds']:.0f}",
        ]
        for value, one in values.items()
        for name, row in one["scenarios"].items()
    ]
    print(table(["scenario", options.key, "content NDCG@10", "difference", "processor seconds"], rows))
    if options.json is not None:
        write_json(
            options.json, {"key": options.key, "values": values, "machine": machine(), "versions": versions()}
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
