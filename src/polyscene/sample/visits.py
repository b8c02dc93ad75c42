"""When the sample world's people come, where they go and what they have in mind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.core.clock import DAY, SECOND
from polyscene.core.seeds import generator
from polyscene.core.types import LongArray
from polyscene.sample.behaviour import Floats, intents
from polyscene.sample.clock import START
from polyscene.sample.people import People

_HOURS, _SPREAD, _SHARES = (7.8, 12.6, 20.0), (0.9, 0.8, 1.5), (0.25, 0.2, 0.55)
_MAX_SLATES = 5
_PAUSE = 900  # seconds between the starts of one person's sessions; a session is shorter
_SAME_MIND = 0.7  # share of a day's sessions that are about the same topic, in whichever scenario


@dataclass(frozen=True)
class Visits:
    """One row per slate that will be asked for, ordered by day, then wave, then scenario.

    Attributes:
        user: (m,) who asks.
        scenario: (m,) where, a place in `SCENARIOS`.
        day: (m,) 0 to days - 1.
        wave: (m,) counts one person's slates of a day, so a wave holds each person at most once.
        time: (m,) microseconds since 1970.
        intent: (m,) the topic in mind, the same for a whole session.
    """

    user: LongArray
    scenario: LongArray
    day: LongArray
    wave: LongArray
    time: LongArray
    intent: LongArray

    def __len__(self) -> int:
        return len(self.user)


def make_visits(people: People, days: int, seed: int) -> Visits:
    """Draw all visits: Poisson sessions, each with one scenario, one intent and one to five slates."""
    rng = generator(seed, "sample", "visits")
    weekend = np.where(np.arange(days) % 7 >= 5, 1.3, 0.9)
    present = people.joined[None, :] <= np.arange(days)[:, None]
    sessions = rng.poisson(weekend[:, None] * people.sessions_per_day[None, :] * present)
    user, day = _people_and_days(sessions)
    start = _starts(user, day, rng)
    time = START + day * DAY + start * SECOND
    scenario = _inverse(people.habits[user], rng.random(len(user)))
    of_the_day = rng.random((days, len(people)))[day, user]
    luck = np.where(rng.random(len(user)) < _SAME_MIND, of_the_day, rng.random(len(user)))
    intent = _inverse(intents(people.taste(user, time)), luck)
    slates = np.minimum(1 + rng.poisson(1.3, len(user)), _MAX_SLATES)
    session = np.repeat(np.arange(len(user)), slates)
    place = _places(session)
    rhythm = rng.integers(90, 150, len(user))
    of_a_day = user[session] + len(people) * day[session]
    visits = Visits(
        user=user[session],
        scenario=scenario[session],
        day=day[session],
        wave=_places(of_a_day),
        time=time[session] + place * rhythm[session] * SECOND,
        intent=intent[session],
    )
    return _ordered(visits)


def _people_and_days(sessions: LongArray) -> tuple[LongArray, LongArray]:
    """Return user and day of every session; one person's sessions of a day stand together."""
    day, user = np.nonzero(sessions)
    times = sessions[day, user]
    return np.repeat(user, times), np.repeat(day, times)


def _starts(user: LongArray, day: LongArray, rng: np.random.Generator) -> LongArray:
    """Return the second of the day at which each session starts: rising, and never too close."""
    peak = rng.choice(len(_HOURS), len(user), p=_SHARES)
    hours = np.clip(rng.normal(np.array(_HOURS)[peak], np.array(_SPREAD)[peak]), 6.0, 22.5)
    seconds = np.floor(hours * 3600).astype(np.int64)
    seconds = seconds[np.lexsort((seconds, user, day))]
    place = _places(day * (int(user.max(initial=0)) + 1) + user)
    for number in range(1, int(place.max(initial=0)) + 1):
        rows = np.flatnonzero(place == number)
        seconds[rows] = np.maximum(seconds[rows], seconds[rows - 1] + _PAUSE)
    return np.asarray(seconds)


def _places(groups: LongArray) -> LongArray:
    """Return each row's place within its run of equal values, from 0."""
    rows = np.arange(len(groups))
    begins = np.r_[True, groups[1:] != groups[:-1]][: len(groups)]
    return np.asarray(rows - np.maximum.accumulate(np.where(begins, rows, 0)), dtype=np.int64)


def _inverse(chances: Floats, luck: Floats) -> LongArray:
    """Return, for each row of `chances` (m, k), the column where its running sum passes `luck` (m,)."""
    running = np.cumsum(chances, axis=1)
    running /= running[:, -1:]
    return np.asarray((running <= luck[:, None]).sum(axis=1), dtype=np.int64)


def _ordered(visits: Visits) -> Visits:
    order = np.lexsort((visits.user, visits.scenario, visits.wave, visits.day))
    return Visits(
        user=visits.user[order],
        scenario=visits.scenario[order],
        day=visits.day[order],
        wave=visits.wave[order],
        time=visits.time[order],
        intent=visits.intent[order],
    )
