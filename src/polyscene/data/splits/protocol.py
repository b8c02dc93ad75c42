"""What a split protocol is, and the split of a data set under the one that the settings name.

Every protocol ends in the same four parts: TRAIN is learned from, VALID is the latest slice of it that the
fusion learns on, TEST is judged, CONTEXT is known when scoring and never learned from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.settings.evaluation import PROTOCOLS, EvaluationSettings
from polyscene.data.schema import Dataset, Part
from polyscene.data.splits.hidden_items import hide_items
from polyscene.data.splits.parts import Parts, mask_of


class SplitProtocol(ABC):
    """Decides which events are learned from and which are judged.

    Attributes:
        by_user: whether every user's events are split by their own order, rather than all at a moment.
        gives_context: whether the user says what is CONTEXT, so that it is never learned, not even by a run
            that is not judged.
        learns_on: whether what was judged is learned, in the order of time, before what came later is judged.
    """

    by_user: ClassVar[bool] = False
    gives_context: ClassVar[bool] = False
    learns_on: ClassVar[bool] = False

    @abstractmethod
    def split(self, dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
        """Return, by scenario, the part (n,) of each event.

        Raises:
            ConfigError: the tables do not have what the protocol needs; see `misfit`.
        """


def protocol_of(settings: EvaluationSettings) -> SplitProtocol:
    """Return the protocol that the settings name."""
    kind: type[SplitProtocol] = PROTOCOLS[settings.protocol]
    return kind()


def split(dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
    """Return, by scenario, the part (n,) of each event under the protocol, with hidden items hidden.

    Raises:
        ConfigError: the protocol asks for what the tables do not have (times, a split column).
    """
    parts = protocol_of(settings).split(dataset, settings)
    return {
        name: hide_items(dataset.scenarios[name], part, settings.hidden_items) for name, part in parts.items()
    }


def everything(dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
    """Return parts without a test: for a run that serves and is not judged."""
    held = (Part.TEST,) if protocol_of(settings).gives_context else (Part.TEST, Part.CONTEXT)
    return {
        name: np.where(mask_of(part, *held), Part.VALID, part).astype(np.int8)
        for name, part in split(dataset, settings).items()
    }


def misfit(protocol: str, scenario: str, expected: str, found: str, instead: str) -> ConfigError:
    """Return the error of a protocol that the events of a scenario cannot follow.

    Args:
        expected, found: what its events should have had, and have.
        instead: a protocol that would do.
    """
    return ConfigError(
        Problem(
            f"the protocol '{protocol}' does not fit scenario '{scenario}'",
            f"{expected} in its events",
            found,
            f'name the column in [scenarios.{scenario}.events], or set [evaluation] protocol = "{instead}"',
            key="evaluation.protocol",
            scenario=scenario,
        )
    )
