"""Sixty days in the life of the sample company: slates are drawn, looked at and clicked, day by day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from polyscene.core.clock import DAY, SECOND
from polyscene.core.seeds import generator
from polyscene.core.types import BoolArray, LongArray
from polyscene.sample.behaviour import (
    INTENT,
    SLATE,
    DrawnSlates,
    Floats,
    draw_slates,
    examination,
    follow_ups,
    logistic,
    standing_logits,
)
from polyscene.sample.items import Items
from polyscene.sample.outcomes import Clicks
from polyscene.sample.people import People
from polyscene.sample.policy import LoggingPolicy
from polyscene.sample.visits import Visits
from polyscene.sample.words import SCENARIOS, ScenarioName


@dataclass(frozen=True)
class Shown:
    """m slates of one scenario, ordered by time.

    Attributes:
        user: (m,) user codes.
        time: (m,) microseconds since 1970.
        items: (m, k) item codes, best place first; -1 where the slate is shorter.
        propensity: (m, k) chance of each item at its place, given the places above it.
        clicked: (m, k) whether the person acted on it.
        clicked_at: (m, k) microseconds of the click, meaningful where clicked.
        logits: (m, k) ℓ(u, i, t) of the items.
        candidates: (m,) how many items could have stood at the first place.
    """

    user: LongArray
    time: LongArray
    items: LongArray
    propensity: Floats
    clicked: BoolArray
    clicked_at: LongArray
    logits: Floats
    candidates: LongArray

    def clicks(self) -> Clicks:
        """Return the clicks as rows."""
        row, place = np.nonzero(self.clicked)
        return Clicks(
            self.user[row], self.items[row, place], self.clicked_at[row, place], self.logits[row, place]
        )


@dataclass
class _Place:
    """One scenario while it is running."""

    name: ScenarioName
    items: Items
    policy: LoggingPolicy
    rng: np.random.Generator
    last: LongArray
    last_time: LongArray
    log: list[Shown] = field(default_factory=list)


def simulate(
    people: People, items: Mapping[ScenarioName, Items], visits: Visits, seed: int
) -> dict[ScenarioName, Shown]:
    """Let all visits happen, in order, and return what was shown and clicked in each scenario."""
    places = [_open(name, items[name], people, seed) for name in SCENARIOS]
    today = -1
    for rows in _groups(visits):
        if visits.day[rows.start] != today:
            today = int(visits.day[rows.start])
            for place in places:
                place.policy.night()
        _show(places[int(visits.scenario[rows.start])], people, visits, rows)
    return {place.name: _joined(place.log) for place in places}


def _open(name: ScenarioName, items: Items, people: People, seed: int) -> _Place:
    speaks = people.frame["country"].is_in(["CN", "SG"]).to_numpy()
    policy = LoggingPolicy(items, speaks, generator(seed, "sample", "editors", name))
    nothing = np.full(len(people), -1, dtype=np.int64)
    return _Place(name, items, policy, generator(seed, "sample", "slates", name), nothing, nothing.copy())


def _groups(visits: Visits) -> Iterator[slice]:
    """Yield the rows that share day, wave and scenario: nobody is in one of them twice."""
    keys = np.stack([visits.day, visits.wave, visits.scenario])
    changes = np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)) + 1
    bounds = [0, *changes.tolist(), len(visits)]
    for first, end in pairwise(bounds):
        if end > first:
            yield slice(first, end)


def _show(place: _Place, people: People, visits: Visits, rows: slice) -> None:
    """Draw one slate for each visit in `rows`, let people look and click, and remember it all."""
    user, time = visits.user[rows], visits.time[rows]
    last = place.last[user]
    scores = place.policy.scores(user, time, last)
    drawn = draw_slates(scores, place.policy.candidates(user, time), SLATE, place.rng)
    logits = standing_logits(place.name, people, place.items, user[:, None], drawn.items, time[:, None])
    moved = logits + INTENT * (place.items.topic[drawn.items] == visits.intent[rows][:, None])
    moved += follow_ups(place.items, drawn.items, last, (time - place.last_time[user]) / DAY)
    clicked = _clicks(moved, drawn, place.rng)
    seconds = 3.0 + 6.0 * np.arange(drawn.items.shape[1]) + place.rng.uniform(0.0, 5.0, drawn.items.shape)
    clicked_at = time[:, None] + (seconds * SECOND).astype(np.int64)
    place.log.append(
        Shown(user, time, drawn.items, drawn.propensity, clicked, clicked_at, logits, drawn.candidates)
    )
    _remember(place, user, drawn.items, clicked, clicked_at)


def _clicks(logits: Floats, drawn: DrawnSlates, rng: np.random.Generator) -> BoolArray:
    """Return which items are clicked: looked at because of their place, acted on because of themselves."""
    chance = examination(logits.shape[1]) * logistic(logits)
    return np.asarray((rng.random(logits.shape) < chance) & (drawn.items >= 0))


def _remember(
    place: _Place, user: LongArray, codes: LongArray, clicked: BoolArray, clicked_at: LongArray
) -> None:
    row, column = np.nonzero(clicked)  # by row, then place: the lowest click of a slate is assigned last
    place.policy.note(user[row], codes[row, column])
    place.last[user[row]] = codes[row, column]
    place.last_time[user[row]] = clicked_at[row, column]


def _joined(log: list[Shown]) -> Shown:
    width = max((shown.items.shape[1] for shown in log), default=0)
    if not log:
        none, empty = np.zeros(0, dtype=np.int64), np.zeros((0, width))
        codes = empty.astype(np.int64)
        return Shown(none, none, codes, empty, empty.astype(np.bool_), codes, empty, none)
    time = np.concatenate([shown.time for shown in log])
    user = np.concatenate([shown.user for shown in log])
    order = np.lexsort((user, time))
    return Shown(
        user=user[order],
        time=time[order],
        items=np.concatenate([shown.items for shown in log])[order],
        propensity=np.concatenate([shown.propensity for shown in log])[order],
        clicked=np.concatenate([shown.clicked for shown in log])[order],
        clicked_at=np.concatenate([shown.clicked_at for shown in log])[order],
        logits=np.concatenate([shown.logits for shown in log])[order],
        candidates=np.concatenate([shown.candidates for shown in log])[order],
    )
