"""The stream after the warm-up: every choice is ranked among all items, then learned; and without learning.

    python benchmarks/progressive.py --set movietweetings --choices 2000 --json progressive.json
    python benchmarks/progressive.py --set movietweetings --choices 300 --peers vowpalwabbit river

The first half trains (`--warmup`), the rest is judged by the protocol `progressive`. "Standing still" is the
same system with what was fitted on the first half only: people's histories go on, signals do not learn. All
events are learned; of the choices a random part is judged. "us an event" is processor time for all that
learns from it: signals, the posterior where `--add posterior` says so, and what the fusion is told.
Differences are of NDCG@10, with 95 % intervals over people.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import SYSTEM, Judgement, Results
from polyscene.evaluation.significance import Interval, paired_bootstrap
from polyscene.metrics.ranking import ndcg
from polyscene.project import Project
from polyscene.recommenders.fusion.fusion import AS_FITTED
from polyscene.runs.judging import evaluate
from polyscene.runs.run import Run
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json
from streams import PEERS, event_cost, peer_outcome, write_stream

CUTOFF = 10
NEW = "new_items"


def streamed(project: Project, warmup: float, choices: int) -> Project:
    """Return the project, judged by the stream that follows its warm-up."""
    how = {"protocol": "progressive", "warmup": warmup, "max_cases": choices, "hidden_items": 0.0}
    evaluation = project.settings.evaluation.model_copy(update=how)
    settings = project.settings.model_copy(update={"evaluation": evaluation})
    return Project(settings, project.base, project.config, project.progress)


def moving(project: Project, every: int | None) -> Project:
    """Return the project with weights that move, taught by each so-manyth choice; None: as it is."""
    if every is None:
        return project
    fusion = project.settings.fusion.model_copy(update={"online": True, "online_every": every})
    settings = project.settings.model_copy(update={"fusion": fusion})
    return Project(settings, project.base, project.config, project.progress)


def development(project: Project) -> None:
    """Let a project know the first half of its events only."""
    whole = project.dataset
    times = np.sort(np.concatenate([one.events.time for one in whole.scenarios.values()]))
    middle = int(times[len(times) // 2])
    halves = {
        name: replace(one, events=one.events.take(one.events.time < middle))
        for name, one in whole.scenarios.items()
    }
    vars(project)["dataset"] = replace(whole, scenarios=halves)


def compared(living: Judgement, still: Judgement, seed: int) -> dict[str, Any]:
    """Return the models' values, and by how much the living system leads."""
    values = {model: ndcg(ranks, CUTOFF) for model, ranks in living.ranks.items()}
    still_values = {model: ndcg(ranks, CUTOFF) for model, ranks in still.ranks.items()}
    signals = [model for model in still_values if model not in (SYSTEM, AS_FITTED)]
    best = max(signals, key=lambda model: float(values[model].mean()))
    new = living.slices[NEW]

    def lead(other: Any) -> list[float]:  # noqa: ANN401 - an array
        interval: Interval = paired_bootstrap(values[SYSTEM], other, living.users, seed=seed)
        return [interval.mean, interval.low, interval.high]

    return {
        "choices": living.n_choices,
        "new": int(new.sum()),
        "models": {
            model: {
                "ndcg": float(row.mean()),
                "new_items": float(row[new].mean()) if new.any() else None,
                "standing_still": float(still_values[model].mean()) if model in still_values else None,
            }
            for model, row in values.items()
        },
        "best": best,
        "over_best": lead(values[best]),
        "over_peers": {model: lead(row) for model, row in values.items() if model not in still_values},
        "over_standing_still": lead(still_values[SYSTEM]),
        "over_as_fitted": lead(values[AS_FITTED]) if AS_FITTED in values else None,
    }


