"""What a scenario's scores are worth as probabilities, measured on the choices that its fusion held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize_scalar

from polyscene.core.types import FloatArray
from polyscene.evaluation.significance import bootstrap_interval
from polyscene.learning.fusion import FusionData
from polyscene.metrics.ranking import Values
from polyscene.recommenders.fusion.calibration import Temperatures
from polyscene.recommenders.fusion.choice_probabilities import choice_scores
from polyscene.recommenders.fusion.features import HISTORY
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.training import Example, padded

MAX_CALIBRATED = 2000
"""At most so many choices of a kind are looked at."""
MIN_CALIBRATED = 50
"""With fewer choices a temperature is not measured."""
RANGE = (1e-3, 1e3)
"""Temperatures lie between these."""
BATCH = 128


@dataclass(frozen=True)
class _Choices:
    """Choices with the scores of what they were made among.

    Attributes:
        scores: of each choice (C,), the chosen one first.
        log_weights: of each choice (C,), how many items each of them stands for, as a logarithm.
        people: who chose.
    """

    scores: list[FloatArray] = field(default_factory=list)
    log_weights: list[FloatArray] = field(default_factory=list)
    people: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.people)

    def losses(self, temperature: float) -> Values:
        """Return of each choice -log of the probability of what was chosen."""
        losses = np.zeros(len(self))
        for row, (scores, log_weights) in enumerate(zip(self.scores, self.log_weights, strict=True)):
            z = scores.astype(np.float64) / temperature + log_weights
            highest = z.max()
            losses[row] = np.log(np.exp(z - highest).sum()) + highest - z[0]
        return losses

    def temperature(self, usual: float = 1.0) -> float:
        """Return the one under which the choices are most likely; the usual one unless it is surely worse.

        The loss is convex in the inverse of the temperature, so there is one minimum.
        """
        if len(self) < MIN_CALIBRATED:
            return usual
        bounds, precision = np.log(RANGE), {"xatol": 1e-3}
        best = minimize_scalar(
            lambda log: float(self.losses(float(np.exp(log))).mean()),
            bounds=bounds,
            method="bounded",
            options=precision,
        )
        temperature = float(np.exp(best.x))
        gain = bootstrap_interval(self.losses(usual) - self.losses(temperature), np.array(self.people))
        return temperature if gain.low > 0 else usual


@dataclass(frozen=True)
class ChoiceCalibration:
    """How scores become probabilities in one scenario.

    Attributes:
        temperatures: what scores are divided by; None where too few choices tell.
        known, new: how many choices of people with events here told it, and of people without.
        before, after: mean -log of the probability of what people with events chose, by the scores as they
            are and divided; NaN where too few choices tell.
    """

    temperatures: Temperatures | None
    known: int
    new: int
    before: float = float("nan")
    after: float = float("nan")

    def note(self, name: str) -> str:
        """Return what is said of it."""
        if self.temperatures is None:
            return (
                f"{name}: probabilities of a next choice are not calibrated: "
                f"{self.known:,} held-out choices, {MIN_CALIBRATED} are needed"
            )
        if self.temperatures.known == 1.0:
            change = "no temperature is surely better than none"
        else:
            change = f"scores divided by {self.temperatures.known:.2f}"
        note = (
            f"{name}: probabilities of a next choice: {change} "
            f"({self.known:,} held-out choices, mean -log {self.before:.3f} to {self.after:.3f})"
        )
        if self.temperatures.new == self.temperatures.known:
            return note
        return f"{note}, of people without events here by {self.temperatures.new:.2f} ({self.new:,})"


def choice_calibration(fusion: Fusion, learned: FusionData) -> ChoiceCalibration:
    """Measure the temperatures of what answers in a scenario.

    People of whom nothing is known are rare among held-out choices; those that the fusion learned from as if
    nobody was known stand in for them, see `FusionData.strangers`.

    Args:
        fusion: of the signals of the past, as it will answer.
        learned: what it learned from.
    """
    known, new = _Choices(), _Choices()
    for batch in _batches([*learned.held_out[:MAX_CALIBRATED], *learned.strangers[:MAX_CALIBRATED]]):
        block, log_weights = padded(batch)
        scores, without_events = choice_scores(fusion, block), block.user[:, HISTORY] <= 0
        for row, example in enumerate(batch):
            size = len(example.log_weights)
            group = new if without_events[row] else known
            group.scores.append(scores[row, :size])
            group.log_weights.append(log_weights[row, :size])
            group.people.append(example.person)
    if len(known) < MIN_CALIBRATED:
        return ChoiceCalibration(None, len(known), len(new))
    temperature = known.temperature()
    return ChoiceCalibration(
        Temperatures(temperature, new.temperature(temperature)),
        len(known),
        len(new),
        float(known.losses(1.0).mean()),
        float(known.losses(temperature).mean()),
    )


def _batches(examples: Sequence[Example]) -> list[list[Example]]:
    return [list(examples[start : start + BATCH]) for start in range(0, len(examples), BATCH)]
