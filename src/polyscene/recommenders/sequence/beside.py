"""What people did in other scenarios, as attention looks at it beside their history here.

Where clocks can be compared an event is seen by what came after it alone; where not, always, in no order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from polyscene.core.clock import HOUR
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import LATEST, Histories
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.representation.item_space import ItemSpace

GAPS = 16
"""Time gaps are told apart by powers of two of an hour up to this one, 3.7 years."""
NO_GAP = GAPS
"""Stands for the gap between clocks that cannot be compared."""


@dataclass(frozen=True)
class Other:
    """Another scenario.

    Attributes:
        number: among the others.
        space: of its items.
        comparable: whether its clock can be compared with this scenario's.
    """

    number: int
    space: ItemSpace
    comparable: bool


@dataclass(frozen=True)
class Beside:
    """Events of B people in other scenarios, at most C each.

    Attributes:
        vectors: (B, C, t) the items' texts, in the space that all scenarios share.
        scenario: (B, C) the number of the scenario.
        time: (B, C) when; UNKNOWN_TIME where clocks cannot be compared.
        weight: (B, C) logarithm of how much it counts.
        there: (B, C) False behind the end.
    """

    vectors: FloatArray
    scenario: IntArray
    time: LongArray
    weight: FloatArray
    there: BoolArray

    @classmethod
    def of(cls, elsewhere: Mapping[str, Histories], others: Mapping[str, Other], people: int) -> Self:
        """Lay the histories of so many people side by side.

        Args:
            elsewhere: by scenario; those that are not among the others, of which there is one, do not count.
        """
        nothing = Histories.of([[]] * people)
        parts = [(elsewhere.get(name, nothing), other) for name, other in others.items()]
        width = parts[0][1].space.view("common").vectors.shape[1]
        lengths = np.array([history.lengths for history, _ in parts])
        starts = np.cumsum(lengths, axis=0) - lengths  # (S, B)
        shape = people, int(lengths.sum(axis=0).max(initial=0))
        placed = cls(
            np.zeros((*shape, width), np.float32),
            np.zeros(shape, np.int32),
            np.full(shape, UNKNOWN_TIME),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.bool_),
        )
        for (history, other), start in zip(parts, starts, strict=True):
            place = np.arange(len(history.items)) - np.repeat(history.offsets[:-1] - start, history.lengths)
            placed._put(history, other, place)
        return placed

    def _put(self, history: Histories, other: Other, place: LongArray) -> None:
        at = history.rows, place
        self.vectors[at] = other.space.view("common").vectors[history.items]
        self.scenario[at], self.there[at] = other.number, True
        self.weight[at] = np.log(history.weights)
        if other.comparable:
            self.time[at] = history.times

    def seen(self, until: LongArray) -> BoolArray:
        """Return (B, L, C) what is seen from places of which each is left at a moment, (B, L)."""
        seen: BoolArray = self.there[:, None] & (self.time[:, None] < until[:, :, None])
        return seen

    def gaps(self, times: LongArray) -> LongArray:
        """Return (B, L, C) the gap between each event and the (B, L) times of the places that look at it.

        It is `⌊log₂(1 + hours)⌋`, 0 where the event is the later one, `NO_GAP` where no clock tells.
        """
        later = times[:, :, None].astype(np.float64) - self.time[:, None]
        gaps = np.log2(1.0 + np.maximum(later, 0.0) / HOUR).astype(np.int64)
        known: LongArray = np.where(self.time[:, None] == UNKNOWN_TIME, NO_GAP, np.minimum(gaps, GAPS - 1))
        return known


def left_at(times: LongArray) -> LongArray:
    """Return (B, L) when each place of (B, L) ascending times is left: at the next later one, if ever."""
    until = np.full(times.shape, LATEST)
    for place in range(times.shape[1] - 2, -1, -1):
        same = times[:, place] == times[:, place + 1]
        until[:, place] = np.where(same, until[:, place + 1], times[:, place + 1])
    return until
