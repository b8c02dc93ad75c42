"""Leave last out: each user's last choice is judged, as the published tables do.

Later events of other people teach, and so does the future of a scenario: use `temporal` to judge a live
system.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.data.queries import LATEST
from polyscene.data.schema import Dataset, EventLog, Part, Scenario
from polyscene.data.splits.parts import Parts, mask_of
from polyscene.data.splits.protocol import SplitProtocol

MIN_CHOICES = 3
"""A user with fewer is only learned from."""


class LeaveLastOut(SplitProtocol):
    """Each user's last choice is TEST, the last but one VALID."""

    by_user: ClassVar[bool] = True

    def split(self, dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
        """Return the parts; users with fewer than 3 choices only train."""
        return {name: _last_out(scenario) for name, scenario in dataset.scenarios.items()}


def _last_out(scenario: Scenario) -> Parts:
    events = scenario.events
    order = np.lexsort((np.arange(len(events)), events.time, events.user))
    order = order[events.choice[order]]
    user = events.user[order]
    ends = np.append(user[1:] != user[:-1], True) if len(user) else np.zeros(0, bool)
    last = np.flatnonzero(ends)
    size = np.diff(np.concatenate([[-1], last]))
    part = np.zeros(len(events), np.int8)
    part[order[last[size >= MIN_CHOICES]]] = Part.TEST
    part[order[last[size >= MIN_CHOICES] - 1]] = Part.VALID
    return _not_after(events, part)


def _not_after(events: EventLog, part: Parts) -> Parts:
    """Hold out, too, what a user did after a held-out choice, so that nothing of it is learned too early.

    What came after the VALID choice becomes VALID (learned, never ranked), after the TEST choice CONTEXT.
    """
    for held, later in ((Part.VALID, Part.VALID), (Part.TEST, Part.CONTEXT)):
        first = np.full(int(events.user.max(initial=-1)) + 1, LATEST)
        chosen = part == held
        np.minimum.at(first, events.user[chosen], events.time[chosen])
        learned = mask_of(part, Part.TRAIN, Part.VALID)
        part[learned & (events.time > first[events.user])] = later
    return part
