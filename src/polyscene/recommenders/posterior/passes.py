"""Compiled passes over events: many in their order, as in a fit, or one as it comes.

Each step is one of `kernels`. Loading this module loads numba: see `core.compiled`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from polyscene.core.types import FloatArray, IntArray, LongArray
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
def learn_one(
    user_means: FloatArray,
    user_variances: FloatArray,
    user_bias: FloatArray,
    user_bias_variance: FloatArray,
    user_moments: LongArray,
    user_anchors: FloatArray,
    user_path: FloatArray,
    user_spans: LongArray,
    item_means: FloatArray,
    item_variances: FloatArray,
    item_bias: FloatArray,
    item_bias_variance: FloatArray,
    item_moments: LongArray,
    item_anchors: FloatArray,
    item_path: FloatArray,
    item_spans: LongArray,
    latest: IntArray,
    times: IntArray,
    distinct: IntArray,
    places: IntArray,
    counts: LongArray,
    rates: DoubleArray,
    span: int,
    user: int,
    item: int,
    now: int,
    kind: int,
    value: float,
    weight: float,
    share: float,
    negatives: int,
) -> None:
    """Learn one event as `learn` does, of tables given column by column: tuples take longer to hand over.

    Args:
        rates: (9,) all of `Rates` but the span.
    """
    users = Beliefs(
        user_means,
        user_variances,
        user_bias,
        user_bias_variance,
        user_moments,
        user_anchors,
        user_path,
        user_spans,
    )
    items = Beliefs(
        item_means,
        item_variances,
        item_bias,
        item_bias_variance,
        item_moments,
        item_anchors,
        item_path,
        item_spans,
    )
    bounds = Rates(
        rates[0], rates[1], rates[2], rates[3], rates[4], rates[5], rates[6], rates[7], rates[8], span
    )
    learn_event(
        users,
        items,
        Stream(latest, times, distinct, places, counts),
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
