"""A bootstrap ensemble: linear models that each saw another resample of the rewards."""

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


class EnsembleSettings(ContextualSettings):
    """What the ensemble may be told."""

    members: int = Field(16, gt=1, description="models")
    seed: int = Field(0, ge=0, description="of the resamples and of the members' beginnings")


class Ensemble(ContextualPolicy):
    """Gives each place to the best remaining candidate of a member drawn by lot.

    Every reward counts in every member w ~ Poisson(1) times, the bootstrap of a stream (Oza and Russell 2001,
    Online bagging and boosting; Eckles and Kaptein 2014, Thompson sampling with the online bootstrap). Each
    member starts from weights of its own, drawn from the prior, so that they differ before anything is seen
    (Osband et al. 2018, Randomized prior functions). Propensities are exact: shares of the members.
    """

    name: ClassVar[str] = "ensemble"
    Settings: ClassVar[type[ContextualSettings]] = EnsembleSettings

    def __init__(self, dimension: int, settings: BaseModel | None = None) -> None:
        super().__init__(dimension, settings)
        ridge, noise, memory = self.settings.ridge, self.settings.noise, self.settings.memory
        self.models = [LinearModel(dimension, ridge, noise, memory) for _ in range(self.settings.members)]
        drawn = np.random.default_rng(self.settings.seed).standard_normal((len(self.models), dimension))
        self._beginnings: Floats = drawn * noise / np.sqrt(ridge)  # (M, d)
        self._blocks = 0

    def policy_for(self, features: Floats) -> tuple[Policy, FloatArray]:
        """Return the choice by the members, and their mean scores."""
        thetas = self._beginnings + np.stack([model.weights for model in self.models])
        members = thetas @ features.T  # (M, C)
        return Members(members), members.mean(axis=0).astype(np.float32)

    def learn(self, features: Floats, rewards: Floats, weights: Floats) -> None:
        """Let every member learn, from a beginning of its own, what it resampled of the block."""
        self._blocks += 1
        chance = np.random.default_rng([self.settings.seed, self._blocks])
        for begins, model in zip(self._beginnings, self.models, strict=True):
            times = chance.poisson(1.0, len(rewards))
            model.update(features, rewards - features @ begins, weights * times)

    def state(self) -> Arrays:
        """Return the members' states, and how many blocks they saw."""
        return {
            "precision": np.stack([model.precision for model in self.models]),
            "target": np.stack([model.target for model in self.models]),
            "beginnings": self._beginnings,
            "blocks": np.array(self._blocks),
        }

    def restore(self, state: Arrays) -> Self:
        """Take back a state and return self; what it resamples next is what it would have been."""
        for model, precision, target in zip(self.models, state["precision"], state["target"], strict=True):
            model.restore({"precision": precision, "target": target})
        self._beginnings, self._blocks = state["beginnings"].copy(), int(state["blocks"])
        return self
