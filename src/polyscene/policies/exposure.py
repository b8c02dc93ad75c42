"""How often each item was shown, and what follows: a floor for items on trial, a cap for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field

from polyscene.core.settings.block import Strict
from polyscene.core.types import BoolArray, LongArray
from polyscene.policies.limits import NO_LIMITS, Cap, Limits, Quota


class ExposureSettings(Strict):
    """Floors and caps, in impressions."""

    chances: int = Field(0, ge=0, description="an item is on trial until it was shown so often; 0: none is")
    places: int = Field(1, ge=1, description="of a slate that are kept for items on trial")
    cap: int | None = Field(
        None, ge=1, description="an item is not shown more often in one period; None: no cap"
    )


class Exposure:
    """Counts impressions, and turns them into limits of the next slate.

    What it demands are `Limits`: a policy draws within them, so propensities stay exact, and a log that keeps
    limits can be drawn again. Where a cap and the floor contradict each other, the cap wins.

    Args:
        n_items: of the catalogue; items after them begin at 0.
        settings: floors and caps.
    """

    def __init__(self, n_items: int, settings: ExposureSettings) -> None:
        self.settings = settings
        self.shown: LongArray = np.zeros(n_items, np.int64)
        self.in_period: LongArray = np.zeros(n_items, np.int64)

    def extend(self, n_items: int) -> None:
        """Take in new items: the catalogue has so many now."""
        new = np.zeros(max(0, n_items - len(self.shown)), np.int64)
        self.shown, self.in_period = (np.append(counts, new) for counts in (self.shown, self.in_period))

    def note(self, items: LongArray) -> None:
        """Count that (m,) items were shown; one may stand there several times."""
        np.add.at(self.shown, items, 1)
        np.add.at(self.in_period, items, 1)

    def new_period(self) -> None:
        """Begin a period of the cap anew, such as a day."""
        self.in_period[:] = 0

    def on_trial(self, items: LongArray) -> BoolArray:
        """Return (m,) whether each item has not had its chances yet."""
        on_trial: BoolArray = self.shown[items] < self.settings.chances
        return on_trial

    def limits(self, candidates: LongArray, floor: bool = True, limits: Limits = NO_LIMITS) -> Limits:
        """Return what a slate must keep to.

        Args:
            candidates: (C,) item codes.
            floor: whether this slate keeps places for items on trial.
            limits: that hold besides.
        """
        on_trial = self.on_trial(candidates)
        if floor and on_trial.any():
            limits = replace(limits, quotas=(*limits.quotas, Quota(on_trial, self.settings.places)))
        if self.settings.cap is not None:
            full = self.in_period[candidates] >= self.settings.cap
            if full.any():
                none_more = Cap(np.where(full, 0, -1).astype(np.int64), 0)
                limits = replace(limits, caps=(*limits.caps, none_more))
        return limits
