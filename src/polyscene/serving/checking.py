"""Whether an event can be taken, looked at before it is kept: what is in the log, the system must take."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from polyscene.core.errors import PolysceneError
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.text import shown
from polyscene.engine.state import System
from polyscene.engine.updates import Intake
from polyscene.serving.limits import MAX_SECONDS_AHEAD
from polyscene.serving.stores.contract import LoggedEvent

WITHOUT_WEIGHT = ("impression", "skip")
"""Actions that are always known, and change nothing where the configuration does not weigh them."""


class EventsRefusedError(PolysceneError, ValueError):
    """Events that cannot be taken; none of their batch was kept.

    Attributes:
        problems: by the event's place in the batch, from 0.
    """

    def __init__(self, problems: Mapping[int, str]) -> None:
        self.problems = dict(problems)
        super().__init__(f"{len(self.problems)} of the events cannot be taken; none was kept")


def with_neutral_actions(settings: ScenarioSettings) -> ScenarioSettings:
    """Return settings of a scenario in which impressions and skips weigh nothing unless it weighs them."""
    actions = dict.fromkeys(WITHOUT_WEIGHT, 0.0) | settings.actions
    return settings.model_copy(update={"actions": actions})


class EventCheck:
    """Tells what is wrong with events, in words for who sent them.

    Args:
        system: that is to take them.
        intake: through which it would.
        settings: of its scenarios.
    """

    def __init__(self, system: System, intake: Intake, settings: Mapping[str, ScenarioSettings]) -> None:
        self._system, self._intake = system, intake
        self.actions = {name: _actions(system, name, one) for name, one in settings.items()}

    def demand(self, events: Sequence[LoggedEvent]) -> None:
        """Look at all of them.

        Raises:
            EventsRefusedError: some cannot be taken.
        """
        present = time.time_ns() // 1000
        problems = {place: self._problem(event, present) for place, event in enumerate(events)}
        refused = {place: problem for place, problem in problems.items() if problem is not None}
        if refused:
            raise EventsRefusedError(refused)

    def _problem(self, event: LoggedEvent, present: int) -> str | None:
        if event.time is not None and not 0 <= event.time <= present + MAX_SECONDS_AHEAD * 1_000_000:
            return "expected a time between 1970 and now, found one outside; leave it out for now"
        try:
            self._intake.check([event.as_event()])
        except PolysceneError as error:
            return str(error)
        known = self.actions[event.scenario]
        if event.action not in known:
            return f"expected an action out of {', '.join(known)}, found {shown(event.action)}"
        return None


def _actions(system: System, name: str, settings: ScenarioSettings) -> tuple[str, ...]:
    """Return the actions that a scenario knows: those that happened, and those that are weighed."""
    usual = () if settings.events.action else ("click",)
    objectives = [objective.action for objective in settings.objectives]
    names = (*system.scenario(name).log.actions, *settings.actions, *objectives, *usual)
    return tuple(dict.fromkeys(names))
