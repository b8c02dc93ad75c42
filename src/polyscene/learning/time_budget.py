"""A training that may last only so long: where its time goes, and what is left out so that it is kept.

The language model is tuned within a share of the time, and no further where held-out choices say that it
does not pay. Of the signals those go first that cost most for what they are worth alone. Without a budget
nothing is left out, and the clock decides nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from polyscene.core.errors import ConfigError, Problem

Clock = Callable[[], float]

TUNING_SHARE = 0.4
"""Of the time that is left: half of it for tuning on the past, half for tuning on everything."""
REFIT_SHARE = 0.6
"""Of the time that is left when the fusion begins to learn: for fitting anew the signals that are kept."""
LEAST_WORTH = 1e-4
"""NDCG@10 of a signal that finds nothing."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class TimeBudget:
    """How long a training may last, and what it did with its time.

    Args:
        seconds: from now; None: as long as it takes.
        clock: seconds, never going back.

    Raises:
        ConfigError: no time at all.
    """

    def __init__(self, seconds: float | None = None, clock: Clock = time.monotonic) -> None:
        if seconds is not None and not 0 < seconds < math.inf:
            raise _refused(f"{seconds:g} s")
        self.seconds, self._clock, self._began = seconds, clock, clock()
        self.left_out: list[str] = []
        self._parts: dict[str, float] = {}

    @classmethod
    def of(cls, length: float | str | TimeBudget | None) -> TimeBudget:
        """Return a budget of seconds, of a text such as "2m", or the one that is given."""
        if isinstance(length, TimeBudget):
            return length
        return cls(seconds_of(length) if isinstance(length, str) else length)

    @property
    def bounded(self) -> bool:
        """Return whether there is a bound."""
        return self.seconds is not None

    @property
    def left(self) -> float:
        """Return the seconds that are left, infinity without a bound; below 0 when it is overdrawn."""
        return math.inf if self.seconds is None else self.seconds - self.spent

    @property
    def spent(self) -> float:
        """Return the seconds since the start."""
        return self._clock() - self._began

    def minutes(self, share: float) -> float | None:
        """Return a share of what is left, in minutes; None without a bound."""
        return max(share * self.left, 0.0) / 60 if self.bounded else None

    def leave_out(self, what: str) -> None:
        """Keep in mind what is done without."""
        self.left_out.append(what)

    @contextmanager
    def measured(self, part: str) -> Iterator[None]:
        """Count the time that passes inside as that of a part."""
        began = self._clock()
        yield
        self._parts[part] = self._parts.get(part, 0.0) + self._clock() - began

    def cost(self, part: str) -> float:
        """Return the seconds that a part took; 0 where it never began."""
        return self._parts.get(part, 0.0)

    @property
    def parts(self) -> Mapping[str, float]:
        """Return the seconds of every part so far."""
        return self._parts

    def facts(self) -> dict[str, Any]:
        """Return what a run's manifest says of the time: rounded seconds, and what was left out."""
        return {
            "seconds": self.seconds,
            "spent": round(self.spent, 1),
            "parts": {part: round(seconds, 3) for part, seconds in self._parts.items()},
            "left_out": self.left_out,
        }

    def notes(self) -> list[str]:
        """Return what is told at the end; nothing without a bound."""
        if self.seconds is None:
            return []
        kept = "kept" if self.left >= 0 else "overdrawn: what cannot be left out took longer"
        left_out = "; ".join(self.left_out) or "nothing"
        return [f"budget of {self.seconds:,.0f} s, {self.spent:,.0f} s spent, {kept}; left out: {left_out}"]


def seconds_of(text: str) -> float:
    """Return a length of time such as "90s", "2m" or "1.5h" in seconds.

    Raises:
        ConfigError: it is none.
    """
    number, unit = text[:-1], _UNITS.get(text[-1:])
    try:
        seconds = float(number) * unit if unit is not None else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise _refused(repr(text))
    return seconds


def too_dear(
    seconds: Mapping[tuple[str, str], float], worth: Mapping[tuple[str, str], float], allowed: float
) -> list[tuple[str, str]]:
    """Return the signals to leave out, the worst bargain first, until the others cost no more than allowed.

    The best signal of a scenario always stays.

    Args:
        seconds: that a signal took, by scenario and signal.
        worth: its NDCG@10 alone on choices that it has not learned from.
        allowed: seconds.
    """
    best = {max((pair for pair in seconds if pair[0] == name), key=worth.__getitem__) for name, _ in seconds}
    order = sorted(seconds, key=lambda pair: -seconds[pair] / max(worth[pair], LEAST_WORTH))
    total, gone = sum(seconds.values()), list[tuple[str, str]]()
    for pair in order:
        if total <= allowed:
            break
        if pair not in best:
            gone.append(pair)
            total -= seconds[pair]
    return gone


def _refused(actual: str) -> ConfigError:
    return ConfigError(
        [Problem("no length of time", "a number above 0 with s, m or h", actual, "write --budget 2m")]
    )
