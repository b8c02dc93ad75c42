"""Cold start as curves: quality against how many events there are of a new item, a new user, a new scenario.

    python benchmarks/cold_start.py --part items users --set movielens_100k --json FILE
    python benchmarks/cold_start.py --part items users --set movietweetings --people 0.3 --seeds 7 8 9
    python benchmarks/cold_start.py --part scenario --json FILE
    python benchmarks/cold_start.py --part scenario --company amazon_three --new toys --people 0.15
    python benchmarks/cold_start.py --draw FILE FILE --figure cold-start.svg

New items: a fifth of the items that have ten events and more; training sees none of these. The run then
observes the first 0, 1, 3 and 10 of each, as a service would, and is judged on what later events its known
people had with them: the latest fifth of everybody's events, which nothing learns from.
New users: a fifth of the people with more than ten events; training sees none of these. The run observes the
first 0, 1, 3 and 10, and is judged on the eleventh.
New scenario: one of several that share people, of the sample company or of `amazon_three`, with the choices
of a few people, so many events in all, and trained with the others and without them. It is judged on the last
choice of at most 500 people who are new to it and have done something in the others.
All rank the whole catalogue, without what a user has had; AUC is the share of the others that stand behind
the chosen item. Models: the whole system, its signals `popularity`,
`content` and, in the new scenario, `cross_scenario`; `chance` is a random order. Runs are small: `--people`
draws a share of the people.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from choices import trimmed
from curves import Panel, draw
from hidden_events import KEPT, Hidden, ages, new_items, new_users
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.core.types import BoolArray, IntArray
from polyscene.data.schema import Dataset, EventLog, Part
from polyscene.engine.requests import block_queries
from polyscene.engine.state import CodedEvent
from polyscene.evaluation.provenance import machine, versions
from polyscene.metrics.ranking import Values, mid_ranks, ndcg
from polyscene.project import Project
from polyscene.runs.run import Run
from polyscene.sample.world import SampleWorld
from projects import WORK, project
from showing import Telling, table, write_json

LABELS = (0, 16, 64, 256, 1024)
CUTOFF, BLOCK = 10, 256
SYSTEM, CHANCE = "polyscene", "chance"
NAMED = (SYSTEM, "popularity", "content", "cross_scenario")
TOGETHER, ALONE = "with the others", "without"
SAMPLE = "sample"
SAMPLE_USERS, SAMPLE_ITEMS, SAMPLE_DAYS = 1500, 150, 40
NEWCOMERS = 500
METRICS = ("ndcg@10", "auc")
Gains = dict[str, Values]
Metrics = dict[str, Gains]
"""By metric: by model (B,) of the judged choices."""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--part", nargs="+", choices=["items", "users", "scenario"], default=["items", "users"]
    )
    arguments.add_argument("--set", default="movielens_100k", help="of the parts items and users")
    arguments.add_argument("--company", default=SAMPLE, help="of the part scenario; or amazon_three")
    arguments.add_argument("--new", default="shop", help="its scenario that is new")
    arguments.add_argument("--people", type=float, default=1.0, help="share of the users (1.0)")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    arguments.add_argument(
        "--labels", type=int, nargs="+", default=list(LABELS), help="events of a new scenario"
    )
    arguments.add_argument("--tuning", default="none", help="of the language model (none)")
    arguments.add_argument("--work", type=Path, default=WORK, metavar="FOLDER")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    arguments.add_argument("--figure", type=Path, metavar="FILE", help="draw here, .svg or .png")
    arguments.add_argument(
        "--draw",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="draw what earlier commands wrote, and run nothing",
    )
    return arguments


def opened(name: str, seed: int, options: argparse.Namespace) -> Project:
    """Return a project with a share of its people."""
    setup = Project.open(_config(name, options.work), Telling())
    language = setup.settings.language.model_copy(update={"tuning": options.tuning})
    setup.settings = setup.settings.model_copy(update={"seed": seed, "language": language})
    vars(setup)["dataset"] = trimmed(setup.dataset, options.people, fold_valid=False)
    return setup


def _config(name: str, work: Path) -> Path:
    """Return the configuration of a set, or of a sample company, which is written."""
    if name != SAMPLE:
        return project(name, work=work)
    world = SampleWorld.generate(users=SAMPLE_USERS, items_per_scenario=SAMPLE_ITEMS, days=SAMPLE_DAYS)
    return world.write(work / "cold-start-sample")


def curve(
    name: str, seed: int, options: argparse.Namespace, hide: Callable[..., Hidden]
) -> Iterator[Metrics]:
    """Train without what is new, and yield gains by model after 0, 1, 3 and 10 events of each."""
    setup = opened(name, seed, options)
    (scenario,) = setup.dataset.scenarios
    one = setup.dataset.scenarios[scenario]
    hidden = hide(one.events, seed)
    scenarios = {scenario: replace(one, events=hidden.known)}
    vars(setup)["dataset"] = replace(setup.dataset, scenarios=scenarios)
    run = setup.train(everything_counts=True)
    before = 0
    for kept in KEPT:
        some = hidden.first.take((hidden.number >= before) & (hidden.number < kept))
        observe(run, scenario, some)
        yield judged(run, scenario, hidden.users, hidden.targets)
        before = kept


def observe(run: Run, scenario: str, events: EventLog) -> None:
    """Let the run learn events, as a service does."""
    state = run.system.scenario(scenario)
    columns = (
        events.user,
        events.item,
        events.action,
        events.value,
        events.weight,
        events.choice,
        events.time,
    )
    with run.system.lock.writing():
        for row in zip(*(column.tolist() for column in columns), strict=True):
            state.observe(CodedEvent(*row))


def judged(run: Run, scenario: str, users: IntArray, targets: IntArray) -> Metrics:
    """Return by metric and model (B,) values: each choice among all that the user may be shown."""
    state, parts = run.system.scenario(scenario), dict[tuple[str, str], list[Values]]()
    for start in range(0, len(users), BLOCK):
        queries = block_queries(run.system, state, users[start : start + BLOCK])
        target = targets[start : start + BLOCK].astype(np.int64)
        open_ = state.fusion.open(queries)
        open_[np.arange(len(target)), target] = True
        scores = state.fusion.score_all(queries)
        for model in (name for name in NAMED if name in scores):
            ranks = mid_ranks(scores[model], target, open_)
            behind = 1 - (ranks - 1) / np.maximum(open_.sum(axis=1) - 1, 1)
            parts.setdefault((METRICS[0], model), []).append(ndcg(ranks, CUTOFF))
            parts.setdefault((METRICS[1], model), []).append(behind)
        parts.setdefault((METRICS[0], CHANCE), []).append(_by_chance(open_))
        parts.setdefault((METRICS[1], CHANCE), []).append(np.full(len(target), 0.5))
    metrics: Metrics = {metric: {} for metric in METRICS}
    for (metric, model), values in parts.items():
        metrics[metric][model] = np.concatenate(values)
    return metrics


def _by_chance(open_: BoolArray) -> Values:
    """Return what a random order is worth in the mean."""
    count = open_.sum(axis=1)
    first = np.cumsum(ndcg(np.arange(1.0, CUTOFF + 1), CUTOFF))
    worth: Values = first[np.minimum(count, CUTOFF) - 1] / count
    return worth


def new_scenario(count: int, together: bool, seed: int, options: argparse.Namespace) -> Metrics:
    """Train with so many events of the new scenario, and judge people who are new to it."""
    setup, new = opened(options.company, seed, options), options.new
    dataset = begun(setup.dataset, new, count, seed)
    names = list(dataset.scenarios) if together else [new]
    if not together and not count:
        whole = np.ones((NEWCOMERS, len(dataset.scenarios[new].catalogue)), np.bool_)
        worth = _by_chance(whole), np.full(NEWCOMERS, 0.5)  # nothing to learn from, nobody is known
        return {metric: {SYSTEM: values} for metric, values in zip(METRICS, worth, strict=True)}
    evaluation = setup.settings.evaluation.model_copy(update={"protocol": "given"})
    scenarios = {name: setup.settings.scenarios[name] for name in names}
    setup.settings = setup.settings.model_copy(update={"evaluation": evaluation, "scenarios": scenarios})
    kept = {name: dataset.scenarios[name] for name in names}
    vars(setup)["dataset"] = replace(dataset, scenarios=kept)
    judgements = setup.evaluate(setup.train()).judgements
    (one,) = [each for each in judgements if each.scenario == new]
    values = {model: one.per_choice(model, (CUTOFF,)) for model in NAMED if model in one.ranks}
    return {metric: {model: row[metric] for model, row in values.items()} for metric in METRICS}


def begun(dataset: Dataset, new: str, count: int, seed: int) -> Dataset:
    """Return the data set with so many choices of the new scenario, and those of people new to it."""
    draws = generator(seed, "new scenario")
    every = dataset.scenarios[new].events
    events = every.take(every.choice & (every.weight > 0))
    elsewhere = np.unique(
        np.concatenate([one.events.user for name, one in dataset.scenarios.items() if name != new])
    )
    people = draws.permutation(np.intersect1d(np.unique(events.user), elsewhere))
    newcomers, last = people[:NEWCOMERS], _last(events)
    settlers = draws.permutation(np.setdiff1d(np.unique(events.user), newcomers))
    place = np.full(len(dataset.users), len(dataset.users))
    place[settlers] = np.arange(len(settlers))
    rows = np.lexsort((events.time, place[events.user]))[:count]
    kept = np.zeros(len(events), np.bool_)
    kept[rows] = True
    kept &= ~np.isin(events.user, newcomers)
    asked = last & np.isin(events.user, newcomers)
    part = np.where(asked, Part.TEST, Part.TRAIN).astype(np.int8)
    own = replace(events, part=part).take(kept | asked)
    logs = {name: one.events for name, one in dataset.scenarios.items()} | {new: own}
    scenarios = {
        name: replace(dataset.scenarios[name], events=_with_valid(log), has_split=True)
        for name, log in logs.items()
    }
    return replace(dataset, scenarios=scenarios)


def _last(events: EventLog) -> BoolArray:
    """Return which events are the last of their user."""
    last: BoolArray = ages(events.user, events.time) == np.bincount(events.user)[events.user] - 1
    return last


def _with_valid(events: EventLog) -> EventLog:
    """Let the last of several learned events of everybody be VALID."""
    several = np.bincount(events.user)[events.user] > 1
    valid = (events.part != Part.TEST) & several & _last(events)
    part = np.where(valid, Part.VALID, np.where(events.part == Part.TEST, Part.TEST, Part.TRAIN))
    return replace(events, part=part.astype(np.int8))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return by panel: what stands below x, and by model one row of means for each seed."""
    panels: dict[str, Any] = {}
    for part, hide in (("items", new_items), ("users", new_users)):
        if part in options.part:
            rows = [list(curve(options.set, seed, options, hide)) for seed in options.seeds]
            ticks = [str(kept) for kept in KEPT]
            panels |= _panels(f"new {part}, {options.set}", ticks, rows)
    if "scenario" in options.part:
        rows = [list(_scenario_curve(seed, options)) for seed in options.seeds]
        title = f"new scenario, {options.new} of {options.company}"
        panels |= _panels(title, [f"{count:,}" for count in options.labels], rows)
    return panels


