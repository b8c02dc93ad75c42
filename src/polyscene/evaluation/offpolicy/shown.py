"""What a service showed, and which of it was chosen: rewards joined to decisions, nothing lost in silence."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from polyscene.core.types import FloatArray, LongArray
from polyscene.policies.limits import NO_LIMITS, Limits
from polyscene.policies.policy import Policy


@dataclass(frozen=True, eq=False)
class ShownSlate:
    """One decision of a log.

    Attributes:
        time: microseconds since 1970, UTC.
        items: k ids, as they stood.
        places: (k,) of the candidates that stood there.
        propensities: (k,) with which the policy put each there, given those before it.
        scores: (C,) of the candidates, -inf for what was closed.
        policy: that chose.
        limits: that the slate kept to.
    """

    id: str
    time: int
    user: str
    scenario: str
    items: tuple[str, ...]
    places: LongArray
    propensities: FloatArray
    scores: FloatArray
    policy: Policy
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody did and that counts as a reward.

    Attributes:
        time: microseconds since 1970, UTC; None: unknown.
    """

    user: str
    item: str
    scenario: str
    time: int | None


@dataclass(frozen=True)
class Joined:
    """Decisions with what they earned.

    Attributes:
        slates: those whose window is over, in the order of their time.
        rewards: by slate, (k,) 1 where something was done with the item within the window, else 0.
        counts: what became of every decision and every act, by words; each is counted once.
        stood: by act, at which place its item stood in the slate that it belongs to, from 0; -1: in none.
        answered: by act, the id of that slate; empty: none.
    """

    slates: tuple[ShownSlate, ...]
    rewards: tuple[LongArray, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    stood: tuple[int, ...] = ()
    answered: tuple[str, ...] = ()


JOINED = "acts joined to a decision"
AGAIN = "acts with an item whose place has its reward already"
TOO_LATE = "acts after the window of every decision that showed the item"
NOT_SHOWN = "acts with an item that no decision had shown to the user"
WITHOUT_TIME = "acts without a time, which cannot be joined"
EMPTY = "decisions that showed nothing"
OPEN = "decisions whose window was not over at the end of the log"
OPEN_ACTS = "acts that belong to decisions whose window was not over"
JUDGED = "decisions with their rewards"


def join(slates: Iterable[ShownSlate], acts: Sequence[Act], window: int, end: int = 0) -> Joined:
    """Give every act to the latest decision that had shown its item to its user, within a window.

    The log of events does not say which slate an act answers, so user, scenario, item and time do. Decisions
    whose window ends after the last moment of the log are left out: what they will earn is unknown.

    Args:
        slates: in any order.
        acts: that count as a reward.
        window: microseconds after a decision in which an act belongs to it.
        end: a moment up to which the log is known to be whole, if it is later than all of these.
    """
    ordered = sorted(slates, key=lambda one: (one.time, one.id))
    moments = [one.time for one in ordered] + [act.time for act in acts if act.time is not None]
    end = max([*moments, end])
    counts = dict.fromkeys(
        (JUDGED, EMPTY, OPEN, JOINED, AGAIN, TOO_LATE, NOT_SHOWN, OPEN_ACTS, WITHOUT_TIME), 0
    )
    rewards = [np.zeros(len(one.items), np.int64) for one in ordered]
    shown = _index(ordered)
    stood, answered = [], []
    for act in acts:
        word, number, place = _joined(act, ordered, rewards, shown, window, end)
        counts[word] += 1
        stood.append(place)
        answered.append("" if number < 0 else ordered[number].id)
    kept = []
    for number, one in enumerate(ordered):
        word = EMPTY if not one.items else OPEN if one.time + window > end else JUDGED
        counts[word] += 1
        if word == JUDGED:
            kept.append(number)
    return Joined(
        tuple(ordered[number] for number in kept),
        tuple(rewards[number] for number in kept),
        counts,
        tuple(stood),
        tuple(answered),
    )


_Shown = Mapping[tuple[str, str, str], list[tuple[int, int, int]]]
"""By user, scenario and item: (time, number of the slate, place), in order."""


def _index(slates: Sequence[ShownSlate]) -> _Shown:
    shown: dict[tuple[str, str, str], list[tuple[int, int, int]]] = defaultdict(list)
    for number, one in enumerate(slates):
        for place, item in enumerate(one.items):
            shown[one.user, one.scenario, item].append((one.time, number, place))
    return shown


def _joined(
    act: Act,
    slates: Sequence[ShownSlate],
    rewards: Sequence[LongArray],
    shown: _Shown,
    window: int,
    end: int,
) -> tuple[str, int, int]:
    """Give an act to its decision; return what became of it, which slate it answers, and at which place."""
    if act.time is None:
        return WITHOUT_TIME, -1, -1
    rows = shown.get((act.user, act.scenario, act.item), [])
    row = bisect_right(rows, (act.time, len(slates), 0)) - 1
    if row < 0:
        return NOT_SHOWN, -1, -1
    time, number, place = rows[row]
    if act.time > time + window:
        return TOO_LATE, -1, -1
    if time + window > end:
        return OPEN_ACTS, number, place
    if rewards[number][place]:
        return AGAIN, number, place
    rewards[number][place] = 1
    return JOINED, number, place
