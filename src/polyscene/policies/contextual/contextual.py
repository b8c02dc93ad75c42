"""The shape of a policy that learns by itself from features, and which ones there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from polyscene.core.arrays import Arrays
from polyscene.core.registry import Registry
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.policies.limits import NO_LIMITS, Limits
from polyscene.policies.policy import Policy, PolicySettings

Floats = NDArray[np.float64]


class ContextualSettings(PolicySettings):
    """What every such policy may be told."""

    ridge: float = Field(1.0, gt=0, description="precision of the prior of every weight")
    noise: float = Field(0.5, gt=0, description="standard deviation of a reward; of clicks at most 0.5")
    memory: float = Field(1.0, gt=0, le=1, description="what old rewards still count after each block")


class ContextualPolicy(ABC):
    """Chooses among candidates by their features, and learns from what came of it.

    Until `update` changes what it knows, it is a policy of scores like any other: `policy_for` gives that
    one, and `choose` and `probability` ask it.

    Args:
        dimension: d of the features.
        settings: of `Settings`; None: its defaults.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[ContextualSettings]] = ContextualSettings

    def __init__(self, dimension: int, settings: BaseModel | None = None) -> None:
        self.dimension = dimension
        self.settings: Any = self.Settings() if settings is None else settings

    @abstractmethod
    def policy_for(self, features: Floats) -> tuple[Policy, FloatArray]:
        """Return the policy that chooses among candidates with (C, d) features, and (C,) their scores."""

    @abstractmethod
    def learn(self, features: Floats, rewards: Floats, weights: Floats) -> None:
        """Learn from (m, d) features, (m,) rewards and (m,) weights of what was looked at."""

    @abstractmethod
    def state(self) -> Arrays:
        """Return what `restore` needs beside the settings."""

    @abstractmethod
    def restore(self, state: Arrays) -> Self:
        """Take back a state and return self."""

    def choose(
        self,
        features: Floats,
        size: int,
        generator: np.random.Generator | None = None,
        limits: Limits = NO_LIMITS,
    ) -> tuple[LongArray, FloatArray]:
        """Return (k,) places of the candidates in slate order and (k,) their propensities.

        Args:
            features: (C, d).
            size: how many at most.
            generator: of chance; may be left out where the policy does not explore.
            limits: what the slate must keep to.
        """
        policy, scores = self.policy_for(self._checked(features))
        return policy.choose(scores, size, generator, limits)

    def probability(
        self, features: Floats, slate: IntArray | LongArray, limits: Limits = NO_LIMITS
    ) -> FloatArray:
        """Return (k,) the propensity of each place of a slate, by what is known now."""
        policy, scores = self.policy_for(self._checked(features))
        return policy.probability(scores, slate, limits)

    def update(self, features: Floats, rewards: Floats, weights: Floats | None = None) -> None:
        """Learn from what was shown.

        Args:
            features: (m, d) of what was shown; of slates as `feedback.cascade` or `feedback.positions` give
                them.
            rewards: (m,).
            weights: (m,) how much each counts; None: 1 each.

        Raises:
            ValueError: shapes do not fit together.
        """
        counts = np.ones(len(rewards)) if weights is None else weights
        if not len(features) == len(rewards) == len(counts):
            sizes = f"{len(features)}, {len(rewards)} and {len(counts)}"
            raise ValueError(f"expected as many features as rewards and weights, found {sizes}")
        self.learn(self._checked(features), np.asarray(rewards, np.float64), np.asarray(counts, np.float64))

    def _checked(self, features: Floats) -> Floats:
        if features.ndim != 2 or features.shape[1] != self.dimension:
            raise ValueError(f"expected features of shape (n, {self.dimension}), found {features.shape}")
        return np.asarray(features, np.float64)


CONTEXTUAL_POLICIES: Registry[type[ContextualPolicy]] = Registry(
    "polyscene.contextual_policies", ("lin_ucb", "lin_thompson", "ensemble")
)
"""Every such policy by name; a module is loaded when it is asked for."""
