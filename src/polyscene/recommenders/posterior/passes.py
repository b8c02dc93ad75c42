"""Compiled passes over events: many in their order, as in a fit, or one as it comes.

Each step is one of `kernels`. Loading this module loads numba: see `core.compiled`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from polyscene.core.pointers import float_rows, floats, ints, longs
from polyscene.core.types import IntArray, LongArray
from polyscene.recommenders.posterior.kernels import learn_event
from polyscene.recommenders.posterior.tables import NEVER, Beliefs, Lessons, Rates, Stream

DoubleArray = NDArray[np.float64]

CUTOFF = 10.0
"""A choice that stands further down counts for nothing when half-lives are compared."""


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _expected(users: Beliefs, items: Beliefs, user: int, item: int, now: int, fade: float) -> float:
    """Return the expected score of an item at a moment."""
    score = 0.0
    for k in range(users.means.shape[1]):
        score += float(users.means[user, k]) * float(items.means[item, k])
    before = items.moments[item]
    elapsed = float(now) - float(before) if before != NEVER and now > before else 0.0
    bias: float = float(items.bias[item]) * 2.0 ** (fade * elapsed)
    return score + bias


@njit(cache=True, nogil=True)
def _gain(
    users: Beliefs, items: Beliefs, stream: Stream, user: int, item: int, now: int, fade: float
) -> float:
    """Return NDCG@10 of a choice among the items of the stream; ties count in the middle."""
    own, rank = _expected(users, items, user, item, now, fade), 1.0
    for place in range(stream.counts[1]):
        other = stream.distinct[place]
        if other != item:
            score = _expected(users, items, user, other, now, fade)
            rank += 1.0 if score > own else 0.5 if score == own else 0.0
    return 1.0 / math.log2(rank + 1.0) if rank <= CUTOFF else 0.0


@njit(cache=True, nogil=True)
def learn(
    users: Beliefs,
    items: Beliefs,
    stream: Stream,
    lessons: Lessons,
    negatives: int,
    rates: Rates,
    start: int,
) -> float:
    """Learn events one after another, and return the summed NDCG@10 of those from `start` on.

    Simultaneous events of one user are all asked about before any of them is learned.

    Args:
        negatives: items that each choice stands against.
    """
    total, at, count = 0.0, 0, len(lessons.user)
    while at < count:
        user, now, stop = lessons.user[at], lessons.times[at], at + 1
        while stop < count and lessons.user[stop] == user and lessons.times[stop] == now:
            stop += 1
        for row in range(max(at, start), stop):
            total += _gain(users, items, stream, user, lessons.item[row], now, rates.fade)
        for row in range(at, stop):
            learn_event(
                users,
                items,
                stream,
                user,
                lessons.item[row],
                now,
                lessons.kinds[row],
                float(lessons.values[row]),
                float(lessons.weights[row]),
                float(lessons.shares[row]),
                negatives,
                rates,
            )
        at = stop
    return total


@njit(cache=True, nogil=True)
def _beliefs(at: LongArray) -> Beliefs:
    """Return the table whose arrays lie at the addresses."""
    return Beliefs(
        float_rows(at[0], at[1], at[2]),
        float_rows(at[3], at[4], at[5]),
        floats(at[6], at[7]),
        floats(at[8], at[9]),
        longs(at[10], at[11]),
        floats(at[12], at[13]),
        floats(at[14], at[15]),
        longs(at[16], at[17]),
    )


@njit(cache=True, nogil=True)
def _stream(at: LongArray) -> Stream:
    """Return the table whose arrays lie at the addresses."""
    return Stream(
        ints(at[0], at[1]),
        ints(at[2], at[3]),
        ints(at[4], at[5]),
        ints(at[6], at[7]),
        longs(at[8], at[9]),
    )


@njit(cache=True, nogil=True)
def _times(items: IntArray, item: int) -> int:
    """Return how often an item is among (h,) items."""
    count = 0
    for place in range(len(items)):
        if items[place] == item:
            count += 1
    return count


@njit(cache=True, nogil=True)
def learn_one(
    users: LongArray,
    items: LongArray,
    stream: LongArray,
    rates: DoubleArray,
    past: IntArray,
    later: IntArray,
    repeats: float,
    user: int,
    item: int,
    now: int,
    kind: int,
    value: float,
    weight: float,
    negatives: int,
) -> None:
    """Learn one event as `learn` does.

    Args:
        users, items, stream: the addresses of the tables.
        rates: (10,) those of `Rates`.
        past, later: (h,) what else its user chose, which makes it count less: see `events.shares_of`.
        repeats: 0: it counts whole.
    """
    share = 1.0
    if repeats > 0.0:
        part = 1.0 + float(_times(past, item) + _times(later, item)) / repeats
        share = 1.0 / (part * part)
    bounds = Rates(
        rates[0],
        rates[1],
        rates[2],
        rates[3],
        rates[4],
        rates[5],
        rates[6],
        rates[7],
        rates[8],
        int(rates[9]),
    )
    learn_event(
        _beliefs(users),
        _beliefs(items),
        _stream(stream),
        user,
        item,
        now,
        kind,
        float(np.float32(value)),
        float(np.float32(weight)),
        float(np.float32(share)),
        negatives,
        bounds,
    )
