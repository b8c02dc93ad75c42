"""A small world to compare exploration in, with the truth known: who would click what, at every moment.

With σ the logistic function, a person u of segment g who looks at item i clicks it with probability

    r = σ( base + θ_gᵀ x_i + (τ_u)ᵀ x_i - TIRING · n_{u, topic_i} )

and looks at place t (from 1) with probability κ_t = t^-EYES, whatever stands there (`behaviour.examination`).
x are features that a learner sees, with a one for the topic; θ are what the segments like, τ a person's own
taste, which wanders, and n how often they were lately shown that topic, which fades. Items come every day and
are gone after a while. Who is shown nothing that they click may leave for good, and a newcomer takes the
place. What θ does tells worlds apart: **calm**, it stays; **drifting**, it turns a little every day;
**shocked**, it is another from the middle of the time on. A click is known on the day, or up to `delay` days
later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from polyscene.core.seeds import generator
from polyscene.core.settings.block import Strict
from polyscene.core.types import LongArray
from polyscene.sample.behaviour import Floats, examination, logistic

Climate = Literal["calm", "drifting", "shocked"]

BASE = -1.5
LIKING, TASTE, WANDERING = 0.9, 0.4, 0.03
"""Standard deviations of θ, of τ, and of a day's change of τ."""
TURNING = 0.05
"""What share of θ is drawn anew each day in a drifting world."""
TIRING, RESTING = 0.25, 0.8
"""Logits for each time a topic was shown, and what of the count is left a day later."""
LEAVING = 0.06
"""The chance to leave after a slate without a click."""


class BanditWorldSettings(Strict):
    """How large a world is, and what becomes of it."""

    climate: Climate = "calm"
    days: int = Field(60, ge=2, description="of the whole time: a shock comes in the middle")
    users: int = Field(300, ge=1, description="who are there at any time")
    items: int = Field(20, ge=2, description="that are there at any time")
    new_items: int = Field(2, ge=0, description="a day, each in place of the oldest")
    topics: int = Field(4, ge=1)
    features: int = Field(3, ge=0, description="of an item beside its topic")
    segments: int = Field(2, ge=1, description="of people, known to a learner")
    slate: int = Field(3, ge=1, description="places")
    delay: int = Field(2, ge=0, description="days until a click is known, at most")


@dataclass(frozen=True)
class Visit:
    """One person who is to be shown something.

    Attributes:
        user: place among those who are there.
        segment: of the person.
        features: (C, d) of the candidates, as a learner sees them.
        appeal: (C,) the truth: the chance of a click when looked at.
    """

    user: int
    segment: int
    features: Floats
    appeal: Floats


@dataclass(frozen=True)
class Outcome:
    """What a slate came to.

    Attributes:
        clicked: (k,) 0 or 1.
        expected: clicks that were to be expected.
        best: clicks that were to be expected of the best slate for this person now.
        known_on: day on which the clicks are known.
        left: whether the person left.
    """

    clicked: Floats
    expected: float
    best: float
    known_on: int
    left: bool


