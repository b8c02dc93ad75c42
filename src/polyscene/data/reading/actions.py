"""What the actions of one scenario weigh, and which of them are choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyscene.core.errors import Problem
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.text import shown
from polyscene.core.types import BoolArray, FloatArray
from polyscene.data.tables.sources import nearest

MAX_ACTIONS = 127


@dataclass(frozen=True)
class Actions:
    """The actions of a scenario by code.

    Attributes:
        names: n names.
        weight: (n,) how much an event with this action counts.
        choice: (n,) whether such an event is something to be predicted.
    """

    names: tuple[str, ...]
    weight: FloatArray
    choice: BoolArray


def actions_of(
    settings: ScenarioSettings, seen: Sequence[str] | None, file: str, problems: list[Problem]
) -> Actions:
    """Weigh the actions that a table holds.

    An action weighs what `actions` says (1 by default), times the weight of the objective that names it.
    Where there are objectives, their actions are the choices; else every action that weighs anything is.

    Args:
        settings: the scenario's.
        seen: the actions of the table, in the order of their codes; None where it has no such column, so
            that the only objective, or 'event', names all events.
        file: the table, for messages.
        problems: takes actions that the table does not hold, and weights that cannot be.
    """
    objectives = settings.action_weights
    if seen is None:
        names = tuple(objectives)[:1] or ("event",)
    else:
        names = tuple(seen)
        if len(names) > MAX_ACTIONS:
            problems.append(_too_many_actions(names, file))
            names = names[:MAX_ACTIONS]
    _complain_of_weights(settings, problems)
    if seen is None and len(objectives) > 1:
        problems.append(_too_many_objectives(objectives, file))
    else:
        _complain_of_unseen(settings, objectives, names, file, problems)
    weight = [settings.actions.get(name, 1.0) * objectives.get(name, 1.0) for name in names]
    choice = [
        (name in objectives or not objectives) and value > 0
        for name, value in zip(names, weight, strict=True)
    ]
    return Actions(names, np.array(weight, dtype=np.float32), np.array(choice, dtype=np.bool_))


@dataclass(frozen=True)
class Worth:
    """What n events count.

    Attributes:
        weight: (n,) how much each counts.
        choice: (n,) whether it is something to be predicted.
        had: (n,) whether it counts for nothing but that its user has had the item; None where none does.
    """

    weight: FloatArray
    choice: BoolArray
    had: BoolArray | None


def worth(weight: FloatArray, choice: BoolArray, value: FloatArray, liked_from: float | None) -> Worth:
    """Return what events count, those whose value is below `liked_from` for nothing but having had the item.

    Args:
        weight: (n,) of each event's action.
        choice: (n,) whether its action is one to be predicted.
        value: (n,) what it measured; NaN, which is never below, where nothing.
        liked_from: the least value that says something was liked; None: all do.
    """
    if liked_from is None:
        return Worth(weight, choice, None)
    low = (value < np.float32(liked_from)) & (weight > 0)
    return Worth(np.where(low, np.float32(0), weight), choice & ~low, low)


def _complain_of_weights(settings: ScenarioSettings, problems: list[Problem]) -> None:
    for action, weight in settings.actions.items():
        if not (math.isfinite(weight) and weight >= 0):
            problems.append(
                Problem(
                    "an action has an impossible weight",
                    "a number from 0 up",
                    str(weight),
                    "use 0 for actions that are to be ignored",
                    key=f"actions.{action}",
                )
            )


def _complain_of_unseen(
    settings: ScenarioSettings,
    objectives: dict[str, float],
    names: Sequence[str],
    file: str,
    problems: list[Problem],
) -> None:
    if not names:
        return
    no_choice = bool(objectives) and not set(objectives) & set(names)
    for key, wanted in (("actions", settings.actions), ("objectives", objectives)):
        for action in wanted:
            if action not in names:
                near = nearest(action, names)
                problems.append(
                    Problem(
                        f"no event has the action {shown(action)}",
                        "an action of the table",
                        "actions " + shown(", ".join(names), 120),
                        f"did you mean '{near}'?" if near else f"take it out of '{key}'",
                        file=file,
                        key=key,
                        severity="error" if no_choice and key == "objectives" else "warning",
                    )
                )


def _too_many_objectives(objectives: dict[str, float], file: str) -> Problem:
    return Problem(
        "several objectives, but nothing tells the events apart",
        "the column that holds the action, or one objective",
        "objectives " + shown(", ".join(objectives), 120),
        "set 'action' in 'events', or keep one objective",
        file=file,
        key="objectives",
    )


def _too_many_actions(names: Sequence[str], file: str) -> Problem:
    return Problem(
        "too many different actions",
        f"at most {MAX_ACTIONS}",
        f"{len(names):,}, such as {shown(', '.join(names[:5]))}",
        "name the column that holds the kind of event, or leave rare ones out with 'where'",
        file=file,
        key="events.action",
    )
