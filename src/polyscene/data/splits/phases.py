"""When in a training something is learned: before the fusion learns, or for good."""

from __future__ import annotations

from enum import Enum

from polyscene.data.schema import Part


class Phase(Enum):
    """What may be learned from at one step of a training.

    The fusion learns how far to trust each signal from choices that the signals have not learned from.
    """

    PAST = "past events"
    """TRAIN alone: before the fusion learns, which ranks the choices of VALID."""
    ALL = "all events"
    """TRAIN and VALID: for the system that is kept, and judged on TEST."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the parts that are learned from."""
        return (Part.TRAIN,) if self is Phase.PAST else (Part.TRAIN, Part.VALID)
