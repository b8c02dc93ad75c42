"""What earlier choices and the lift of new items are worth to the fusion: with both and without.

    python benchmarks/choices.py --set amazon_books --fold-valid --json books.json
    python benchmarks/choices.py --set amazon_beauty --people 0.05 0.1 0.25 0.5
    python benchmarks/choices.py --set movielens_100k --tuning none

For each share of the people (all of them, unless said otherwise) the same project is trained twice with the
same seed, with `[fusion] earlier_cuts = 0, new_items = "cautious"` and as it is configured, and both are
judged on the same choices, which neither has learned from. What a training costs is told in processor
seconds too, which count the same on a busy machine.
`--fold-valid` forgets which choices a given split names VALID, so that the latest tenth of what may be
learned from teaches the fusion.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.data.schema import Dataset, EventLog, Part
from polyscene.data.splits.parts import Parts
from polyscene.data.splits.protocol import protocol_of, split
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import SYSTEM, Judgement
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.project import Project
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

SLICES = (None, "new_items", "cold_items", "cold_users")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--people", type=float, nargs="+", default=[1.0], help="shares of the users")
    arguments.add_argument("--fold-valid", action="store_true", help="a given VALID becomes TRAIN")
    arguments.add_argument(
        "--development",
        action="store_true",
        help="forget the test part, and judge on the latest of what may be learned from: "
        "for choosing between variants",
    )
    arguments.add_argument("--tuning", help="another method than the configured one, such as none")
    return arguments


DEVELOPMENT_SHARE = 0.2


def development(project: Project, dataset: Dataset) -> None:
    """Give a project the data set without its test part, with other choices to be judged.

    Where every user's events are split by their order the ones before take their places; else the latest
    fifth is judged, as a given split.
    """
    evaluation = project.settings.evaluation
    parts = split(dataset, evaluation)
    in_order = protocol_of(evaluation).by_user
    scenarios = {}
    for name, part in parts.items():
        scenario = dataset.scenarios[name]
        events = scenario.events.take(part != Part.TEST)
        if not in_order:
            events = replace(events, part=_latest_fifth(events, part[part != Part.TEST]))
        scenarios[name] = replace(scenario, events=events, has_split=not in_order)
    vars(project)["dataset"] = replace(dataset, scenarios=scenarios)
    if not in_order:
        settings = evaluation.model_copy(update={"protocol": "given"})
        project.settings = project.settings.model_copy(update={"evaluation": settings})


def _latest_fifth(events: EventLog, part: Parts) -> Parts:
    """Return the parts of events when the latest fifth of the choices is judged."""
    known = np.where(part == Part.VALID, Part.TRAIN, part).astype(np.int8)
    rows = np.flatnonzero((known == Part.TRAIN) & events.choice)
    first = events.time[rows[int(len(rows) * (1 - DEVELOPMENT_SHARE))]]
    known[(known == Part.TRAIN) & (events.time >= first)] = Part.TEST
    return known


def trimmed(dataset: Dataset, share: float, fold_valid: bool) -> Dataset:
    """Return the data set with a share of its people, and VALID as TRAIN where wanted."""
    users = generator(0, "people").permutation(len(dataset.users))[: round(share * len(dataset.users))]
    kept = np.zeros(len(dataset.users), np.bool_)
    kept[users] = True
    scenarios = {}
    for name, scenario in dataset.scenarios.items():
        events = scenario.events.take(kept[scenario.events.user])
        if fold_valid:
            part = np.where(events.part == Part.VALID, Part.TRAIN, events.part).astype(np.int8)
            events = replace(events, part=part)
        scenarios[name] = replace(scenario, events=events)
    return replace(dataset, scenarios=scenarios)


def compared(options: argparse.Namespace, share: float) -> dict[str, Any]:
    """Train and judge in the plain way and as configured, on a share of the people."""
    judgements, costs = {}, {}
    for way in ("without", "with"):
        project = chosen_project(options, Telling())
        project.settings = _settings(project, way, options.tuning)
        dataset = trimmed(project.dataset, share, options.fold_valid)
        vars(project)["dataset"] = dataset
        if options.development:
            development(project, dataset)
        with measured() as cost:
            run = project.train()
        judgements[way], costs[way] = project.evaluate(run).judgements, cost.to_json()
    pairs = zip(judgements["without"], judgements["with"], strict=True)
    scenarios = {one.scenario: rows_of_slices(one, two, project.settings.seed) for one, two in pairs}
    return {"people": share, "scenarios": scenarios, "cost": costs}


def _settings(project: Project, way: str, tuning: str | None) -> Any:  # noqa: ANN401 - settings
    settings = project.settings
    changes: dict[str, Any] = {}
    plain = {"earlier_cuts": 0, "new_items": "cautious"}
    if way == "without":
        changes["fusion"] = settings.fusion.model_copy(update=plain)
    if tuning is not None:
        changes["language"] = settings.language.model_copy(update={"tuning": tuning})
    return settings.model_copy(update=changes)


def rows_of_slices(without: Judgement, with_: Judgement, seed: int) -> dict[str, Any]:
    """Return NDCG@10 of both systems and of the best signal, over all choices and in slices."""
    rows = {}
    for part in SLICES:
        mask = slice(None) if part is None else without.slices.get(part, np.zeros(0, np.bool_))
        users = without.users[mask]
        if not len(users):
            continue
        gains = {
            model: with_.per_choice(model, (10,))["ndcg@10"][mask] for model in with_.ranks if model != SYSTEM
        }
        best = max(gains, key=lambda model: float(gains[model].mean()))
        before = without.per_choice(SYSTEM, (10,))["ndcg@10"][mask]
        after = with_.per_choice(SYSTEM, (10,))["ndcg@10"][mask]
        lead = paired_bootstrap(after, before, users, seed=seed)
        rows[part or "all"] = {
            "choices": len(users),
            "without": float(before.mean()),
            "with": float(after.mean()),
            "difference": [lead.mean, lead.low, lead.high] if lead.known else [lead.mean, None, None],
            "best signal": best,
            "its value": float(gains[best].mean()),
        }
    return rows


def shown_rows(outcome: dict[str, Any]) -> str:
    """Return a table of what came of one share of the people."""
    lines = []
    for name, rows in outcome["scenarios"].items():
        for part, row in rows.items():
            mean, low, high = row["difference"]
            bounds = "" if low is None else f" [{low:+.4f}, {high:+.4f}]"
            lines.append(
                [
                    f"{name}, {outcome['people']:.0%}, {part}",
                    f"{row['choices']:,}",
                    f"{row['without']:.4f}",
                    f"{row['with']:.4f}",
                    f"{mean:+.4f}{bounds}",
                    f"{row['best signal']} {row['its value']:.4f}",
                ]
            )
    seconds = ", ".join(
        f"{way} {cost['seconds']:,.0f} ({cost['processor_seconds']:,.0f} of a processor)"
        for way, cost in outcome["cost"].items()
    )
    head = ["ndcg@10 of the system", "choices", "without", "with", "difference", "best signal"]
    return table(head, lines) + f"\nseconds of training: {seconds}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare for each share of the people, print, write."""
    options = parser().parse_args(arguments)
    outcomes = []
    try:
        for share in options.people:
            outcomes.append(compared(options, share))
            print(shown_rows(outcomes[-1]), flush=True)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json is not None:
        write_json(options.json, {"outcomes": outcomes, "machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
