"""What a live system has become since it was loaded: taken while it serves, and given to one loaded equally.

Taking copies what may change and nothing else; whoever resumes from it is the same to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from polyscene.core.arrays import Arrays
from polyscene.core.errors import RunError
from polyscene.core.types import Attribute, IntArray, LongArray
from polyscene.data.schema import Ids
from polyscene.data.timeline import LiveTimeline
from polyscene.engine.catalogue import Numbering
from polyscene.engine.state import CodedEvent, ScenarioState, System


@dataclass(frozen=True)
class ScenarioChanges:
    """What one scenario has become.

    Attributes:
        n_items: how many items there are.
        n_puts: how often anything was put or taken out.
        latest: see `ScenarioState`.
        actions: names of all actions, in the order of their codes.
        events: that came, with their moments.
        items: that came or changed: id, text, title and attributes, in the order of their codes.
        space, features: of these items, and of all.
        signals: by name.
    """

    n_items: int
    n_puts: int
    latest: int
    actions: Sequence[str]
    events: Sequence[tuple[CodedEvent, int]]
    items: Sequence[tuple[str, str, str, dict[str, Attribute]]]
    space: Arrays
    features: Arrays
    signals: Mapping[str, Arrays]


@dataclass(frozen=True)
class SystemChanges:
    """What a system has become.

    Attributes:
        users: all ids, in the order of their codes.
        scenarios: by name.
    """

    users: Sequence[str]
    scenarios: Mapping[str, ScenarioChanges]


def changes_of(system: System) -> SystemChanges:
    """Take the changes of a system, which nobody may change meanwhile; requests may go on."""
    scenarios = {name: _changes_of(state) for name, state in system.scenarios.items()}
    return SystemChanges(system.users.values(), scenarios)


def resume(system: System, changes: SystemChanges) -> None:
    """Bring a system that has just been loaded to where the changes were taken.

    Raises:
        RunError: they were taken from another system.
    """
    names = changes.users[: len(system.users)]
    if len(names) < len(system.users) or changes.scenarios.keys() != system.scenarios.keys():
        raise RunError("expected changes of this run, found those of another; remove them")
    erased = np.array([code for code, name in enumerate(names) if system.users[code] != name], np.int32)
    system.users = Numbering(Ids(pl.Series("id", list(changes.users), pl.String)))
    for name, state in system.scenarios.items():
        _resume_items(state, changes.scenarios[name])
    for name, state in system.scenarios.items():
        others = {other: one.space for other, one in system.scenarios.items() if other != name}
        for signal, fitted in state.fusion.present().items():
            fitted.resume(changes.scenarios[name].signals.get(signal, {}), state.space, others)
        _resume_events(state, changes.scenarios[name], erased, len(changes.users))


def _changes_of(state: ScenarioState) -> ScenarioChanges:
    items = state.catalogue.changes()
    return ScenarioChanges(
        len(state.catalogue),
        state.catalogue.n_puts,
        state.latest,
        tuple(state.log.actions),
        state.log.changes(),
        items,
        state.space.changes(_codes(state, items)),
        state.fusion.changes(),
        {
            name: {key: np.array(array) for key, array in signal.changes().items()}
            for name, signal in state.fusion.present().items()
        },
    )


def _resume_items(state: ScenarioState, changes: ScenarioChanges) -> None:
    for item in changes.items:
        state.catalogue.put(*item)
    state.catalogue.resume_count(changes.n_puts)
    if len(state.catalogue) != changes.n_items:
        raise RunError(
            f"expected {len(state.catalogue):,} items in scenario '{state.name}', found {changes.n_items:,}; "
            "remove the changes"
        )
    if changes.items:
        state.space.resume(_codes(state, changes.items), changes.space)
    state.fusion.resume(changes.features)


def _resume_events(state: ScenarioState, changes: ScenarioChanges, erased: IntArray, n_users: int) -> None:
    state.log.resume(changes.events, changes.actions, erased)
    events = state.log.events()
    state.timeline = LiveTimeline(events, n_users)
    state.had = LiveTimeline(events, n_users, only_had=True)
    state.latest = changes.latest


def _codes(state: ScenarioState, items: Sequence[tuple[str, str, str, dict[str, Attribute]]]) -> LongArray:
    return np.array([state.catalogue.code(item[0]) for item in items], np.int64)
