"""What each event says: a choice, something shown that was taken or passed over, a measured value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.schema import EventLog
from polyscene.recommenders.posterior.settings import PosteriorSettings

CHOSEN, TAKEN, PASSED, MEASURED = 1, 2, 4, 8
"""What an event may be: a choice among what there was; something shown that was taken, or passed over;
something measured."""
OUTLIER = 4.0
"""A value further from the usual, in spreads, counts as if it were so far."""


class Scale(NamedTuple):
    """What an action's values usually are."""

    centre: float
    spread: float


class Readings(NamedTuple):
    """What (m,) events of a log say, in their order.

    Attributes:
        rows: (m,) of the log.
        kinds: (m,) sums of what each is.
        values: (m,) in units of the usual spread; 0 where nothing was measured.
    """

    rows: LongArray
    kinds: LongArray
    values: FloatArray


@dataclass(frozen=True)
class Reader:
    """Reads events by what the settings say of their actions.

    Attributes:
        scales: by the name of every action that measures.
    """

    settings: PosteriorSettings
    scales: Mapping[str, Scale] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: PosteriorSettings, events: EventLog) -> Self:
        """Measure what values are usual."""
        reader = cls(settings)
        scales = {}
        for name in reader.measuring:
            values = reader.amounts(events.value[_rows_of(events, name)], name)
            values = values[np.isfinite(values)]
            spread = float(values.std()) if len(values) else 0.0
            scales[name] = Scale(float(values.mean()) if len(values) else 0.0, spread or 1.0)
        return cls(settings, scales)

    @property
    def measuring(self) -> tuple[str, ...]:
        """Return the actions that measure."""
        return (*self.settings.rated, *self.settings.timed)

    def amounts(self, values: FloatArray, action: str) -> FloatArray:
        """Return values as they are compared: lengths of time by their logarithm."""
        if action not in self.settings.timed:
            return values
        amounts: FloatArray = np.log1p(np.maximum(values, 0.0))
        return amounts

    def read(self, events: EventLog) -> Readings:
        """Return what a log says."""
        kinds = np.where(events.weight > 0, CHOSEN | (TAKEN if self.settings.passed_over else 0), 0)
        passed = np.zeros(len(events), np.bool_)
        for name in self.settings.passed_over:
            passed |= _rows_of(events, name)
        kinds = np.where(passed & (events.weight <= 0), PASSED, kinds)
        values = np.zeros(len(events), np.float32)
        for name in self.measuring:
            measured = _rows_of(events, name) & np.isfinite(events.value)
            values[measured] = self._scaled(events.value[measured], name)
            kinds = np.where(measured, kinds | MEASURED, kinds)
        rows = np.flatnonzero(kinds)
        return Readings(rows, kinds[rows].astype(np.int64), values[rows])

    def kind(self, action: str | None, weight: float, value: float) -> tuple[int, float]:
        """Return what one event is, and its value in units of the usual spread."""
        kind = 0
        if weight > 0:
            kind = CHOSEN | (TAKEN if self.settings.passed_over else 0)
        elif action in self.settings.passed_over:
            kind = PASSED
        if action is None or action not in self.scales or not np.isfinite(value):
            return kind, 0.0
        return kind | MEASURED, float(self._scaled(np.array([value], np.float32), action)[0])

    def _scaled(self, values: FloatArray, action: str) -> FloatArray:
        centre, spread = self.scales[action]
        scaled: FloatArray = np.clip((self.amounts(values, action) - centre) / spread, -OUTLIER, OUTLIER)
        return scaled

    def state(self) -> Arrays:
        """Return the scales, in the order of the settings."""
        return {"scales": np.array([self.scales[name] for name in self.measuring], np.float64).reshape(-1, 2)}

    @classmethod
    def restore(cls, settings: PosteriorSettings, state: Arrays) -> Self:
        """Build from `state`."""
        names = cls(settings).measuring
        return cls(
            settings, {name: Scale(*row) for name, row in zip(names, state["scales"].tolist(), strict=True)}
        )


def powers(weights: FloatArray) -> FloatArray:
    """Return what events of these weights count as evidence, in [0, 1]; what measures alone counts whole."""
    return np.where(weights > 0, np.minimum(weights, 1.0), 1.0).astype(np.float32)


def repeat_shares(user: IntArray, item: IntArray, counted: BoolArray, repeats: float) -> FloatArray:
    """Return (m,) what each event counts for its item, by how often its user had chosen the item before.

    Args:
        counted: (m,) which events are choices.
    """
    place = user.astype(np.int64) << 32 | item
    order = np.argsort(place, kind="stable")
    before: LongArray = np.cumsum(counted[order]) - counted[order]
    starts = np.r_[True, place[order][1:] != place[order][:-1]]
    firsts = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0)) if len(order) else order
    earlier = np.empty(len(order), np.int64)
    earlier[order] = before - before[firsts]
    return shares_of(earlier, repeats)


def shares_of(earlier: LongArray, repeats: float) -> FloatArray:
    """Return (m,) `1 / (1 + k / repeats)²`: all choices of an item by one user count below `1 + repeats`."""
    shares: FloatArray = (1.0 / (1.0 + earlier / repeats) ** 2).astype(np.float32)
    return shares


def _rows_of(events: EventLog, action: str) -> BoolArray:
    codes: Sequence[int] = [code for code, name in enumerate(events.actions) if name == action]
    return np.isin(events.action, codes)
