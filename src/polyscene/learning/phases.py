"""A system learns twice: from the past, to be judged on what came after, and from everything for good."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """What may be learned from; the value is how a progress bar calls it."""

    PAST = "past events"
    ALL = "all events"

    @property
    def tuning(self) -> bool:
        """Whether later events are kept back, for the fusion to be tuned on."""
        return self is Phase.PAST
