"""Who plays in the world of `polyscene.sample.bandit_world`: policies as they are served, and what they
learn from.

Policies of scores share one learner, a linear model of clicks corrected for position; contextual policies
bring their own. All learn once a day from the clicks that are known by then, and forget alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.types import LongArray
from polyscene.policies.contextual.contextual import CONTEXTUAL_POLICIES
from polyscene.policies.contextual.feedback import positions
from polyscene.policies.contextual.linear_model import LinearModel
from polyscene.policies.controller import Controller, Window
from polyscene.policies.greedy import Greedy
from polyscene.policies.guarded import Guarded, GuardedSettings
from polyscene.policies.registry import policy_of
from polyscene.sample.bandit_world import BanditWorld, BanditWorldSettings, Outcome, Visit

Values = NDArray[np.float64]
Block = tuple[Values, Values, Values]

LEARNING: Mapping[str, float] = {"ridge": 1.0, "noise": 0.4, "memory": 0.98}
SCORED: Mapping[str, Mapping[str, Any]] = {
    "greedy": {"name": "greedy"},
    "epsilon": {"name": "epsilon", "epsilon": 0.1},
    "plackett_luce": {"name": "plackett_luce", "temperature": 0.05},
    "thompson": {"name": "thompson"},
}
CONTEXTUAL: Mapping[str, Mapping[str, Any]] = {
    "lin_ucb": {},
    "lin_thompson": {"draws": 64},
    "ensemble": {},
}
UNIFORM = PolicyChoice(name="epsilon", epsilon=1.0)


class Agent(Protocol):
    """Chooses slates and learns from them."""

    def choose(self, visit: Visit, size: int, chance: np.random.Generator) -> LongArray:
        """Return the places of the candidates that are shown."""
        ...

    def learn(self, block: Block) -> None:
        """Take in features, rewards and weights of what is known by now."""
        ...

    def end_of_day(self, outcomes: Sequence[Outcome]) -> None:
        """Look at the day's outcomes."""
        ...


class Scored:
    """A policy over the means and deviations of the common learner."""

    def __init__(self, name: str, world: BanditWorld) -> None:
        self.policy = policy_of(PolicyChoice.model_validate(SCORED[name]))
        self.model = LinearModel(world.dimension, **LEARNING)

    def choose(self, visit: Visit, size: int, chance: np.random.Generator) -> LongArray:
        """Score, and let the policy choose."""
        policy = self.policy
        if policy.reads_deviations:
            policy = policy.knowing(self.model.deviation(visit.features).astype(np.float32))
        return policy.choose(self.model.mean(visit.features).astype(np.float32), size, chance)[0]

    def learn(self, block: Block) -> None:
        """Update the learner."""
        self.model.update(*block)

    def end_of_day(self, outcomes: Sequence[Outcome]) -> None:
        """Nothing is looked at."""


class Contextual:
    """A policy that learns by itself."""

    def __init__(self, name: str, world: BanditWorld) -> None:
        make = CONTEXTUAL_POLICIES[name]
        self.policy = make(world.dimension, make.Settings(**LEARNING, **CONTEXTUAL[name]))

    def choose(self, visit: Visit, size: int, chance: np.random.Generator) -> LongArray:
        """Let it choose."""
        return self.policy.choose(visit.features, size, chance)[0]

    def learn(self, block: Block) -> None:
        """Update it."""
        self.policy.update(*block)

    def end_of_day(self, outcomes: Sequence[Outcome]) -> None:
        """Nothing is looked at."""


