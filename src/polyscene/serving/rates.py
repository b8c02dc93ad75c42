"""How often something may happen: a moving window over what happened, in the memory of this process."""

from __future__ import annotations

import math
import time
from functools import lru_cache

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

MAX_IDLE = 10_000
"""Beyond so many windows, those in which nothing is left are forgotten."""


class Rates:
    """Counts what happens, each by its name."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)

    def wait(self, rate: str | None, *name: str) -> int:
        """Count one more, or return how many seconds it must wait; 0: it may happen now.

        Args:
            rate: as `100/second`; None: as often as one likes.
            name: of what happens.
        """
        if rate is None:
            return 0
        item = _parsed(rate)
        if self._limiter.hit(item, *name):
            self._forget()
            return 0
        seconds = self._seconds(item, name)
        if seconds > item.get_expiry() + 1:  # the clock was set back: the window lies in its future
            self._limiter.clear(item, *name)
            return 0
        return max(1, math.ceil(seconds))

    def _seconds(self, item: RateLimitItem, name: tuple[str, ...]) -> float:
        return self._limiter.get_window_stats(item, *name).reset_time - time.time()

    def _forget(self) -> None:
        if len(self._storage.events) > MAX_IDLE:
            for name in [name for name, events in list(self._storage.events.items()) if not events]:
                self._storage.clear(name)


@lru_cache(maxsize=64)
def _parsed(rate: str) -> RateLimitItem:
    return parse(rate)
