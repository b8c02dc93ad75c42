"""The people of the sample world, who answer to what a service shows them: its future is not written yet.

Up to a day the world is what `SampleWorld` logged. From then on people come when they would have come, with
the topic in mind that they would have had, and look at what they are shown. With ℓ, INTENT and FOLLOW_UP of
`behaviour`, a person u who looks at item i clicks it with probability

    r = σ( ℓ(u, i, t) + INTENT · 1[topic_i = z] + FOLLOW_UP · … - TIRING · n_{u, topic_i} )

and looks at place k (from 1) with probability `k ** -EYES`. n is how often the topic was lately shown to
them, each showing counted by the chance that it was looked at; of the count `RESTING` is left a day later.
Tastes drift as the world has them drift, items come on the days on which it has them come, and nobody wants
what they have had. Who is shown a slate without a click may leave for good. A click is heard of at once, or,
in `LATE` of the cases, up to a day later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyscene.core.clock import DAY, HOUR, SECOND
from polyscene.core.seeds import generator
from polyscene.core.types import BoolArray, LongArray
from polyscene.sample.behaviour import (
    INTENT,
    Floats,
    examination,
    follow_ups,
    logistic,
    standing_logits,
)
from polyscene.sample.clock import START
from polyscene.sample.visits import make_visits
from polyscene.sample.words import SCENARIOS, ScenarioName
from polyscene.sample.world import SampleWorld

TIRING, RESTING = 0.35, 0.7
"""Logits for each time a topic was looked at, and what of the count is left a day later."""
LEAVING = 0.03
"""The chance to leave for good after a slate without a click."""
LATE, MAX_LATE_HOURS = 0.2, 24.0
"""Share of clicks that are heard of late, and how late at most."""


@dataclass(frozen=True)
class Visit:
    """One person who asks for a slate.

    Attributes:
        user: code in the world.
        time: microseconds since 1970.
        intent: the topic in mind.
    """

    user: int
    time: int
    intent: int


@dataclass(frozen=True)
class Answer:
    """What a slate came to.

    Attributes:
        clicked: (k,) whether each place was clicked.
        time: (k,) microseconds of the click, meaningful where clicked.
        heard: (k,) microseconds at which the service hears of it.
        expected: clicks that were to be expected.
        best: clicks that were to be expected of the best slate of that length.
        left: whether the person will not come again.
    """

    clicked: BoolArray
    time: LongArray
    heard: LongArray
    expected: float
    best: float
    left: bool


class Audience:
    """The people of one scenario from a day on; `visits` says who comes, `show` lets them look.

    Args:
        world: that was logged up to then.
        scenario: shop, news or video.
        first_day: from which on people answer.
        seed: of their chance; visits and tastes are the world's.

    Attributes:
        gone: (users,) who has left.
    """

    def __init__(self, world: SampleWorld, scenario: ScenarioName, first_day: int, seed: int) -> None:
        self.scenario, self.first_day = scenario, first_day
        self._people, self._items = world.inhabitants(scenario)
        visits = make_visits(self._people, world.days, world.seed)
        here = np.flatnonzero((visits.scenario == SCENARIOS.index(scenario)) & (visits.day >= first_day))
        self._visits, self._rows = visits, here[np.argsort(visits.time[here], kind="stable")]
        self._chance = generator(seed, "audience", scenario)
        self._taken = np.zeros((len(self._people), len(self._items)), np.bool_)
        self._last = np.full(len(self._people), -1, np.int64)
        self._last_time = np.zeros(len(self._people), np.int64)
        self._tired = np.zeros((len(self._people), self._items.topics.shape[1]))
        self._rested = np.zeros(len(self._people), np.int64)
        self.gone = np.zeros(len(self._people), np.bool_)
        self._remember(world)

    def visits(self, day: int) -> list[Visit]:
        """Return who would come on a day, in the order of time; who has left by then does not."""
        visits = self._visits
        rows = self._rows[visits.day[self._rows] == day]
        return [
            Visit(int(visits.user[row]), int(visits.time[row]), int(visits.intent[row]))
            for row in rows.tolist()
        ]

    def appeal(self, visit: Visit) -> Floats:
        """Return (n,) the chance that the visitor, looking at each item, clicks it; 0 if it is not there."""
        user, codes = np.array([visit.user]), np.arange(len(self._items))
        time = np.array([[visit.time]])
        logits = standing_logits(self.scenario, self._people, self._items, user[:, None], codes[None], time)
        logits += INTENT * (self._items.topic == visit.intent)
        since = (visit.time - self._last_time[user]) / DAY
        logits += follow_ups(self._items, codes[None], self._last[user], since)
        logits -= TIRING * self._tiredness(visit)[self._items.topic]
        there = (self._items.since <= visit.time) & ~self._taken[visit.user]
        return np.where(there, logistic(logits[0]), 0.0)

    def show(self, visit: Visit, slate: Sequence[int]) -> Answer:
        """Let a visitor look at items, best place first: they click, tire, and may leave."""
        codes = np.array(slate, np.int64)
        appeal, eyes = self.appeal(visit), examination(len(codes))
        chances = eyes * appeal[codes]
        clicked = self._chance.random(len(codes)) < chances
        seconds = 3.0 + 6.0 * np.arange(len(codes)) + self._chance.uniform(0.0, 5.0, len(codes))
        time = visit.time + (seconds * SECOND).astype(np.int64)
        late = self._chance.random(len(codes)) < LATE
        delay = late * self._chance.uniform(0.0, MAX_LATE_HOURS, len(codes)) * HOUR
        left = not clicked.any() and bool(self._chance.random() < LEAVING)
        self.gone[visit.user] |= left
        self._tire(visit, codes, eyes)
        for place in np.flatnonzero(clicked).tolist():
            self._take(visit.user, int(codes[place]), int(time[place]))
        best = np.sort(appeal)[::-1][: len(codes)]
        expected, most = float(chances.sum()), float((eyes * best).sum())
        return Answer(clicked, time, time + delay.astype(np.int64), expected, most, left)

    def worth(self, appeal: Floats, slate: Sequence[int] | LongArray) -> float:
        """Return the clicks that are to be expected of a slate, of appeal as `appeal` tells it."""
        codes = np.asarray(slate, np.int64)
        return float((examination(len(codes)) * appeal[codes]).sum())

    def _tiredness(self, visit: Visit) -> Floats:
        """Return (topics,) how often each topic was lately looked at."""
        days = max(visit.time - int(self._rested[visit.user]), 0) / DAY
        return np.asarray(self._tired[visit.user] * RESTING**days)

    def _tire(self, visit: Visit, codes: LongArray, eyes: Floats) -> None:
        self._tired[visit.user] = self._tiredness(visit)
        self._rested[visit.user] = visit.time
        np.add.at(self._tired[visit.user], self._items.topic[codes], eyes)

    def _take(self, user: int, code: int, time: int) -> None:
        self._taken[user, code] = True
        self._last[user], self._last_time[user] = code, time

    def _remember(self, world: SampleWorld) -> None:
        """Take over what people had taken when the log of the world ends."""
        users = {name: code for code, name in enumerate(world.users["user_id"].to_list())}
        items = {name: code for code, name in enumerate(self._items.frame["item_id"].to_list())}
        log = world.events[self.scenario]
        moments = log["at"].to_physical().to_list()
        rows = zip(log["user_id"].to_list(), log["item_id"].to_list(), moments, strict=True)
        for user, item, time in rows:
            if time < START + self.first_day * DAY:
                self._take(users[user], items[item], time)