class BanditWorld:
    """Lives day by day: `visits` begins the next one, `show` lets a person look.

    Args:
        settings: of the world.
        seed: rules everything in it; two worlds of one seed have the same items, people and shocks.

    Attributes:
        day: today, from 0; -1 before the first.
        born: (items,) the day on which each item came.
        examination: (k,) κ.
        dimension: d of the features: 1, the item's own, and those once more for each segment.
    """

    def __init__(self, settings: BanditWorldSettings, seed: int) -> None:
        self.settings, self.day = settings, -1
        self._nature = generator(seed, "bandit world", "nature")
        self._people = generator(seed, "bandit world", "people")
        self.examination = examination(settings.slate)
        own = settings.topics + settings.features
        self.dimension = 1 + own * settings.segments
        self._theta = LIKING * self._nature.standard_normal((settings.segments, own))
        self._after = LIKING * self._nature.standard_normal(self._theta.shape)
        self._items = self._new_items(settings.items)
        self.born: LongArray = np.zeros(settings.items, np.int64)
        self._segments = self._nature.integers(0, settings.segments, settings.users)
        self._tastes = TASTE * self._nature.standard_normal((settings.users, own))
        self._tired = np.zeros((settings.users, settings.topics))

    def visits(self, number: int) -> Sequence[Visit]:
        """Begin a day, and return those who come on it, as many as wanted, each at most once."""
        self.day += 1
        if self.day:
            self._pass()
        users = self._people.permutation(self.settings.users)[:number]
        return [self._visit(int(user)) for user in users]

    def expected(self, visit: Visit, slate: LongArray) -> float:
        """Return the clicks that are to be expected of a slate of candidates."""
        return float((self.examination[: len(slate)] * visit.appeal[slate]).sum())

    def best(self, visit: Visit) -> LongArray:
        """Return the slate with the most clicks to be expected of this person now: the oracle's."""
        order: LongArray = np.argsort(-visit.appeal, kind="stable")[: self.settings.slate]
        return order

    def show(self, visit: Visit, slate: LongArray) -> Outcome:
        """Let a person look at a slate: they click, tire of what was shown, and may leave."""
        chances = self.examination[: len(slate)] * visit.appeal[slate]
        clicked = (self._people.random(len(slate)) < chances).astype(np.float64)
        np.add.at(self._tired[visit.user], self._items[slate, : self.settings.topics].argmax(axis=1), 1.0)
        known_on = self.day + int(self._people.integers(0, self.settings.delay + 1))
        left = not clicked.any() and bool(self._people.random() < LEAVING)
        if left:
            self._welcome(visit.user)
        return Outcome(clicked, float(chances.sum()), self.expected(visit, self.best(visit)), known_on, left)

    def _visit(self, user: int) -> Visit:
        segment, topics = int(self._segments[user]), self.settings.topics
        topic = self._items[:, :topics].argmax(axis=1)
        liking = self._items @ (self._theta[segment] + self._tastes[user])
        appeal = logistic(BASE + liking - TIRING * self._tired[user][topic])
        return Visit(user, segment, self._seen(segment), appeal)

    def _seen(self, segment: int) -> Floats:
        """Return (items, d) features: a one, and the items' own in the place of the segment."""
        own = self._items.shape[1]
        features = np.zeros((len(self._items), self.dimension))
        features[:, 0] = 1.0
        features[:, 1 + segment * own : 1 + (segment + 1) * own] = self._items
        return features

    def _pass(self) -> None:
        """Let a night pass: items come and go, tastes wander, people rest, θ does as the climate does."""
        if self.settings.climate == "drifting":
            drawn = LIKING * self._nature.standard_normal(self._theta.shape)
            self._theta = np.sqrt(1 - TURNING) * self._theta + np.sqrt(TURNING) * drawn
        if self.settings.climate == "shocked" and self.day == self.settings.days // 2:
            self._theta = self._after
        oldest = np.argsort(self.born, kind="stable")[: self.settings.new_items]
        self._items[oldest], self.born[oldest] = self._new_items(len(oldest)), self.day
        self._tastes += WANDERING * self._nature.standard_normal(self._tastes.shape)
        self._tired *= RESTING

    def _new_items(self, number: int) -> Floats:
        topics = np.eye(self.settings.topics)[self._nature.integers(0, self.settings.topics, number)]
        own = self._nature.standard_normal((number, self.settings.features))
        return np.concatenate([topics, own], axis=1)

    def _welcome(self, user: int) -> None:
        """Let somebody new take the place of who left."""
        self._segments[user] = self._people.integers(0, self.settings.segments)
        self._tastes[user] = TASTE * self._people.standard_normal(self._tastes.shape[1])
        self._tired[user] = 0.0
