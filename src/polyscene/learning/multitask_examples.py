"""From logs to what a network over tasks learns from: who met what when, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from polyscene.core.clock import DAY
from polyscene.core.seeds import generator
from polyscene.core.settings.multitask import MultitaskSettings
from polyscene.core.settings.scenarios import Objective
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.data.schema import EventLog
from polyscene.data.splits.phases import Phase
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.multitask.tasks import Task, labelled, sampled_odds, tasks_of

HELD_OUT_PEOPLE, HELD_OUT_SHARE = 0.5, 0.2
"""The share of the people whose latest meetings are held out, and the share of these: one at least."""
MAX_HELD_OUT = 4000
MIN_REFUSALS = 0.01
"""Where fewer meetings than this share say no, the log does not tell of refusals, and they are drawn."""
JUDGED_AGAINST = 100
"""A held-out choice is ranked among so many other items."""


@dataclass(frozen=True)
class Examples:
    """Meetings of people and items.

    Attributes:
        queries: who, when, and what they had done by then.
        item: (n,) whom they met.
        labels: (n, T) by task: 1 or 0; a standardised value; the number of a class; NaN where not asked. A
            task that orders has 1 where the item was chosen, else NaN.
    """

    queries: Queries
    item: IntArray
    labels: FloatArray

    def __len__(self) -> int:
        return len(self.item)

    def pick(self, rows: LongArray) -> Self:
        """Return the named rows."""
        return type(self)(self.queries.pick(rows), self.item[rows], self.labels[rows])


@dataclass(frozen=True)
class ScenarioExamples:
    """What is learned of one scenario, and by what it is judged.

    Attributes:
        name: of the scenario.
        tasks: those that order first.
        n_items: of its catalogue.
        training: to learn from.
        stopping: later meetings of other people, which decide when to stop.
        judged: the same of still others, which decide between networks and calibrate them.
        drawing: (n_items,) the chance of each item to be drawn against choices: half alike, half by how often
            it is chosen, as it would stand in a batch.
        drawn: (tasks,) whether a yes-or-no task has its no from items that are drawn.
        hide_seen: whether nothing is chosen twice.
    """

    name: str
    tasks: tuple[Task, ...]
    n_items: int
    training: Examples
    stopping: Examples
    judged: Examples
    drawing: FloatArray
    drawn: BoolArray
    hide_seen: bool

    def others(self, examples: Examples, seed: int) -> LongArray:
        """Return (n, c) items that a held-out choice is ranked among, the same ones for every network."""
        draws = generator(seed, "multitask", "judged", self.name)
        if self.n_items <= JUDGED_AGAINST + 1:
            steps = np.broadcast_to(np.arange(1, self.n_items), (len(examples), max(self.n_items - 1, 0)))
        else:
            steps = draws.integers(1, self.n_items, (len(examples), JUDGED_AGAINST))
        return np.asarray((examples.item[:, None] + steps) % max(self.n_items, 1), np.int64)


def scenario_examples(
    data: TrainingData,
    name: str,
    phase: Phase,
    objectives: Sequence[Objective],
    settings: MultitaskSettings,
) -> tuple[ScenarioExamples, list[str]]:
    """Return what one scenario teaches, and what is not learned and why.

    Events of the same person and item are one meeting, at the time of the first: of a scenario in which
    things are chosen again, those of one day.
    """
    log, scenario = data.folds.learned(name, phase), data.dataset.scenarios[name]
    n_items, hide_seen = len(scenario.catalogue), data.hide_seen[name]
    tasks, notes = tasks_of(objectives, log, settings.ordering)
    group, first = meetings(log, hide_seen, scenario.clock == "time")
    labels = np.stack([_labels(task, log, group, len(first)) for task in tasks], axis=1)
    drawn = np.array([_says_no_too_rarely(task, labels[:, place]) for place, task in enumerate(tasks)])
    odds = sampled_odds(n_items, settings.negatives)
    tasks = tuple(replace(task, odds=odds) if drawn[place] else task for place, task in enumerate(tasks))
    kept = _latest(log.time[first], settings.max_events, scenario.clock == "time", data.seed)
    first, labels = first[kept], labels[kept]
    user, time = log.user[first], log.time[first]
    examples = Examples(data.folds.queries(name, user, time, phase), log.item[first], labels)
    side = _sides(user, time, generator(data.seed, "multitask", name))
    training, stopping, judged = (examples.pick(np.flatnonzero(side == number)) for number in range(3))
    counts = np.bincount(log.item[log.choice & (log.weight > 0)], minlength=n_items).astype(np.float64)
    popular = counts / counts.sum() if counts.any() else np.full(n_items, 1 / max(n_items, 1))
    drawing = (0.5 * popular + 0.5 / max(n_items, 1)).astype(np.float32)
    known = ScenarioExamples(name, tasks, n_items, training, stopping, judged, drawing, drawn, hide_seen)
    return known, [f"{name}: {note}" for note in notes]


def later_examples(data: TrainingData, name: str, tasks: Sequence[Task], phase: Phase) -> Examples:
    """Return the meetings that came after a phase, labelled for tasks that were learned in it."""
    log, scenario = data.folds.later(name, phase), data.dataset.scenarios[name]
    group, first = meetings(log, data.hide_seen[name], scenario.clock == "time")
    labels = np.stack([_labels(task, log, group, len(first)) for task in tasks], axis=1)
    user, time = log.user[first], log.time[first]
    return Examples(data.folds.queries(name, user, time, phase), log.item[first], labels)


def meetings(log: EventLog, once: bool, moments: bool) -> tuple[LongArray, LongArray]:
    """Return (n,) the meeting each event belongs to, and (g,) the first event of each meeting, by time.

    Args:
        once: whether all events of a person and an item are one meeting.
        moments: whether times are moments; else, where not `once`, every event is a meeting.
    """
    order = np.lexsort((log.time, log.item, log.user))
    user, item, time = log.user[order], log.item[order], log.time[order]
    new = (np.diff(user, prepend=-1) != 0) | (np.diff(item, prepend=-1) != 0)
    if not once:
        new |= (np.diff(time, prepend=0) > DAY) if moments else True
    starts = order[new]
    rank = np.empty(len(starts), np.int64)
    by_time = np.argsort(log.time[starts], kind="stable")
    rank[by_time] = np.arange(len(starts))
    group = np.empty(len(order), np.int64)
    group[order] = rank[np.cumsum(new) - 1]
    return group, starts[by_time]


def _labels(task: Task, log: EventLog, group: LongArray, count: int) -> FloatArray:
    """Return (count,) what each meeting says to a task."""
    rows = labelled(task, log)
    happened = np.zeros(count, np.bool_)
    happened[group[rows]] = True
    if task.orders:
        return np.where(happened, 1.0, np.nan).astype(np.float32)
    if task.measures or task.loss == "classes":
        return _values(task, log, group, rows, count)
    answers = happened.astype(np.float32)
    if task.at_least is not None:  # who did not grade it has not said no
        code = log.actions.index(task.action) if task.action in log.actions else -1
        graded = np.zeros(count, np.bool_)
        graded[group[(log.action == code) & np.isfinite(log.value)]] = True
        answers[~graded] = np.nan
    return answers


def _values(task: Task, log: EventLog, group: LongArray, rows: BoolArray, count: int) -> FloatArray:
    values = np.full(count, np.nan, np.float32)
    if task.measures:
        values[group[rows]] = task.scaled(log.value[rows])  # of several the last one counts
        return values
    classes = np.array(task.classes, np.float64)
    place = np.searchsorted(classes, log.value[rows].astype(np.float64))
    known = (place < len(classes)) & (classes[np.minimum(place, len(classes) - 1)] == log.value[rows])
    values[group[rows][known]] = place[known]
    return values


def _says_no_too_rarely(task: Task, labels: FloatArray) -> bool:
    if task.loss != "bce":
        return False
    answers = labels[np.isfinite(labels)]
    return bool(len(answers)) and float((answers == 0).mean()) < MIN_REFUSALS


def _latest(time: LongArray, most: int, moments: bool, seed: int) -> LongArray:
    """Return at most so many rows: the latest, or any where times only order one user's events."""
    if len(time) <= most:
        return np.arange(len(time))
    if moments:
        return np.arange(len(time) - most, len(time))
    return np.sort(generator(seed, "multitask", "rows").choice(len(time), most, replace=False))


def _sides(user: IntArray, time: LongArray, draws: np.random.Generator) -> LongArray:
    """Return (n,) 0 to learn from, 1 to stop by, 2 to judge by: the latest meetings of some people."""
    side = np.zeros(len(user), np.int64)
    people, counts = np.unique(user, return_counts=True)
    able = people[counts > 1]
    size = max(int(len(able) * HELD_OUT_PEOPLE), min(len(able), 2))
    chosen = draws.permutation(able)[:size]
    order = np.lexsort((time, user))
    stop = np.cumsum(counts)
    left = MAX_HELD_OUT
    for place, person in enumerate(chosen.tolist()):
        number = int(np.searchsorted(people, person))
        held = max(int(counts[number] * HELD_OUT_SHARE), 1)
        side[order[stop[number] - held : stop[number]]] = 1 + place % 2
        left -= held
        if left <= 0:
            break
    return side
