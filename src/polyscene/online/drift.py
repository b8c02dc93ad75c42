"""Watches what is shown and what is done for change, by scenario: click rate, calibration, inputs.

| stream | each number |
|---|---|
| `click_rate` | of a slate: 1 where anything was chosen from it, else 0 |
| `calibration` | of a choice: softmax of the slate's scores at its first place, less 1 if that was chosen |
| `strangers` | of a slate: 1 where nothing was known of its user |
| `choices` | of an event: 1 where it is a choice |

The second is 0 in the mean where scores tell chances of choice rightly; with position bias it is another
constant, and what is looked for is that it moves. The last two are inputs: they move with whom and what the
service hears of, whatever it does. Nothing is kept over a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from polyscene.core.settings.drift import DriftSettings
from polyscene.core.types import FloatArray
from polyscene.online.detectors import DETECTORS, Detector

STREAMS = ("click_rate", "calibration", "strangers", "choices")
MAX_OPEN = 50_000
"""Slates that wait for a choice; the oldest beyond these were skipped."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Something has changed.

    Attributes:
        before, after: means of the stream.
        seen: numbers since the last change.
    """

    scenario: str
    stream: str
    before: float
    after: float
    seen: int

    def __str__(self) -> str:
        return (
            f"{self.stream} of '{self.scenario}' went from {self.before:.4f} to {self.after:.4f} "
            f"({self.seen:,} numbers since the last change)"
        )


@dataclass(slots=True)
class _Open:
    """A slate that waits for a choice."""

    at: float
    items: Sequence[str]
    first: float
    chosen: bool = False


class DriftWatch:
    """Hears of slates and events, from several threads.

    Args:
        settings: of `[drift]`.
        changed: hears of every detection, one after the other.
    """

    def __init__(self, settings: DriftSettings, changed: Callable[[Drift], None]) -> None:
        self.settings, self._changed, self._lock = settings, changed, Lock()
        self._detectors: dict[tuple[str, str], Detector] = {}
        self._open: OrderedDict[tuple[str, str], _Open] = OrderedDict()

    def shown(
        self, scenario: str, user: str, items: Sequence[str], scores: FloatArray, known: bool, at: float
    ) -> None:
        """Take a slate.

        Args:
            items, scores: k of both, as they stood.
            known: whether anything is known of the user.
            at: seconds, never going back.
        """
        if self.settings.detector == "none" or not items:
            return
        with self._lock:
            drifts = [*self._over(at), *self._heard(scenario, "strangers", float(not known))]
            before = self._open.pop((scenario, user), None)
            if before is not None:
                drifts += self._closed(scenario, before)
            self._open[scenario, user] = _Open(at, items, _first_chance(scores))
        self._tell(drifts)

    def acted(self, scenario: str, user: str, item: str, choice: bool) -> None:
        """Take an event; `choice`: whether it is something to be predicted."""
        if self.settings.detector == "none":
            return
        with self._lock:
            drifts = [*self._heard(scenario, "choices", float(choice))]
            slate = self._open.get((scenario, user)) if choice else None
            if slate is not None and item in slate.items and not slate.chosen:
                slate.chosen = True
                drifts += self._heard(scenario, "calibration", slate.first - (slate.items[0] == item))
        self._tell(drifts)

    def forget(self, user: str) -> None:
        """Drop the slates of a user that wait for a choice."""
        with self._lock:
            for key in [one for one in self._open if one[1] == user]:
                del self._open[key]

    def _over(self, now: float) -> Iterator[Drift]:
        """Close the slates whose time is over."""
        limit = now - self.settings.minutes * 60.0
        while self._open:
            (scenario, _), slate = next(iter(self._open.items()))
            if slate.at > limit and len(self._open) < MAX_OPEN:
                return
            self._open.popitem(last=False)
            yield from self._closed(scenario, slate)

    def _closed(self, scenario: str, slate: _Open) -> Iterator[Drift]:
        return self._heard(scenario, "click_rate", float(slate.chosen))

    def _heard(self, scenario: str, stream: str, value: float) -> Iterator[Drift]:
        detector = self._detectors.get((scenario, stream))
        if detector is None:
            detector = DETECTORS[self.settings.detector](self.settings.false_alarms)
            self._detectors[scenario, stream] = detector
        change = detector.update(value)
        if change is not None:
            yield Drift(scenario, stream, change.before, change.after, change.seen)

    def _tell(self, drifts: Sequence[Drift]) -> None:
        for drift in drifts:
            self._changed(drift)


def _first_chance(scores: FloatArray) -> float:
    """Return the softmax of (k,) scores at the first place."""
    logits = scores.astype(np.float64)
    return float(1.0 / np.exp(logits - logits[0]).sum())
