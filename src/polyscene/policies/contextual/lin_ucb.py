"""LinUCB: the best expected reward if each were as good as a linear model thinks it may well be."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray
from polyscene.policies.contextual.contextual import ContextualPolicy, ContextualSettings, Floats
from polyscene.policies.contextual.linear_model import LinearModel
from polyscene.policies.policy import Policy
from polyscene.policies.ucb import Ucb, UcbSettings


class LinUcbSettings(ContextualSettings):
    """What LinUCB may be told."""

    width: float = Field(1.0, ge=0, description="how many standard deviations are added")


class LinUcb(ContextualPolicy):
    """Puts the largest θ̂ᵀx + width · σ √(xᵀ A⁻¹ x) at every place.

    Li et al. 2010, A contextual-bandit approach to personalized news article recommendation. One model is
    shared by all candidates. Chance has no say, so propensities are 1.
    """

    name: ClassVar[str] = "lin_ucb"
    Settings: ClassVar[type[ContextualSettings]] = LinUcbSettings

    def __init__(self, dimension: int, settings: BaseModel | None = None) -> None:
        super().__init__(dimension, settings)
        self.model = LinearModel(dimension, self.settings.ridge, self.settings.noise, self.settings.memory)

    def policy_for(self, features: Floats) -> tuple[Policy, FloatArray]:
        """Return UCB over the model's means and deviations."""
        deviations = self.model.deviation(features).astype(np.float32)
        policy = Ucb(UcbSettings(width=self.settings.width)).knowing(deviations)
        return policy, self.model.mean(features).astype(np.float32)

    def learn(self, features: Floats, rewards: Floats, weights: Floats) -> None:
        """Update the model."""
        self.model.update(features, rewards, weights)

    def state(self) -> Arrays:
        """Return the model's state."""
        return self.model.state()

    def restore(self, state: Arrays) -> Self:
        """Take back a state and return self."""
        self.model.restore(state)
        return self