class Controlled:
    """Greedy but for a share that is drawn uniformly, as large as the controller lets it be.

    Attributes:
        explored: by slate, whether the explorer drew it.
        lost: by slate, clicks that were to be expected of the greedy slate, and of the one that was shown.
    """

    def __init__(self, controller: Controller | None, share: float, world: BanditWorld) -> None:
        self.controller, self._world = controller, world
        self._policy = _guarded(share if controller is None else controller.share)
        self.model, self._greedy = LinearModel(world.dimension, **LEARNING), Greedy()
        self.explored: list[bool] = []
        self.lost: list[tuple[float, float]] = []

    def choose(self, visit: Visit, size: int, chance: np.random.Generator) -> LongArray:
        """Toss the coin of `Guarded`, and note on which side it fell.

        The coin is the first number that the policy takes, so it is read from a copy of the chance.
        """
        share, policy = self._policy.share, self._policy
        scores = self.model.mean(visit.features).astype(np.float32)
        seed = int(chance.integers(2**53))
        self.explored.append(bool(np.random.default_rng(seed).random() < share))
        slate, _ = policy.choose(scores, size, np.random.default_rng(seed))
        greedy, _ = self._greedy.choose(scores, size)
        self.lost.append((self._world.expected(visit, greedy), self._world.expected(visit, slate)))
        return slate

    def learn(self, block: Block) -> None:
        """Update the learner."""
        self.model.update(*block)

    def end_of_day(self, outcomes: Sequence[Outcome]) -> None:
        """Tell the controller what the day came to."""
        if self.controller is not None:
            drawn = np.array(self.explored[-len(outcomes) :], np.bool_)
            clicks = np.array([one.clicked.sum() for one in outcomes])
            self.controller.observe(
                Window(len(drawn), int(drawn.sum()), float(clicks[drawn].sum()), float(clicks[~drawn].sum()))
            )
            self._policy = _guarded(self.controller.share)

    def spent(self) -> tuple[Values, Values]:
        """Return, after each slate, the share explored and the true share of clicks lost since the start."""
        best, shown = np.cumsum(np.array(self.lost), axis=0).T
        slates = np.arange(1, len(self.explored) + 1)
        return np.cumsum(self.explored) / slates, 1.0 - shown / best


def _guarded(share: float) -> Guarded:
    return Guarded(GuardedSettings(share=share, explorer=UNIFORM))


@dataclass
class _Known:
    """Feedback on its way, by the day on which it is known."""

    waiting: dict[int, list[Block]] = field(default_factory=dict)

    def add(self, day: int, block: Block) -> None:
        self.waiting.setdefault(day, []).append(block)

    def of(self, day: int) -> Block | None:
        blocks = self.waiting.pop(day, [])
        if not blocks:
            return None
        features, rewards, weights = zip(*blocks, strict=True)
        return np.concatenate(features), np.concatenate(rewards), np.concatenate(weights)


def live(agent: Agent, world: BanditWorld, visits: int, seed: int) -> tuple[Values, int]:
    """Let an agent serve a world to its end; return (slates,) regrets and how many people left.

    Args:
        agent: that serves.
        world: at its beginning.
        visits: a day.
        seed: of the agent's chance.
    """
    chance, known, left = np.random.default_rng(seed), _Known(), 0
    regrets: list[float] = []
    for _ in range(world.settings.days):
        outcomes = []
        for visit in world.visits(visits):
            slate = agent.choose(visit, world.settings.slate, chance)
            outcome = world.show(visit, slate)
            known.add(
                outcome.known_on,
                positions(visit.features, slate, outcome.clicked.astype(np.float32), world.examination),
            )
            outcomes.append(outcome)
        regrets += [one.best - one.expected for one in outcomes]
        left += sum(one.left for one in outcomes)
        agent.end_of_day(outcomes)
        if (block := known.of(world.day)) is not None:
            agent.learn(block)
    return np.array(regrets), left


def agents() -> list[str]:
    """Return the names of all policies that are compared."""
    return [*SCORED, *CONTEXTUAL]


def agent_of(name: str, world: BanditWorld) -> Agent:
    """Return an agent by the name of its policy."""
    return Scored(name, world) if name in SCORED else Contextual(name, world)


def world_of(climate: str, days: int, seed: int) -> BanditWorld:
    """Return a world at its beginning."""
    return BanditWorld(BanditWorldSettings.model_validate({"climate": climate, "days": days}), seed)
