"""Items that training is not to know at all, so that they are new when they are judged."""

from __future__ import annotations

import numpy as np

from polyscene.core.seeds import generator
from polyscene.data.schema import Part, Scenario
from polyscene.data.splits.parts import Parts, mask_of


def hide_items(scenario: Scenario, part: Parts, share: float) -> Parts:
    """Return the parts with the events of some items kept from training: they become context.

    Args:
        share: of the catalogue whose items are hidden, in [0, 1); the same items whatever the seed of a run.
    """
    count = int(len(scenario.catalogue) * share)
    if not count:
        return part
    items = generator(0, "hidden items", scenario.name).choice(len(scenario.catalogue), count, replace=False)
    unseen = np.isin(scenario.events.item, items) & mask_of(part, Part.TRAIN, Part.VALID)
    return np.where(unseen, Part.CONTEXT, part).astype(np.int8)
