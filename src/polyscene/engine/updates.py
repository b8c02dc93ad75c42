"""Events as they come from outside, turned into codes and taken in: the next request sees them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from numbers import Real
from typing import Any

import numpy as np

from polyscene.core.errors import ArgumentError, DataError, Problem
from polyscene.core.ids import id_text
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.text import shown
from polyscene.core.types import Event
from polyscene.data.reading.actions import MAX_ACTIONS
from polyscene.engine.movement import roll_back
from polyscene.engine.state import CodedEvent, ItemDescription, ScenarioState, System
from polyscene.recommenders.posterior.item_beliefs import ItemBeliefs

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_VALUE = float(np.finfo(np.float32).max)
"""What an event measured is kept in so many bits."""


@dataclass(frozen=True)
class ActionWeights:
    """What the actions of a scenario count; see `data.reading.actions.actions_of`.

    Attributes:
        named: whether its events say which action they are.
        liked_from: the least value that says something was liked; None: all do.
    """

    weights: Mapping[str, float]
    objectives: Mapping[str, float]
    named: bool
    liked_from: float | None = None
    _known: dict[str, tuple[float, bool]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, settings: ScenarioSettings) -> ActionWeights:
        """Read them from a scenario's settings."""
        events = settings.events
        return cls(settings.actions, settings.action_weights, events.action is not None, events.liked_from)

    def of_action(self, action: str) -> tuple[float, bool]:
        """Return how much an action counts, and whether it is something to be predicted."""
        known = self._known.get(action)
        if known is None:
            weight = self.weights.get(action, 1.0) * self.objectives.get(action, 1.0)
            known = weight, weight > 0 and (action in self.objectives or not self.objectives)
            self._known[action] = known
        return known


