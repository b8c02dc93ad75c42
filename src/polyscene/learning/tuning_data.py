"""What the language model's objectives learn from: a scenario's events, as choices, labels and slates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.queries import Choices, Histories, Queries, Timeline
from polyscene.data.schema import EventLog
from polyscene.data.splits.phases import Phase
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.learning.content_judge import content_judge
from polyscene.learning.objectives import (
    CoEngagement,
    Feedback,
    Order,
    Pretraining,
    TextLearner,
    TuningData,
)
from polyscene.learning.training_data import TrainingData

SLATE = 20
"""At most so many items of one request are ordered."""


def tuning_data(
    ground: TrainingData, name: str, details: TuningDetails, decay: float, early: bool
) -> TuningData:
    """Return what a scenario's texts learn from.

    Args:
        decay: what an event still counts in a person's profile after each later one.
        early: from the past alone, judged on what came after it; else from everything, and not judged.
    """
    log = ground.folds.learned(name, Phase.PAST if early else Phase.ALL)
    n_users = len(ground.dataset.users)
    chosen = log.take(log.choice & (log.weight > 0))
    choices = _choices(chosen, log, n_users, details.history)
    return TuningData(choices, log, n_users, decay, content_judge(ground, name, decay) if early else None)


def objectives_of(
    reader: CachedEncoder, lesson: TuningData, scenario: ScenarioSettings, details: TuningDetails
) -> Iterator[tuple[str, float, TextLearner]]:
    """Yield name, weight and learner of every objective that is asked for and has something to learn from."""
    shares = details.objectives
    if shares.co_engagement:
        yield from _with_cases("co_engagement", shares.co_engagement, CoEngagement(reader, lesson, details))
    if shares.feedback:
        for objective in scenario.objectives:
            cases, labels = _labelled(lesson, objective.action, objective.loss, details.history)
            learner = Feedback(reader, lesson, details, cases, labels, objective.loss)
            name = f"{objective.action} by {objective.loss}"
            yield from _with_cases(name, shares.feedback * objective.weight, learner)
    if shares.order:
        slates = _slates(lesson, details.history)
        yield from _with_cases("order", shares.order, Order(reader, lesson, details, slates))
    if shares.pretraining and not reader.resting:
        yield from _with_cases("pretraining", shares.pretraining, Pretraining(reader, lesson, details))


def _with_cases(name: str, share: float, learner: TextLearner) -> Iterator[tuple[str, float, TextLearner]]:
    if len(learner):
        yield name, share, learner


def _choices(chosen: EventLog, log: EventLog, n_users: int, length: int) -> Choices:
    """Return events as choices, with what their users had done strictly before."""
    history = Timeline(log, n_users).before(chosen.user, chosen.time, length)
    return Choices(Queries(chosen.user, chosen.time, history), chosen.item)


def _labelled(lesson: TuningData, action: str, loss: str, length: int) -> tuple[Choices, FloatArray]:
    """Return cases and labels of one objective.

    "bce": 1 where the action happened, 0 for the user's events that did not end in it. "mse": the action's
    standardised value.
    """
    log = lesson.log
    happened = log.action == (log.actions.index(action) if action in log.actions else -1)
    if loss == "mse":
        rows = happened & np.isfinite(log.value)
        value = log.value[rows]
        labels = (value - value.mean()) / max(float(value.std()), 1e-6) if rows.any() else value
    else:
        rows = np.ones(len(log), bool) if happened.any() and not happened.all() else np.zeros(len(log), bool)
        labels = happened.astype(np.float32)
    cases = _choices(log.take(rows), log, lesson.n_users, length)
    kept = np.flatnonzero(cases.queries.history.lengths > 0)
    return cases.pick(kept), labels[kept].astype(np.float32)


def _slates(lesson: TuningData, length: int) -> tuple[Histories, LongArray, FloatArray]:
    """Return requests in which something was chosen and something was not: events of one user and moment."""
    log = lesson.log
    order = np.lexsort((log.time, log.user))
    user, time, item, worth = log.user[order], log.time[order], log.item[order], log.weight[order]
    starts = np.flatnonzero(np.diff(user, prepend=-1) | (np.diff(time, prepend=time[:1] - 1) != 0))
    sizes = np.diff(np.append(starts, len(order)))
    best, least = (
        (np.maximum.reduceat(worth, starts), np.minimum.reduceat(worth, starts))
        if len(starts)
        else (worth, worth)
    )
    mixed = (best > 0) & (least <= 0)
    starts, sizes = starts[mixed], np.minimum(sizes[mixed], SLATE)
    items = np.full((len(starts), SLATE), -1, np.int64)
    worths = np.zeros((len(starts), SLATE), np.float32)
    rows = np.repeat(np.arange(len(starts)), sizes)
    at = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    source = np.repeat(starts, sizes) + at
    items[rows, at], worths[rows, at] = item[source], np.maximum(worth[source], 0.0)
    history = Timeline(log, lesson.n_users).before(user[starts], time[starts], length)
    kept = np.flatnonzero((history.lengths > 0) & (worths.sum(axis=1) > 0))
    return history.pick(kept), items[kept], worths[kept]
