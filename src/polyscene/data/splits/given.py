"""Given: a column of the events says which part each belongs to."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.data.schema import Dataset, Part, Scenario
from polyscene.data.splits.parts import Parts
from polyscene.data.splits.protocol import SplitProtocol, misfit


class Given(SplitProtocol):
    """Follows the split column; where it names no VALID, the latest share of TRAIN is."""

    gives_context: ClassVar[bool] = True

    def split(self, dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
        """Return the parts as the column says.

        Raises:
            ConfigError: a scenario has no such column.
        """
        return {name: _given(scenario, settings) for name, scenario in dataset.scenarios.items()}


def _given(scenario: Scenario, settings: EvaluationSettings) -> Parts:
    if not scenario.has_split:
        raise misfit(settings.protocol, scenario.name, "a split column", "none", "temporal")
    part = scenario.events.part.copy()
    if not np.any(part == Part.VALID):
        rows = np.flatnonzero((part == Part.TRAIN) & scenario.events.choice)
        late = rows[int(len(rows) * (1 - settings.valid_share)) :]
        if len(late):
            moment = scenario.events.time[late[0]]
            part[(part == Part.TRAIN) & (scenario.events.time >= moment)] = Part.VALID
    return part
