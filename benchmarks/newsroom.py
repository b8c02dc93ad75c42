"""What people have of a newspaper that is a service, day by day: they ask, look, and are heard of."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from audience_service import SCENARIO
from polyscene.client.clients import Client
from polyscene.client.requests import Event
from polyscene.core.types import LongArray
from polyscene.policies.policy import Policy
from polyscene.policies.registry import choice_of
from polyscene.sample.audience import Audience, Visit
from polyscene.sample.world import SampleWorld
from polyscene.serving.stores.contract import EPOCH

PLACES = 4
Values = NDArray[np.float64]


@dataclass
class Days:
    """What a service had, day by day.

    Attributes:
        clicks, expected, best, slates: of each day; `best` is what an oracle's slates would have earned.
        seconds: of each night's cycle.
        verdicts: of the cycles.
        gone: people who had left in the end.
    """

    clicks: list[float] = field(default_factory=list)
    expected: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    slates: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    gone: int = 0

    def add(self, clicks: float, expected: float, best: float, slates: int) -> None:
        """Add a day."""
        for kept, value in ((self.clicks, clicks), (self.expected, expected), (self.best, best)):
            kept.append(value)
        self.slates.append(slates)


@dataclass
class Newsroom:
    """One service and the people who come to it.

    Args:
        world: whose stories appear.
        audience: that comes.
        client: of the service.
        learns: whether the service hears of clicks.
    """

    world: SampleWorld
    audience: Audience
    client: Client
    learns: bool
    appeals: dict[str, Values] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.world.items[SCENARIO]
        self._ids = rows["item_id"].to_list()
        self._codes = {name: code for code, name in enumerate(self._ids)}
        self._people = self.world.users["user_id"].to_list()
        self._stories = list(zip(rows["published"].to_physical().to_list(), rows.to_dicts(), strict=True))
        self._next = 0
        self._late: list[tuple[int, int, Event]] = []
        self._had: dict[int, list[str]] = {}

    def skip(self, moment: int) -> None:
        """Take the stories up to a moment as known."""
        self._next = sum(since < moment for since, _ in self._stories)

    def day(self, number: int, policy: Policy | None, remember: bool) -> tuple[float, float, float, int]:
        """Let everybody of a day come; return clicks, those to be expected, the oracle's, and slates.

        Args:
            policy: that the requests name; None: greedy.
            remember: whether the true appeals are kept by decision.
        """
        total, n = np.zeros(3), 0
        for visit in self.audience.visits(number):
            if not self.audience.gone[visit.user]:
                self._publish(visit.time)
                self._tell(visit.time)
                total += self._visited(visit, policy, remember)
                n += 1
        return float(total[0]), float(total[1]), float(total[2]), n

    def demand(self, codes: LongArray, items: Sequence[str]) -> None:
        """Look whether the service numbers its stories as the world does."""
        named = [self._ids[code] for code in codes.tolist()]
        if named != list(items):
            raise RuntimeError(f"expected the stories {named}, found {list(items)}")

    def _visited(self, visit: Visit, policy: Policy | None, remember: bool) -> Values:
        appeal, user = self.audience.appeal(visit), self._people[visit.user]
        slate = self.client.recommend(
            user,
            SCENARIO,
            PLACES,
            exclude=None if self.learns else self._had.get(visit.user, []),
            policy="greedy" if policy is None else choice_of(policy),
            reasons=False,
        )
        if remember:
            self.appeals[slate.decision] = appeal
        shown = [self._codes[name] for name in slate.ids]
        answer = self.audience.show(visit, shown)
        for place in np.flatnonzero(answer.clicked).tolist():
            item, moment = self._ids[shown[place]], int(answer.time[place])
            event = Event(user, item, SCENARIO, time=EPOCH + timedelta(microseconds=moment))
            heapq.heappush(self._late, (int(answer.heard[place]), len(self._late) + visit.time, event))
            self._had.setdefault(visit.user, []).append(item)
        return np.array([answer.clicked.sum(), answer.expected, answer.best], np.float64)

    def _publish(self, moment: int) -> None:
        """Put the stories that have appeared by now."""
        while self._next < len(self._stories) and self._stories[self._next][0] <= moment:
            fields = dict(self._stories[self._next][1])
            name, published = fields.pop("item_id"), fields.pop("published")
            self.client.put_item(SCENARIO, name, fields | {"published": published.isoformat()})
            self._next += 1

    def _tell(self, moment: int) -> None:
        """Tell the service of the clicks that are heard of by now."""
        heard = list[Event]()
        while self._late and self._late[0][0] <= moment:
            heard.append(heapq.heappop(self._late)[2])
        if heard and self.learns:
            self.client.send_events(heard)
