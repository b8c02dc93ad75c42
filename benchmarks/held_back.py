"""Splits that make people or items cold on purpose: all but 0, 1 or 3 of the events of some are held back.

A fifth is judged, another fifth teaches the fusion what to think of such, and of everybody else one event or
few are judged and taught too. A held-back event is one to be predicted, or it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

KEPT = (0, 1, 3)
"""How many events of a cold person or item are kept."""
SHARE = 0.2
"""Of all people or items: so many are judged, and as many teach."""
PREDICTED = "predicted"


@dataclass(frozen=True)
class HeldBack:
    """What is held back of whom.

    Attributes:
        cold: the column of the person, or of the item.
        most: of the events held back of one, at most so many are to be predicted.
        warm: the share of the other events that are judged, and of those that teach.
        in_order: whether the earliest are kept, rather than any.
    """

    cold: str
    most: int
    warm: float
    in_order: bool

    def split(self, events: pl.DataFrame, seed: int) -> pl.DataFrame:
        """Return the events with the column `split`, without those that are left out.

        Args:
            events: in the order of time where there is one.
            seed: of everything that is drawn.
        """
        draws = np.random.default_rng(seed)
        names = events[self.cold].unique().sort()
        roles = draws.permutation(len(names)) / max(len(names), 1)
        kept = draws.choice(KEPT, len(names))
        drawn = pl.DataFrame({self.cold: names, "#role": roles, "#kept": kept})
        chance = pl.Series("#chance", draws.random(events.height))
        rows = events.with_row_index("#row").with_columns(chance).join(drawn, on=self.cold, how="left")
        order = pl.col("#row" if self.in_order else "#chance")
        place = order.rank("ordinal").over(self.cold) - 1
        later = pl.col("#chance").rank("ordinal").over(self.cold, place >= pl.col("#kept")) - 1
        rows = rows.with_columns(place.alias("#place"), later.alias("#later"))
        part = pl.when(pl.col("#role") < SHARE).then(pl.lit("test")).otherwise(pl.lit("valid"))
        warm = (
            pl.when(pl.col("#chance") < self.warm)
            .then(pl.lit("test"))
            .when(pl.col("#chance") < 2 * self.warm)
            .then(pl.lit("valid"))
            .otherwise(pl.lit("train"))
        )
        cold = (
            pl.when(pl.col("#place") < pl.col("#kept"))
            .then(pl.lit("train"))
            .when(pl.col("#later") < self.most)
            .then(part)
        )
        split = pl.when(pl.col("#role") < 2 * SHARE).then(cold).otherwise(warm).alias("split")
        return (
            rows.with_columns(split)
            .filter(pl.col("split").is_not_null())
            .sort("#row")
            .select(*events.columns, "split")
        )