class Intake:
    """Takes events and items into a live system, one writer at a time.

    Args:
        system: that changes.
        settings: of the scenarios, by name.
    """

    def __init__(self, system: System, settings: Mapping[str, ScenarioSettings]) -> None:
        self._system = system
        self._actions = {name: ActionWeights.of(one) for name, one in settings.items()}
        self._local = {name: one.users_are_local for name, one in settings.items()}

    def observe(self, events: Sequence[Event]) -> None:
        """Take in events, all or none of them.

        Raises:
            UnknownIdError: no such scenario or item.
            ArgumentError: something is no event, or an id neither text nor a whole number.
            DataError: a value is not a number, or a time does not suit the scenario's clock.
        """
        system = self._system
        with system.lock.writing():
            coded = [self._coded(event) for event in events]
            for event, (state, one) in zip(events, coded, strict=True):
                user, action = self._user(event), self._action(state, event)
                state.observe(replace(one, user=user, action=action))

    def check(self, events: Sequence[Event]) -> None:
        """Look whether events could be taken in, and change nothing.

        Raises:
            UnknownIdError: no such scenario or item.
            DataError: a value is not a number, or a time does not suit the scenario's clock.
        """
        with self._system.lock.reading():
            for event in events:
                self._coded(event)

    def put(self, scenario: str | None, items: Sequence[ItemDescription]) -> None:
        """Take in new items and items described anew.

        Raises:
            UnknownIdError: no such scenario.
        """
        state = self._system.scenario(scenario)
        if items:
            with self._system.lock.writing():
                state.put(items)

    def remove(self, scenario: str | None, items: Sequence[str]) -> None:
        """Take items out of a scenario; see `ScenarioState.remove`.

        Raises:
            UnknownIdError: no such scenario, or one of the items is not in its catalogue.
        """
        state = self._system.scenario(scenario)
        with self._system.lock.writing():
            state.remove(items)

    def roll_back(self, scenario: str | None, item: str, beliefs: Mapping[str, Any]) -> bool:
        """Believe of an item what was believed earlier; see `engine.movement.roll_back`.

        Args:
            beliefs: of `ItemBeliefs.plain`.

        Raises:
            UnknownIdError: no such scenario or item.
            DataError: the scenario has no posterior.
        """
        state = self._system.scenario(scenario)
        with self._system.lock.writing():
            return roll_back(state, item, ItemBeliefs.from_plain(beliefs))

    def meet(self, user: str) -> None:
        """Make a user known who is the same person in several scenarios, before they do anything."""
        if not all(self._local.values()):
            with self._system.lock.writing():
                self._system.users.add(user)

    def forget(self, is_erased: Callable[[str], bool]) -> int:
        """Erase users: their ids, histories and events; what all events together have taught stays learned.

        Args:
            is_erased: tells by a user's id whether they are to be erased.

        Returns:
            How many codes of the numbering belonged to them.
        """
        with self._system.lock.reading():
            names = {name: name.partition("/")[2] if local else name for name, local in self._known()}
            erased = [name for name, user in names.items() if is_erased(user)]
        with self._system.lock.writing():
            codes = [code for name in erased if (code := self._system.users.get(name)) is not None]
            for code in codes:
                self._system.users.forget(code)
                for state in self._system.scenarios.values():
                    state.forget(code)
        return len(codes)

    def _known(self) -> list[tuple[str, bool]]:
        """Return every name of the numbering, and whether it is local to a scenario."""
        local = tuple(f"{name}/" for name, is_local in self._local.items() if is_local)
        users = self._system.users.after(-1, len(self._system.users))
        return [(name, name.startswith(local)) for _, name in users]

    def _coded(self, event: Event) -> tuple[ScenarioState, CodedEvent]:
        """Check an event; its user and action get their codes when all events are known to be fine."""
        _must_be_event(event)
        state = self._system.scenario(event.scenario)
        id_text(event.user, "user")
        item = state.catalogue.code(id_text(event.item, "item"))
        value = _value(event)
        self._check_action(state, event)
        actions, moment = self._actions[state.name], _moment(event, state)
        weight, choice = actions.of_action(event.action)
        if weight > 0 and actions.liked_from is not None and value < actions.liked_from:
            return state, CodedEvent(0, item, 0, value, 0.0, False, moment, had=True)
        return state, CodedEvent(0, item, 0, value, weight, choice, moment)

    def _user(self, event: Event) -> int:
        user = id_text(event.user, "user")
        return self._system.users.add(f"{event.scenario}/{user}" if self._local[event.scenario] else user)

    def _action(self, state: ScenarioState, event: Event) -> int:
        return state.log.action(event.action) if self._actions[state.name].named else 0

    def _check_action(self, state: ScenarioState, event: Event) -> None:
        known = state.log.actions
        if not isinstance(event.action, str):
            raise DataError(_problem("an event has an action that is no name", "text", event.action))
        if self._actions[state.name].named and event.action not in known and len(known) >= MAX_ACTIONS:
            raise DataError(
                _problem(
                    "an event has a new action", f"one of the {MAX_ACTIONS} that are known", event.action
                )
            )


def _must_be_event(event: object) -> None:
    if not isinstance(event, Event):
        raise ArgumentError(f"expected events, found {shown(event)} ({type(event).__name__})")


def _must_be_time(time: object) -> None:
    if not isinstance(time, datetime):
        raise DataError(_problem("an event has a time that is none", "a datetime, or nothing", time))


def _value(event: Event) -> float:
    """Return what an event measured; NaN where nothing."""
    if event.value is None:
        return math.nan
    value = _number(event.value)
    if not abs(value) <= MAX_VALUE:  # NaN is none either
        raise DataError(
            _problem(
                "an event has a value that is no number", "a finite number of at most 3.4e38", event.value
            )
        )
    return value


def _number(value: object) -> float:
    return float(value) if isinstance(value, Real) else math.nan


def _moment(event: Event, state: ScenarioState) -> int | None:
    """Return the moment of an event by its scenario's clock; None where only its order counts."""
    if state.clock == "sequence":
        if event.time is not None:
            raise DataError(
                _problem("an event has a time", "none: this scenario knows only an order", event.time)
            )
        return None
    if event.time is None:
        return time.time_ns() // 1000
    _must_be_time(event.time)
    moment = event.time if event.time.tzinfo is not None else event.time.replace(tzinfo=UTC)
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _problem(what: str, expected: str, value: object) -> Problem:
    return Problem(what, expected, shown(value), "mend the event and send it again")