def shown(scenarios: dict[str, dict[str, Any]]) -> str:
    """Return a table for each scenario, and the leads below it."""
    lines = []
    for name, row in scenarios.items():
        rows = [
            [
                model,
                *(
                    "-" if value[key] is None else f"{value[key]:.4f}"
                    for key in ("ndcg", "new_items", "standing_still")
                ),
                f"{row['event_us'][model]:.1f}" if model in row["event_us"] else "",
            ]
            for model, value in sorted(row["models"].items(), key=lambda pair: -pair[1]["ndcg"])
        ]
        lines.append(
            f"{name}: {row['choices']:,} choices, {row['new']:,} of them of items nobody had chosen yet"
        )
        lines.append(table(["model", "ndcg@10", "of new items", "standing still", "us an event"], rows))
        for key, words in (
            ("over_best", f"the best signal, {row['best']}"),
            ("over_standing_still", "standing still"),
        ):
            lines.append(_lead(words, row[key]))
        if row["over_as_fitted"] is not None:
            lines.append(_lead("its weights as fitted", row["over_as_fitted"]))
        lines += [_lead(peer, lead) for peer, lead in row["over_peers"].items()]
    return "\n".join(lines)


def _lead(words: str, lead: Sequence[float]) -> str:
    mean, low, high = lead
    return f"polyscene over {words}: {mean:+.4f} [{low:+.4f}, {high:+.4f}]"


def with_signals(project: Project, more: Sequence[str]) -> Project:
    """Return the project with more signals in every scenario."""
    scenarios = {
        name: one.model_copy(update={"signals": [*one.signals, *more]})
        for name, one in project.settings.scenarios.items()
    }
    settings = project.settings.model_copy(update={"scenarios": scenarios})
    return Project(settings, project.base, project.config, project.progress)


def _scenarios(
    project: Project, run: Run, living: Results, still: Results, options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Return by scenario what was compared; peers rank and learn the same stream."""
    scenarios = {}
    for one, other in zip(living.judgements, still.judgements, strict=True):
        costs = {SYSTEM: event_cost(project, run, one.scenario)["microseconds"]}
        ranks = dict(one.ranks)
        folder = options.work / "streams" / run.id / one.scenario
        if options.peers:
            write_stream(project, run, one.scenario, folder)
        for peer in options.peers:
            outcome = peer_outcome(peer, folder, options.work, options.python, project.settings.seed)
            ranks[outcome["model"]] = np.array(outcome["ranks"], np.float32)
            costs[outcome["model"]] = outcome["microseconds_per_event"]
        together = replace(one, ranks=ranks)
        scenarios[one.scenario] = compared(together, other, project.settings.seed) | {"event_us": costs}
    return scenarios


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on the warm-up, judge twice, print, write."""
    options = _parser().parse_args(arguments)
    try:
        project = with_signals(chosen_project(options, Telling()), options.add)
        project = moving(project, options.online)
        project = streamed(project, options.warmup, options.choices)
        if options.development:
            development(project)
        with measured() as training:
            run = project.train()
        with measured() as judging:
            living = evaluate(run, project.dataset, project.settings, project.progress)
        still = evaluate(run, project.dataset, project.settings, project.progress, learns_on=False)
        scenarios = _scenarios(project, run, living, still, options)
    except (PolysceneError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print(shown(scenarios))
    print(f"training: {training.seconds:.1f} s; judging while it learns: {judging.seconds:.1f} s")
    if options.json is not None:
        about = {"machine": machine(), "versions": versions(), "seed": project.settings.seed}
        cost = {"train": training.to_json(), "judge": judging.to_json()}
        write_json(options.json, about | {"scenarios": scenarios, "cost": cost})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(parser)
    parser.add_argument(
        "--choices", type=int, default=2_000, metavar="N", help="that are judged; default: 2000"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, default=[], help="that rank and learn the same stream"
    )
    parser.add_argument("--python", default=sys.executable, metavar="FILE", help="makes their environments")
    parser.add_argument(
        "--add", nargs="*", default=[], metavar="SIGNAL", help="beside the configured ones, such as posterior"
    )
    parser.add_argument(
        "--development",
        action="store_true",
        help="forget the second half of the events, and judge by the same protocol on the first: "
        "for choosing between variants",
    )
    parser.add_argument(
        "--online", type=int, metavar="N", help="let the fusion's weights move, taught by each N-th choice"
    )
    parser.add_argument("--warmup", type=float, default=0.5, metavar="SHARE", help="default: 0.5")
    return parser


if __name__ == "__main__":
    sys.exit(main())
