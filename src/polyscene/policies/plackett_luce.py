"""Plackett-Luce: every place is drawn from a softmax over what remains."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from polyscene.core.types import FloatArray, LongArray
from polyscene.policies.policy import Policy, PolicySettings, Probabilities


class PlackettLuceSettings(PolicySettings):
    """`policy = { name = "plackett_luce", temperature = 0.1 }`."""

    temperature: float = Field(
        0.1, gt=0, description="in units of the score: the larger, the more is left to chance"
    )


class PlackettLuce(Policy):
    """Draws place after place with probability proportional to the exponential of the score.

        p(a | before) = exp(s_a / T) / Σ_{b remains} exp(s_b / T)

    s are the scores, T the temperature. T → 0 is greedy, T → ∞ draws all alike. The whole slate is drawn at
    once: the k largest of s_a / T + G_a with G_a standard Gumbel are distributed so (Yellott 1977, The
    relationship between Luce's choice axiom, Thurstone's theory of comparative judgment, and the double
    exponential distribution; Kool et al. 2019, Stochastic beams and where to find them). The propensities are
    exact, not estimated.
    """

    name: ClassVar[str] = "plackett_luce"
    Settings: ClassVar[type[PolicySettings]] = PlackettLuceSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.temperature: float = self.settings.temperature

    @property
    def explores(self) -> bool:
        """Whether chance has a say: always."""
        return True

    def conditional(self, scores: FloatArray) -> Probabilities:
        """Return (C,) the probabilities of the formula above."""
        logits = scores.astype(np.float64) / self.temperature
        weights = np.exp(logits - logits.max())
        row: Probabilities = weights / weights.sum()
        return row

    def _unlimited(
        self, scores: FloatArray, size: int, generator: np.random.Generator | None
    ) -> tuple[LongArray, FloatArray]:
        if generator is None:
            return super()._unlimited(scores, size, generator)
        open_ = np.flatnonzero(scores > -np.inf)
        logits = scores[open_].astype(np.float64) / self.temperature
        keys = logits + generator.gumbel(size=len(open_))
        size = min(size, len(open_))
        top = np.argpartition(-keys, size - 1)[:size] if 0 < size < len(open_) else np.arange(len(open_))
        top = top[np.argsort(-keys[top], kind="stable")][:size]
        rest = np.delete(logits, top)
        propensities = np.exp(logits[top] - _remaining(logits[top], rest))
        return open_[top], propensities.astype(np.float32)


def _remaining(chosen: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (k,) the logarithm of the sum of what remains at each place, itself included.

    Summed from the end, so that nothing is lost where one item outweighs all others.

    Args:
        chosen: (k,) logits in slate order.
        rest: (C - k,) logits of what is not in the slate.
    """
    last = np.array([_log_sum(rest)])
    backwards = np.logaddexp.accumulate(np.concatenate([last, chosen[::-1]]))
    remaining: NDArray[np.float64] = backwards[:0:-1]
    return remaining


def _log_sum(logits: NDArray[np.float64]) -> float:
    """Return the logarithm of the sum of exponentials; -inf of nothing."""
    if not len(logits):
        return -np.inf
    peak = logits.max()
    return float(peak + np.log(np.exp(logits - peak).sum()))