def _scenario_curve(seed: int, options: argparse.Namespace) -> Iterator[Metrics]:
    for count in options.labels:
        metrics: Metrics = {metric: {} for metric in METRICS}
        for together, way in ((True, TOGETHER), (False, ALONE)):
            for metric, gains in new_scenario(count, together, seed, options).items():
                for model, values in gains.items():
                    if model == SYSTEM or together:
                        metrics[metric][f"{model}, {way}" if model == SYSTEM else model] = values
        yield metrics


def _panels(title: str, ticks: list[str], rows: Sequence[Sequence[Metrics]]) -> dict[str, Any]:
    """Return one panel for each metric, out of one row of metrics for each seed."""
    return {
        f"{title}: {metric}": _panel(ticks, [[metrics[metric] for metrics in row] for row in rows])
        for metric in METRICS
    }


def _panel(ticks: list[str], rows: Sequence[Sequence[Mapping[str, Values]]]) -> dict[str, Any]:
    names = dict.fromkeys(name for row in rows for gains in row for name in gains)
    curves = {
        name: [[float(gains[name].mean()) if name in gains else 0.0 for gains in row] for row in rows]
        for name in names
    }
    choices = int(np.mean([len(next(iter(row[0].values()))) for row in rows]))
    return {"ticks": ticks, "choices": choices, "curves": curves}


