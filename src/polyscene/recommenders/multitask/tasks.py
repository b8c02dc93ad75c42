"""Tasks: what a network learns of each scenario, and what its numbers mean."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from polyscene.core.settings.multitask import Ordering
from polyscene.core.settings.scenarios import VALUE_LOSSES, Objective, TaskLoss
from polyscene.core.types import BoolArray, FloatArray
from polyscene.data.schema import EventLog

CHOICE = "choice"
"""The task of putting what was chosen above the rest, where no objective of the user does."""
ORDERINGS = frozenset({"softmax", "bpr"})
MIN_LABELS = 10
"""With fewer events of its kind a task is not learned."""
MAX_CLASSES = 20
TINY_SPREAD = 1e-6


@dataclass(frozen=True)
class Task:
    """One thing that a network says of a user and an item.

    Attributes:
        name: for people: the action, and the loss where one action has several tasks.
        loss: by which it is learned.
        action: whose events it is about; None: every choice.
        weight: μ, its share in the scenario's loss.
        at_least: the least value that is a yes; None: any.
        logarithmic: whether log(1 + value) is learned.
        mean, spread: of the values, in that scale.
        classes: the values that are told apart, ascending.
        odds: what is added to the log-odds so that they are of any item of the catalogue and not of one drawn
            to stand against choices; 0 where the log itself says no.
    """

    name: str
    loss: TaskLoss
    action: str | None
    weight: float = 1.0
    at_least: float | None = None
    logarithmic: bool = False
    mean: float = 0.0
    spread: float = 1.0
    classes: tuple[float, ...] = ()
    odds: float = 0.0

    @property
    def width(self) -> int:
        """How many numbers it needs."""
        return len(self.classes) if self.loss == "classes" else 1

    @property
    def orders(self) -> bool:
        """Whether it puts items in order."""
        return self.loss in ORDERINGS

    @property
    def measures(self) -> bool:
        """Whether it predicts a value."""
        return self.loss in VALUE_LOSSES

    def scaled(self, values: FloatArray) -> FloatArray:
        """Return values as they are learned."""
        plain = np.log1p(np.maximum(values, 0.0)) if self.logarithmic else values
        scaled: FloatArray = ((plain - self.mean) / self.spread).astype(np.float32)
        return scaled

    def measured(self, predictions: FloatArray) -> FloatArray:
        """Return predictions in the unit of the values."""
        plain = predictions * self.spread + self.mean
        return np.expm1(plain) if self.logarithmic else plain

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Self:
        """Take them back."""
        return cls(**{**values, "classes": tuple(values["classes"])})


def tasks_of(
    objectives: Sequence[Objective], log: EventLog, ordering: Ordering
) -> tuple[tuple[Task, ...], list[str]]:
    """Return the tasks of a scenario, those that order first, and what is not learned and why.

    Args:
        objectives: the scenario's.
        log: that may be learned from, events of weight 0 too.
        ordering: the loss of the order of all choices, where no objective names one.
    """
    repeated = Counter(objective.action for objective in objectives)
    tasks = [_task(objective, repeated[objective.action] > 1) for objective in objectives]
    orders = [task for task in tasks if task.orders] or [Task(CHOICE, ordering, None)]
    learned, notes = list(orders), list[str]()
    for task in (task for task in tasks if not task.orders):
        rows = labelled(task, log)
        if int(rows.sum()) < MIN_LABELS:
            notes.append(f"the task '{task.name}' is not learned: {int(rows.sum())} events of its kind")
        else:
            learned.append(_measured_task(task, log.value[rows]))
    return tuple(learned), notes


def labelled(task: Task, log: EventLog) -> BoolArray:
    """Return (n,) which events say yes to a task, or how much."""
    if task.action is None:
        return np.asarray(log.choice & (log.weight > 0))
    rows = log.action == (log.actions.index(task.action) if task.action in log.actions else -1)
    if task.orders:
        rows &= log.weight > 0
    if task.at_least is not None:
        rows &= log.value >= task.at_least
    if task.measures or task.loss == "classes":
        rows &= np.isfinite(log.value)
    return np.asarray(rows)


def _task(objective: Objective, several: bool) -> Task:
    name = f"{objective.action} by {objective.loss}" if several else objective.action
    return Task(
        name,
        objective.loss,
        objective.action,
        objective.weight,
        objective.at_least,
        objective.scale == "log",
    )


def _measured_task(task: Task, values: FloatArray) -> Task:
    """Return the task with the scale, or the classes, of its values."""
    if task.loss == "classes":
        classes, counts = np.unique(values.astype(np.float64), return_counts=True)
        kept = np.sort(classes[np.argsort(-counts, kind="stable")[:MAX_CLASSES]])
        return replace(task, classes=tuple(kept.tolist()))
    if not task.measures:
        return task
    plain = task.scaled(values).astype(np.float64)
    return replace(task, mean=float(plain.mean()), spread=max(float(plain.std()), TINY_SPREAD))


def sampled_odds(n_items: int, negatives: int) -> float:
    """Return what the log-odds are too high by where `negatives` stand for a whole catalogue.

    Source: G. King and L. Zeng, Logistic regression in rare events data, Political Analysis 9, 2001,
    equation 7: prior correction.
    """
    return -math.log(max(n_items - 1, 1) / negatives)
