"""What scores are divided by to become probabilities, see `choice_probabilities`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.core.types import BoolArray, FloatArray


@dataclass(frozen=True)
class Temperatures:
    """What scores are divided by before the softmax.

    Attributes:
        known, new: for people with events in the scenario, and for those without.
    """

    known: float = 1.0
    new: float = 1.0

    def of(self, new: BoolArray) -> FloatArray:
        """Return (B,) the temperature of each request, told which of them come from new people."""
        temperatures: FloatArray = np.where(new, np.float32(self.new), np.float32(self.known))
        return temperatures