def shown_panel(title: str, panel: Mapping[str, Any]) -> str:
    """Return a table: means over seeds, with the least and the largest where there are several."""
    lines = []
    for name, rows in panel["curves"].items():
        values = np.array(rows)
        cells = [
            f"{mean:.4f}" + (f" [{low:.4f}, {high:.4f}]" if len(values) > 1 else "")
            for mean, low, high in zip(values.mean(0), values.min(0), values.max(0), strict=True)
        ]
        lines.append([name, *cells])
    head = [f"{title}, {panel['choices']:,} choices a seed", *panel["ticks"]]
    return table(head, lines)


def drawn(path: Path, panels: Mapping[str, Any]) -> None:
    """Draw all panels."""
    subplots = [
        Panel(
            title,
            np.arange(len(panel["ticks"]), dtype=np.float64),
            {name: np.array(rows) for name, rows in panel["curves"].items()},
            {},
            tuple(panel["ticks"]),
        )
        for title, panel in panels.items()
    ]
    draw(path, subplots, "events of the new one", "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or read what was measured; print, draw, write."""
    options = parser().parse_args(arguments)
    panels: dict[str, Any] = {}
    try:
        if options.draw:
            for path in options.draw:
                panels |= json.loads(path.read_text(encoding="utf-8"))["panels"]
        else:
            panels = measure(options)
    except (PolysceneError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for title, panel in panels.items():
        print(shown_panel(title, panel), flush=True)
    if options.figure is not None:
        drawn(options.figure, panels)
    if options.json is not None:
        facts = {"people": options.people, "seeds": options.seeds, "tuning": options.tuning}
        write_json(options.json, {"panels": panels} | facts | {"machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
