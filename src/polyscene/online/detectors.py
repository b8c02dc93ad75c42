"""Detectors of change in a stream of numbers. Written here, since the library that has them needs pandas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Change:
    """A detection.

    Attributes:
        before, after: the mean before the change, and since.
        seen: how many numbers the detector had seen since the last change.
    """

    before: float
    after: float
    seen: int


class Detector(Protocol):
    """Hears of one number after the other."""

    def update(self, value: float) -> Change | None:
        """Take a number; return the change that it completes."""
        ...


@dataclass(slots=True)
class _Bucket:
    count: int
    total: float
    squares: float

    def with_(self, other: _Bucket) -> _Bucket:
        return _Bucket(self.count + other.count, self.total + other.total, self.squares + other.squares)


class Adwin:
    """ADWIN: a window that drops its older part where the two parts' means differ by more than chance.

        ε = √(2/m · σ² · ln(2/δ')) + 2/(3 m) · ln(2/δ'),   1/m = 1/n₀ + 1/n₁,   δ' = δ / ln n

    with n₀, n₁ the sizes of the parts, n that of the window and σ² its variance; numbers lie in [0, 1], or
    differ by at most 1. The window is an exponential histogram: log n buckets of doubling sizes, at most
    `MAX_PER_SIZE` of each (Bifet and Gavaldà 2007, Learning from time-changing data with adaptive windowing,
    section 3.1 and 3.2, whose "ADWIN2" this is).

    Args:
        delta: chance of a false alarm at one look.
    """

    MAX_PER_SIZE = 5
    EVERY = 32
    """Looks are taken after so many numbers."""
    MIN_PART = 5

    def __init__(self, delta: float = 0.002) -> None:
        self.delta = delta
        self._buckets: list[_Bucket] = []  # oldest first
        self._seen = 0

    @property
    def size(self) -> int:
        """How many numbers the window holds."""
        return sum(one.count for one in self._buckets)

    @property
    def mean(self) -> float:
        """Of the window; 0 of an empty one."""
        return sum(one.total for one in self._buckets) / max(self.size, 1)

    def update(self, value: float) -> Change | None:
        """Take a number; return the change that it completes."""
        self._buckets.append(_Bucket(1, value, value * value))
        self._compress()
        self._seen += 1
        if self._seen % self.EVERY:
            return None
        cut = self._cut()
        if cut is None:
            return None
        before, seen = _mean(self._buckets[:cut]), self._seen
        while (cut := self._cut()) is not None:
            del self._buckets[:cut]
        self._seen = 0
        return Change(before, self.mean, seen)

    def _compress(self) -> None:
        """Merge the two oldest of a size where there is one too many, from the smallest size up."""
        end = len(self._buckets)
        while end:
            size = self._buckets[end - 1].count
            start = end
            while start and self._buckets[start - 1].count == size:
                start -= 1
            if end - start <= self.MAX_PER_SIZE:
                return
            self._buckets[start : start + 2] = [self._buckets[start].with_(self._buckets[start + 1])]
            end = start + 1

    def _cut(self) -> int | None:
        """Return how many of the oldest buckets differ from the rest; None: no such part."""
        count, total = self.size, sum(one.total for one in self._buckets)
        if count < 2 * self.MIN_PART:
            return None
        mean = total / count
        variance = max(sum(one.squares for one in self._buckets) / count - mean * mean, 0.0)
        risk = log(2 * log(count) / self.delta)
        older, older_total = 0, 0.0
        for place, bucket in enumerate(self._buckets[:-1], 1):
            older, older_total = older + bucket.count, older_total + bucket.total
            newer = count - older
            if min(older, newer) < self.MIN_PART:
                continue
            share = 1 / older + 1 / newer
            bound = sqrt(2 * share * variance * risk) + 2 / 3 * share * risk
            if abs(older_total / older - (total - older_total) / newer) > bound:
                return place
        return None


def _mean(buckets: list[_Bucket]) -> float:
    return sum(one.total for one in buckets) / sum(one.count for one in buckets)


class PageHinkley:
    """Page-Hinkley, both ways: the mean has moved where the summed deviations leave their extreme too far.

        U_t = Σ_{i ≤ t} (x_i - x̄_i - α),   alarm where U_t - min U > λ;  downwards likewise

    with x̄_i the mean so far (Page 1954, Continuous inspection schemes; Mouss and others 2004, Test of
    Page-Hinkley, an approach for fault detection in an agro-alimentary production system).

    Args:
        delta: chance of a false alarm; λ is `spread · ln(1/δ)` with the spread of numbers in [0, 1] and twice
            α as drift, after which the sums of a quiet stream fall back (Wald's bound for random walks,
            `P(exceed λ) ≤ exp(-2 α λ / σ²)`).
        tolerance: α, by how much the mean may move for nothing.
        least: numbers before the first alarm.
    """

    VARIANCE = 0.25
    """The largest of numbers in [0, 1]."""

    def __init__(self, delta: float = 0.002, tolerance: float = 0.02, least: int = 30) -> None:
        self.tolerance, self.least = tolerance, least
        self.threshold = self.VARIANCE * log(1 / delta) / (2 * tolerance)
        self._reset()

    def _reset(self) -> None:
        self._seen, self._mean = 0, 0.0
        self._up, self._down = 0.0, 0.0
        self._since_up, self._since_down = (0, 0.0), (0, 0.0)

    def update(self, value: float) -> Change | None:
        """Take a number; return the change that it completes."""
        self._seen += 1
        self._mean += (value - self._mean) / self._seen
        self._up, self._since_up = self._summed(self._up, self._since_up, value, value - self._mean)
        self._down, self._since_down = self._summed(self._down, self._since_down, value, self._mean - value)
        if self._seen < self.least or max(self._up, self._down) <= self.threshold:
            return None
        count, total = self._since_up if self._up > self._down else self._since_down
        older = self._seen - count
        before = (self._mean * self._seen - total) / older if older else self._mean
        change = Change(before, total / count, self._seen)
        self._reset()
        return change

    def _summed(
        self, height: float, since: tuple[int, float], value: float, deviation: float
    ) -> tuple[float, tuple[int, float]]:
        """Return how far a sum is above its least, and count and total of the numbers since that."""
        height += deviation - self.tolerance
        return (0.0, (0, 0.0)) if height <= 0 else (height, (since[0] + 1, since[1] + value))


DETECTORS: Mapping[str, Callable[[float], Detector]] = {"adwin": Adwin, "page_hinkley": PageHinkley}
"""By the name in `[drift]`, what makes one of the chance of a false alarm."""
