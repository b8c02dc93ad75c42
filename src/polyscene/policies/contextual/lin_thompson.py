"""Linear Thompson sampling: what is best under weights drawn from a linear model's posterior."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray
from polyscene.policies.contextual.contextual import ContextualPolicy, ContextualSettings, Floats
from polyscene.policies.contextual.linear_model import LinearModel
from polyscene.policies.contextual.members import Members
from polyscene.policies.policy import Policy


class LinThompsonSettings(ContextualSettings):
    """What linear Thompson sampling may be told."""

    width: float = Field(1.0, gt=0, description="what the posterior's deviations are multiplied by")
    draws: int = Field(256, gt=1, description="weights drawn to estimate every chance")
    seed: int = Field(0, ge=0, description="of these draws")


class LinThompson(ContextualPolicy):
    """Gives each place to the best remaining candidate under one of M drawn weight vectors.

    Agrawal and Goyal 2013, Thompson sampling for contextual bandits with linear payoffs. Scores of candidates
    are correlated, so their chances have no closed form: M weights are drawn from the posterior with numbers
    that the settings' seed fixes, and the place goes to the choice of one of them. The propensity is exact
    for what is drawn here, and an estimate of endless Thompson sampling's with standard error √(p(1-p)/M) ≤
    1/(2√M): 0.031 with 256. A log that keeps settings and state can be drawn again to the last digit.
    """

    name: ClassVar[str] = "lin_thompson"
    Settings: ClassVar[type[ContextualSettings]] = LinThompsonSettings

    def __init__(self, dimension: int, settings: BaseModel | None = None) -> None:
        super().__init__(dimension, settings)
        self.model = LinearModel(dimension, self.settings.ridge, self.settings.noise, self.settings.memory)
        chance = np.random.default_rng(self.settings.seed)
        self._normals: Floats = self.settings.width * chance.standard_normal((self.settings.draws, dimension))

    def policy_for(self, features: Floats) -> tuple[Policy, FloatArray]:
        """Return the choice by the drawn weights."""
        members = self.model.draws(features, self._normals)
        return Members(members), self.model.mean(features).astype(np.float32)

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
