"""A project cut in time: what is learned first, and a stream whose moments are ranked, then learned."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from choices import trimmed
from polyscene.data.schema import Dataset, EventLog
from polyscene.engine.state import CodedEvent, ScenarioState, System
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.project import Project
from projects import chosen_project
from showing import Telling

NAME = "posterior"


@dataclass(frozen=True)
class Stream:
    """A project cut in two: what is learned first, and the events of one scenario that come then."""

    project: Project
    scenario: str
    past: Dataset
    rest: EventLog


def cut(options: argparse.Namespace) -> Stream:
    """Cut the first scenario that has moments in the middle of its events; others keep what lies before."""
    project = chosen_project(options, Telling())
    data = trimmed(project.dataset, options.people, fold_valid=False)
    name = next(name for name, one in data.scenarios.items() if one.clock == "time")
    events = data.scenarios[name].events
    if options.development:
        events = events.take(events.time < _middle(events))
    moment = _middle(events)
    scenarios = {
        other: replace(
            one, events=one.events.take(one.events.time < moment) if one.clock == "time" else one.events
        )
        for other, one in data.scenarios.items()
    }
    rest = events.take(events.time >= moment)
    rest = rest.take(np.arange(min(len(rest), options.stream or len(rest))))
    return Stream(project, name, replace(data, scenarios=scenarios), rest)


def _middle(events: EventLog) -> int:
    return int(np.sort(events.time)[len(events) // 2])


def trained(stream: Stream, options: argparse.Namespace, with_posterior: bool) -> System:
    """Train the whole system on the first half, and let it serve."""
    settings = stream.project.settings
    scenario = settings.scenarios[stream.scenario]
    names = [name for name in scenario.signals if name != NAME] + [NAME] * with_posterior
    scenarios = {**settings.scenarios, stream.scenario: scenario.model_copy(update={"signals": names})}
    changes: dict[str, Any] = {"scenarios": scenarios}
    if options.tuning is not None:
        changes["language"] = settings.language.model_copy(update={"tuning": options.tuning})
    project = Project(
        settings.model_copy(update=changes),
        stream.project.base,
        stream.project.config,
        stream.project.progress,
    )
    vars(project)["dataset"] = stream.past
    return project.train(everything_counts=True).system


def moments_of(events: EventLog) -> Iterator[slice]:
    """Yield the rows of each user's simultaneous events."""
    changed = (np.diff(events.user) != 0) | (np.diff(events.time) != 0)
    borders = [0, *(np.flatnonzero(changed) + 1).tolist(), len(events)] if len(events) else []
    yield from (slice(start, stop) for start, stop in pairwise(borders))


def judged(events: EventLog, most: int) -> set[int]:
    """Return the first rows of the moments that are ranked: evenly spread, about so many choices."""
    starts = [rows.start for rows in moments_of(events)]
    return set(starts[:: max(1, -(-len(events) // most))])


def streamed(system: System, stream: Stream, most: int) -> dict[str, list[float]]:
    """Rank, then learn, every moment of the stream; return NDCG@10 by model, and the users who asked."""
    state, events = system.scenarios[stream.scenario], stream.rest
    gains: dict[str, list[float]] = {"user": []}
    ranked = judged(events, most)
    for rows in moments_of(events):
        if rows.start in ranked:
            _rank(system, state, events.take(np.arange(rows.start, rows.stop)), gains)
        for row in range(rows.start, rows.stop):
            state.observe(coded(events, row))
    return gains


def _rank(system: System, state: ScenarioState, basket: EventLog, gains: dict[str, list[float]]) -> None:
    queries = system.queries(int(basket.user[0]), state)
    queries = replace(queries, time=basket.time[:1])
    targets = basket.item[basket.choice & (basket.weight > 0)].astype(np.int64)
    open_ = np.repeat(state.fusion.open(queries), len(targets), axis=0)
    open_[np.arange(len(targets)), targets] = True
    if len(targets):
        for model, scores in state.fusion.score_all(queries).items():
            ranks = mid_ranks(np.repeat(scores, len(targets), axis=0), targets, open_)
            gains.setdefault(model, []).extend(ndcg(ranks, 10).tolist())
        gains["user"] += [float(basket.user[0])] * len(targets)


def coded(events: EventLog, row: int) -> CodedEvent:
    """Return a row of a log as a live system takes it in."""
    had = bool(events.had[row]) if events.had is not None else False
    return CodedEvent(
        int(events.user[row]),
        int(events.item[row]),
        int(events.action[row]),
        float(events.value[row]),
        float(events.weight[row]),
        bool(events.choice[row]),
        int(events.time[row]),
        had,
    )


def quality(stream: Stream, options: argparse.Namespace) -> dict[str, Any]:
    """Return NDCG@10 of the whole with the posterior and without, and of every signal alone."""
    with_ = streamed(trained(stream, options, with_posterior=True), stream, options.choices)
    without = streamed(trained(stream, options, with_posterior=False), stream, options.choices)
    users = np.array(with_["user"], np.int64)
    means = {model: float(np.mean(values)) for model, values in with_.items() if model != "user"}
    lead = paired_bootstrap(with_[SYSTEM], without[SYSTEM], users, seed=stream.project.settings.seed)
    return {
        "choices": len(users),
        "with": means.pop(SYSTEM),
        "without": float(np.mean(without[SYSTEM])),
        "difference": {"mean": lead.mean} | ({"low": lead.low, "high": lead.high} if lead.known else {}),
        "alone": means,
    }
