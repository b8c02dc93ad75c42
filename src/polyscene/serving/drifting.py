"""What a service does when something has changed: it tells, and may ask for a cycle."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from polyscene.core.errors import StoreError
from polyscene.core.files import write_text
from polyscene.core.settings.drift import DriftSettings
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.engine.decision import Decision, Request
from polyscene.engine.updates import ActionWeights
from polyscene.online.drift import Drift, DriftWatch
from polyscene.serving.checking import with_neutral_actions
from polyscene.serving.stores.contract import LoggedEvent

_log = logging.getLogger(__name__)

WANTED = "cycle-wanted.json"
"""In the folder of a service: that a cycle is asked for, and why."""


class DriftAlarm:
    """Watches the slates and events of one service.

    Args:
        settings: of `[drift]`.
        folder: of the service.
        scenarios: by name, whose objectives say what is a choice.
        count: counts a detection, by scenario and stream.
    """

    def __init__(
        self,
        settings: DriftSettings,
        folder: Path,
        scenarios: Mapping[str, ScenarioSettings],
        count: Callable[[str, str], None],
    ) -> None:
        self.settings, self._folder, self._count = settings, folder, count
        self._actions = {name: ActionWeights.of(with_neutral_actions(one)) for name, one in scenarios.items()}
        self._watch = DriftWatch(settings, self._changed)

    def shown(self, decision: Decision, request: Request) -> None:
        """Take a slate that was given."""
        ids = decision.state.catalogue.ids
        items = [ids[code] for code in decision.codes.tolist()]
        scores, known = decision.scores[decision.places], decision.user >= 0
        self._watch.shown(decision.state.name, request.user, items, scores, known, time.monotonic())

    def acted(self, events: Sequence[LoggedEvent]) -> None:
        """Take events that were acknowledged."""
        for event in events:
            choice = self._actions[event.scenario].of_action(event.action)[1]
            self._watch.acted(event.scenario, event.user, event.item, choice)

    def forget(self, user: str) -> None:
        """Drop what waits of a user who is erased."""
        self._watch.forget(user)

    def _changed(self, drift: Drift) -> None:
        self._count(drift.scenario, drift.stream)
        _log.warning("drift: %s; reaction: %s", drift, self.settings.reaction)
        if self.settings.reaction == "alarm":
            return
        facts = {"reaction": self.settings.reaction, "at": time.time_ns() // 1000, "drift": asdict(drift)}
        try:
            write_text(self._folder / WANTED, json.dumps(facts, indent=2) + "\n")
        except OSError as error:
            _log.warning("a cycle cannot be asked for: %s", error)


def cycle_wanted(folder: Path) -> dict[str, Any] | None:
    """Return why a cycle is asked for; None: it is not.

    Raises:
        StoreError: the file cannot be read.
    """
    path = folder / WANTED
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(
            f"expected to know from {path} why a cycle is wanted, found {error}; remove it"
        ) from error
    return facts
