"""Items that a fusion meets as new ones while it learns, where the split brings none by itself."""

from __future__ import annotations

import numpy as np

from polyscene.core.seeds import generator
from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.core.types import IntArray
from polyscene.data.schema import Scenario
from polyscene.data.splits.protocol import protocol_of

NEWCOMER_SHARE = 0.1


def newcomers(scenario: Scenario, settings: EvaluationSettings, share: float | None) -> IntArray:
    """Return the items that a fusion is to meet as new ones.

    Args:
        share: of the catalogue; None: none where the split is a moment of time, since new items then come by
            themselves, and a tenth where every user's events are split by their order.
    """
    if share is None:
        at_a_moment = scenario.clock == "time" and not protocol_of(settings).by_user
        share = 0.0 if at_a_moment else NEWCOMER_SHARE
    count = int(len(scenario.catalogue) * share)
    draws = generator(0, "newcomers", scenario.name)
    return draws.choice(len(scenario.catalogue), count, replace=False).astype(np.int32)
