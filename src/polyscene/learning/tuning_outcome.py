"""What tuning a language model came to: for a run's manifest, and for tuning once more on everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyscene.core.types import FloatArray
from polyscene.learning.content_judge import FoundDecay
from polyscene.training.loop import Curve


@dataclass(frozen=True)
class TuningOutcome:
    """What tuning did to one scenario.

    Attributes:
        before, after: NDCG@10 of the content signal on held-out choices; NaN where there are none.
        steps: taken in each stage.
        weights: how many numbers learned.
        size: of the file that keeps them, in bytes.
        decay: how fast taste fades by the tuned vectors.
    """

    before: float
    after: float
    steps: Mapping[str, int]
    weights: int
    size: int
    decay: FoundDecay | None = None

    def faded(self) -> str:
        """Return what is said of the decay, where another one than the usual is better."""
        if self.decay is None or self.decay.gain <= 0:
            return ""
        return f", and to {self.after + self.decay.gain:.4f} with a history decay of {self.decay.decay:g}"


@dataclass(frozen=True)
class PastTuning:
    """What learning from the past alone came to.

    Attributes:
        rounds: of each stage, how many times through the choices were best.
        decays: by scenario, how fast taste was found to fade.
    """

    vectors: Mapping[str, FloatArray]
    outcomes: Mapping[str, TuningOutcome]
    curves: Mapping[str, Curve]
    rounds: Mapping[str, float]
    decays: Mapping[str, float]
