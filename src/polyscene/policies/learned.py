"""A softmax over simple features of the scores, whose weights were learned from a log of decisions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from polyscene.core.types import FloatArray
from polyscene.policies.policy import Policy, PolicySettings, Probabilities


class LearnedSettings(PolicySettings):
    """`policy = { name = "learned", score = 5.0, rank = 0.5, first = 0.0 }`."""

    score: float = Field(1.0, description="weight of the score less that of the best item that is left")
    rank: float = Field(0.0, description="weight of the negative logarithm of the place by score")
    first: float = Field(0.0, description="weight of being the best that is left")


class Learned(Policy):
    """Draws place after place with probability proportional to the exponential of weighted features.

        p(a | before) = exp(w · φ_a) / Σ_{b remains} exp(w · φ_b),   φ_a = (s_a - max s, -ln r_a, [r_a = 1])

    with r_a the place of a by score among those that remain, from 1. It holds `plackett_luce` (rank and first
    0, score 1 / T) and, as first grows, `greedy`. Propensities are exact. `polyscene judge --policy learned`
    learns the weights.
    """

    name: ClassVar[str] = "learned"
    Settings: ClassVar[type[PolicySettings]] = LearnedSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.weights = np.array([self.settings.score, self.settings.rank, self.settings.first], np.float64)

    @property
    def explores(self) -> bool:
        """Whether chance has a say: always."""
        return True

    def conditional(self, scores: FloatArray) -> Probabilities:
        """Return (C,) the probabilities of the formula above."""
        open_ = np.flatnonzero(scores > -np.inf)
        logits = score_features(scores[open_]) @ self.weights
        shares = np.exp(logits - logits.max())
        row: Probabilities = np.zeros(len(scores))
        row[open_] = shares / shares.sum()
        return row


def score_features(scores: FloatArray) -> NDArray[np.float64]:
    """Return (C, 3) the features φ of finite scores (C,); of equals the first has the better place."""
    values = scores.astype(np.float64)
    places = np.empty(len(values), np.int64)
    places[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return np.column_stack([values - values.max(), -np.log1p(places), places == 0])
