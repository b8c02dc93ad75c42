"""How long a training may last, and where it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Budget:
    """How long a training may last: until the first of the bounds that are given is reached.

    Attributes:
        steps: optimiser steps.
        epochs: rounds through every learner's batches.
        minutes: of training, interruptions not counted. Where minutes decide, a run cannot be repeated to the
            bit: how many steps fit into them depends on the machine.
    """

    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse what bounds nothing.

        Raises:
            ValueError: no bound is given, or a negative one.
        """
        bounds = [bound for bound in (self.steps, self.epochs, self.minutes) if bound is not None]
        if not bounds or not all(0 <= bound < math.inf for bound in bounds):
            raise ValueError(f"expected steps, epochs or minutes of at least 0, found {self}")

    @property
    def unit(self) -> str:
        """What progress is told in: "steps", "epochs" or "seconds"."""
        return "steps" if self.steps is not None else "seconds" if self.epochs is None else "epochs"

    @property
    def extent(self) -> int:
        """How many of that unit there are."""
        if self.steps is not None:
            return self.steps
        return math.ceil(60 * (self.minutes or 0)) if self.epochs is None else self.epochs

    def spent(self, position: TrainingPosition, by_epoch: bool) -> float:
        """Return the share that is used up, 1 and above when a bound is reached.

        Args:
            by_epoch: count whole epochs only; else steps, of which an epoch has `position.epoch_steps`.
        """
        shares = []
        if self.steps is not None:
            shares.append(_share(position.step, self.steps))
        if self.epochs is not None and by_epoch:
            shares.append(_share(position.epoch, self.epochs))
        elif self.epochs is not None:
            shares.append(_share(position.step, self.epochs * position.epoch_steps))
        if self.minutes is not None:
            shares.append(_share(position.seconds, 60 * self.minutes))
        return max(shares)

    def grain(self, position: TrainingPosition, by_epoch: bool) -> float:
        """Return the share that one step takes (by epoch: one epoch); 0 where only minutes count."""
        parts = [
            n for n in (self.steps, self.epochs and self.epochs * (by_epoch or position.epoch_steps)) if n
        ]
        return 1 / min(parts) if parts else 0.0


@dataclass
class TrainingPosition:
    """Where a training stands; all of it is JSON.

    Attributes:
        epoch, batch: whole epochs, and batches taken of the present one.
        step, validated: optimiser steps taken, and those at the last validation.
        epoch_steps: how many steps an epoch has; 0 where nobody counted.
        seconds: spent so far.
        total, counted: sum of the losses since the last validation, and of how many batches.
        lowest, waited: the best validation, and how many came after it.
        epoch_start: state of the generator at the start of the present epoch.
        finished: nothing is left to do.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    validated: int = 0
    epoch_steps: int = 0
    seconds: float = 0.0
    total: float = 0.0
    counted: int = 0
    lowest: float = math.nan
    waited: int = 0
    epoch_start: dict[str, Any] = field(default_factory=dict)
    finished: bool = False

    def improved(self, value: float) -> bool:
        """Take in a validation; return whether it is the best, as any is where there was none (NaN)."""
        self.validated = self.step
        if value < self.lowest or math.isnan(self.lowest):
            self.lowest, self.waited = value, 0
            return True
        self.waited += 1
        return False


def _share(done: float, bound: float) -> float:
    return done / bound if bound else 1.0
