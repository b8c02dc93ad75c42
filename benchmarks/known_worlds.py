"""Logs of a shop of the sample world by a known policy, and what another policy is truly worth there.

A person is drawn, the logging policy shows items, and each is clicked with the chance that it is looked at
(by its position) times the chance that this person takes it (`SampleWorld.preference`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from polyscene.evaluation.offpolicy.estimator import Estimator
from polyscene.evaluation.offpolicy.log import Codes, LoggedDecisions, Values
from polyscene.evaluation.offpolicy.modelled import (
    Direct,
    DoublyRobust,
    ModelledSettings,
    SwitchDr,
    SwitchSettings,
)
from polyscene.evaluation.offpolicy.pseudo_inverse import (
    PseudoInverse,
    PseudoInverseSettings,
    second_moments_of,
)
from polyscene.evaluation.offpolicy.slates import CascadeDr, IndependentIps, RewardInteractionIps, SlateIps
from polyscene.evaluation.offpolicy.weighting import ClippedIps, ClippedSettings, Ips, Snips
from polyscene.sample.behaviour import examination
from polyscene.sample.world import SampleWorld

SCENARIO = "shop"
PEOPLE, ITEMS, DAYS = 400, 40, 20
SINGLE_ITEMS, SLATE_ITEMS, PLACES = 20, 8, 3
CLIP = 3.0
LOGGING_SHARPNESS, TARGET_SHARPNESS = 0.6, 1.2

Draw = Callable[[np.random.Generator, int], tuple[LoggedDecisions, Values, Values]]


@dataclass(frozen=True)
class People:
    """What is true of the people.

    Attributes:
        rates: (U, A) chance to take an item that is looked at.
        contexts: (U, d) what the log knows of them.
        tailored: (U, A) mean logit of the rates in the person's country.
        popular: (A,) mean logit of the rates.
    """

    rates: Values
    contexts: Values
    tailored: Values
    popular: Values

    @classmethod
    def of(cls, seed: int) -> People:
        """Generate the world and look at its newest items on its last day."""
        world = SampleWorld.generate(seed, PEOPLE, ITEMS, DAYS)
        live = np.flatnonzero(world.live(SCENARIO, world.end))[-SINGLE_ITEMS:]
        rates = world.preference(np.arange(PEOPLE)[:, None], SCENARIO, live[None, :], world.end)
        logits = np.log(rates) - np.log1p(-rates)
        country = world.users["country"].fill_null("")
        home = np.unique(country.to_numpy(), return_inverse=True)[1]
        at_home = np.eye(int(home.max()) + 1)[home]
        means = (at_home.T @ logits) / at_home.sum(axis=0)[:, None]
        age = world.users["age"].fill_null(strategy="mean").to_numpy().astype(np.float64)[:, None]
        return cls(rates, np.hstack([at_home, age]), means[home], logits.mean(axis=0))


def softmax(logits: Values) -> Values:
    """Return probabilities over the last axis."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Part:
    """One kind of log.

    Attributes:
        truth: what the target earns.
        draw: from a generator and n to a log, the target given the places before, and its marginals.
        estimators: that are asked; a name may bear a note behind a space.
    """

    truth: float
    draw: Draw
    estimators: Mapping[str, Estimator]


def single(people: People, visits: int) -> Part:
    """Return decisions of one item, each person asked `visits` times."""
    logging = softmax(LOGGING_SHARPNESS * people.popular)
    target = softmax(TARGET_SHARPNESS * people.tailored)

    def draw(chance: np.random.Generator, n: int) -> tuple[LoggedDecisions, Values, Values]:
        users = np.repeat(chance.integers(0, PEOPLE, n // visits), visits)
        actions = chance.choice(len(logging), len(users), p=logging)
        rewards = chance.random(len(users)) < people.rates[users, actions]
        clusters = np.repeat(np.arange(n // visits), visits)
        log = LoggedDecisions.single(
            actions,
            logging[actions],
            rewards,
            len(logging),
            clusters=clusters,
            contexts=people.contexts[users],
        )
        return log, target[users][:, None], target[users][:, None]

    most = float((target / logging).max())
    known: dict[str, Any] = {"reward_range": (0.0, 1.0), "max_weight": most}
    estimators = {
        "ips": Ips(Ips.Settings(**known)),
        "clipped_ips": ClippedIps(ClippedSettings(reward_range=(0.0, 1.0), clip=CLIP)),
        "snips": Snips(),
        "direct": Direct(),
        "direct (ridge)": Direct(ModelledSettings(reward_model="ridge")),
        "doubly_robust": DoublyRobust(ModelledSettings(**known)),
        "doubly_robust (ridge)": DoublyRobust(ModelledSettings(reward_model="ridge", **known)),
        "switch_dr": SwitchDr(SwitchSettings(reward_range=(0.0, 1.0))),
    }
    return Part(float((target * people.rates).sum(axis=1).mean()), draw, estimators)


@dataclass(frozen=True)
class SlateSpace:
    """All slates (S, k), and what a Plackett-Luce policy of weights (…, A) does with them."""

    slates: Codes

    def conditional(self, weights: Values) -> Values:
        """Return (…, S, k, A) the chance of every item at each place given those before it."""
        places = [self._left(weights, place) for place in range(self.slates.shape[1])]
        left = np.stack(places, axis=-2)
        return np.asarray(left / left.sum(axis=-1, keepdims=True))

    def _left(self, weights: Values, place: int) -> Values:
        open_ = np.ones((len(self.slates), weights.shape[-1]))
        np.put_along_axis(open_, self.slates[:, :place], 0.0, axis=1)
        return np.asarray(weights[..., None, :] * open_)

    def chances(self, conditional: Values) -> Values:
        """Return (…, S) the probability of each slate."""
        index = np.broadcast_to(self.slates[:, :, None], (*conditional.shape[:-1], 1))
        return np.asarray(np.take_along_axis(conditional, index, axis=-1)[..., 0].prod(axis=-1))

    def marginals(self, chances: Values, n_actions: int) -> Values:
        """Return (…, k, A) the chance of every item at each place."""
        shown = np.eye(n_actions)[self.slates]  # (S, k, A)
        return np.asarray(np.tensordot(chances, shown, axes=([-1], [0])))


def slates(people: People, sharpness: float) -> Part:
    """Return decisions of three places; `sharpness` 0 logs all slates alike."""
    rates, space = (
        people.rates[:, :SLATE_ITEMS],
        SlateSpace(np.array([*permutations(range(SLATE_ITEMS), PLACES)])),
    )
    logging = space.conditional(np.exp(sharpness * people.popular[:SLATE_ITEMS]))  # (S, k, A)
    target = space.conditional(np.exp(TARGET_SHARPNESS * people.tailored[:, :SLATE_ITEMS]))  # (U, S, k, A)
    chances, wanted = space.chances(logging), space.chances(target)
    shown, marginal = space.marginals(chances, SLATE_ITEMS), space.marginals(wanted, SLATE_ITEMS)
    looks = examination(PLACES)
    truth = float((marginal * rates[:, None, :] * looks[:, None]).sum(axis=(1, 2)).mean())

    def draw(chance: np.random.Generator, n: int) -> tuple[LoggedDecisions, Values, Values]:
        users = chance.integers(0, PEOPLE, n)
        rows = chance.choice(len(chances), n, p=chances)
        actions = space.slates[rows]
        at = np.take_along_axis(logging[rows], actions[:, :, None], axis=2)[:, :, 0]
        rewards = chance.random(actions.shape) < looks * rates[users[:, None], actions]
        log = LoggedDecisions(
            actions,
            at,
            rewards.astype(np.float64),
            SLATE_ITEMS,
            contexts=people.contexts[users],
            marginals=shown[np.arange(PLACES), actions],
        )
        return log, target[users, rows], marginal[users]

    how = PseudoInverse(
        PseudoInverseSettings(logging="general"), second_moments_of(space.slates, chances, SLATE_ITEMS)
    )
    estimators: dict[str, Estimator] = {
        "slate_ips": SlateIps(),
        "independent_ips": IndependentIps(),
        "reward_interaction_ips": RewardInteractionIps(),
        "cascade_dr": CascadeDr(),
        "pseudo_inverse": how if sharpness else PseudoInverse(),
    }
    return Part(truth, draw, estimators)
