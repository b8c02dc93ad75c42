"""Compiled steps of assumed-density filtering on plain arrays: what one event adds to what is believed.

Sums run in double precision, beliefs are kept in single. Loading this module loads numba: see
`core.compiled`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from polyscene.recommenders.posterior.events import CHOSEN, MEASURED, PASSED, TAKEN
from polyscene.recommenders.posterior.likelihoods import (
    gaussian,
    pairwise_probit,
    pointwise_probit,
)
from polyscene.recommenders.posterior.tables import NEVER, Beliefs, Rates, Stream


@njit(cache=True, nogil=True)
def mixed(seed: int, number: int) -> np.uint64:
    """Return 64 bits that look random, the same for the same two numbers.

    Source: G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    z = np.uint64(seed) + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def negative(stream: Stream, item: int, number: int) -> int:
    """Return an item of the stream other than the chosen one, each as likely; -1: there is none.

    Drawn by how often they come, they would take popularity away.

    Args:
        number: of the draw; no two draws share one.
    """
    there = stream.times[item] > 0
    count = stream.counts[1] - (1 if there else 0)
    if count < 1:
        return -1
    place = np.int64(mixed(stream.counts[2], number) % np.uint64(count))
    if there and place >= stream.places[item]:
        place += 1
    drawn: int = stream.distinct[place]
    return drawn


@njit(cache=True, nogil=True)
def note(stream: Stream, item: int) -> None:
    """Let the stream know of an event; the oldest leaves it."""
    place = stream.counts[0] % len(stream.latest)
    if stream.counts[0] >= len(stream.latest):
        oldest = stream.latest[place]
        stream.times[oldest] -= 1
        if stream.times[oldest] == 0:
            stream.counts[1] -= 1
            last = stream.distinct[stream.counts[1]]
            stream.distinct[stream.places[oldest]] = last
            stream.places[last] = stream.places[oldest]
    if stream.times[item] == 0:
        stream.places[item] = stream.counts[1]
        stream.distinct[stream.counts[1]] = item
        stream.counts[1] += 1
    stream.latest[place] = item
    stream.times[item] += 1
    stream.counts[0] += 1


@njit(cache=True, nogil=True)
def loosen(beliefs: Beliefs, row: int, now: int, drift: float, prior: float, rates: Rates) -> None:
    """Let variances grow, and a bias fade, by the time since a row was last moved.

    Vectors are random walks; the bias is an Ornstein-Uhlenbeck process around 0, whose variance returns to
    its prior as the bias returns to nothing: G. Uhlenbeck, L. Ornstein, On the theory of Brownian motion,
    1930.

    Args:
        now: in microseconds; what is late changes nothing.
        drift, prior: of the vector's variances.
    """
    before = beliefs.moments[row]
    if before == NEVER or now > before:
        beliefs.moments[row] = now
    if before == NEVER or now <= before:
        return
    elapsed = float(now) - float(before)
    growth = drift * elapsed
    if growth > 0.0:
        for k in range(beliefs.means.shape[1]):
            variance = float(beliefs.variances[row, k])
            beliefs.variances[row, k] = max(min(variance + growth, prior), variance)
    left = 2.0 ** (rates.fade * elapsed)
    beliefs.bias[row] *= left
    doubt = float(beliefs.bias_variance[row]) - rates.bias_prior
    beliefs.bias_variance[row] = rates.bias_prior + doubt * left * left


@njit(cache=True, nogil=True)
def begin_span(items: Beliefs, row: int, now: int, span: int) -> None:
    """Begin a new span where the last one of an item is over."""
    number = now // span
    if number > items.spans[row]:
        items.spans[row], items.anchors[row], items.path[row] = number, items.bias[row], 0.0


@njit(cache=True, nogil=True)
def allowed(
    items: Beliefs, row: int, bias_step: float, vector_step: float, share: float, rates: Rates
) -> float:
    """Return the share of a step that an item may take, in [0, 1].

    Args:
        bias_step: signed.
        vector_step: its length.
        share: what the step counts at most, in [0, 1].
    """
    length = math.sqrt(bias_step * bias_step + vector_step * vector_step)
    if length > rates.step:
        share *= rates.step / length
    offset = float(items.bias[row]) - float(items.anchors[row])
    room = max(rates.reach - offset if bias_step > 0.0 else rates.reach + offset, 0.0)
    if share * abs(bias_step) > room:
        share = room / abs(bias_step)
    room = max(rates.reach - float(items.path[row]), 0.0)
    if share * vector_step > room:
        share = room / vector_step
    return share


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def compare(
    users: Beliefs,
    items: Beliefs,
    user: int,
    item: int,
    other: int,
    weight: float,
    share: float,
    rates: Rates,
) -> None:
    """Learn that a user chose an item and not another one: a step on the user, both items and both biases.

    Args:
        weight: the power of the likelihood, in [0, 1].
        share: what the step counts for the items, in [0, 1].
    """
    size = users.means.shape[1]
    margin = float(items.bias[item]) - float(items.bias[other])
    variance = rates.noise + float(items.bias_variance[item]) + float(items.bias_variance[other])
    up, down = 0.0, 0.0
    for k in range(size):
        taste, doubt = float(users.means[user, k]), float(users.variances[user, k])
        first, second = float(items.variances[item, k]), float(items.variances[other, k])
        contrast = float(items.means[item, k]) - float(items.means[other, k])
        margin += taste * contrast
        variance += doubt * contrast * contrast + (first + second) * (taste * taste + doubt)
        up += (first * taste) ** 2
        down += (second * taste) ** 2
    slope, curvature = pairwise_probit(margin, variance)
    slope, curvature = slope * weight, curvature * weight
    gain = allowed(items, item, slope * items.bias_variance[item], slope * math.sqrt(up), share, rates)
    loss = allowed(items, other, -slope * items.bias_variance[other], slope * math.sqrt(down), share, rates)
    for k in range(size):
        taste, doubt = float(users.means[user, k]), float(users.variances[user, k])
        first, second = float(items.variances[item, k]), float(items.variances[other, k])
        contrast = float(items.means[item, k]) - float(items.means[other, k])
        users.means[user, k] = taste + doubt * contrast * slope
        users.variances[user, k] = doubt * (1.0 - doubt * contrast * contrast * curvature)
        items.means[item, k] += gain * first * taste * slope
        items.variances[item, k] = first * (1.0 - gain * first * taste * taste * curvature)
        items.means[other, k] -= loss * second * taste * slope
        items.variances[other, k] = second * (1.0 - loss * second * taste * taste * curvature)
    _move_bias(items, item, gain * slope, gain * curvature, math.sqrt(up))
    _move_bias(items, other, -loss * slope, loss * curvature, math.sqrt(down))


@njit(cache=True, nogil=True)
def _move_bias(beliefs: Beliefs, row: int, slope: float, curvature: float, length: float) -> None:
    """Move a bias, and note how far the vector moved: `length` for a slope of 1."""
    doubt = float(beliefs.bias_variance[row])
    beliefs.bias[row] += doubt * slope
    beliefs.bias_variance[row] = doubt * (1.0 - doubt * curvature)
    beliefs.path[row] += abs(slope) * length


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def predicted(users: Beliefs, items: Beliefs, user: int, item: int) -> tuple[float, float, float]:
    """Return mean and variance of a score without noise, and the length of (variance · taste)."""
    mean = float(users.bias[user]) + float(items.bias[item])
    variance = float(users.bias_variance[user]) + float(items.bias_variance[item])
    square = 0.0
    for k in range(users.means.shape[1]):
        taste, doubt = float(users.means[user, k]), float(users.variances[user, k])
        place, unsure = float(items.means[item, k]), float(items.variances[item, k])
        mean += taste * place
        variance += doubt * place * place + unsure * (taste * taste + doubt)
        square += (unsure * taste) ** 2
    return mean, variance, math.sqrt(square)


@njit(cache=True, nogil=True)
def move(
    users: Beliefs,
    items: Beliefs,
    user: int,
    item: int,
    slope: float,
    curvature: float,
    length: float,
    share: float,
    rates: Rates,
) -> None:
    """Learn what one observation of a user and an item says: a step on both vectors and both biases.

    Args:
        slope, curvature: of its likelihood.
        length: of the step of the item's vector for a slope of 1, as `predicted` has it.
        share: what the step counts for the item, in [0, 1].
    """
    gain = allowed(items, item, slope * items.bias_variance[item], abs(slope) * length, share, rates)
    for k in range(users.means.shape[1]):
        taste, doubt = float(users.means[user, k]), float(users.variances[user, k])
        place, unsure = float(items.means[item, k]), float(items.variances[item, k])
        users.means[user, k] = taste + doubt * place * slope
        users.variances[user, k] = doubt * (1.0 - doubt * place * place * curvature)
        items.means[item, k] = place + gain * unsure * taste * slope
        items.variances[item, k] = unsure * (1.0 - gain * unsure * taste * taste * curvature)
    _move_bias(users, user, slope, curvature, 0.0)
    _move_bias(items, item, gain * slope, gain * curvature, length)


@njit(cache=True, nogil=True)
def _loosened_item(items: Beliefs, item: int, now: int, rates: Rates) -> None:
    loosen(items, item, now, rates.item_drift, rates.item_prior, rates)
    begin_span(items, item, now, rates.span)


@njit(cache=True, nogil=True)
def learn_choice(
    users: Beliefs,
    items: Beliefs,
    stream: Stream,
    user: int,
    item: int,
    now: int,
    weight: float,
    share: float,
    negatives: int,
    rates: Rates,
) -> None:
    """Learn one choice against items of the recent stream, then let the stream know of it.

    The first event of an item is so learned before the item can stand against anything.
    """
    for draw in range(negatives):
        other = negative(stream, item, stream.counts[0] * negatives + draw)
        if other >= 0:
            _loosened_item(items, other, now, rates)
            compare(users, items, user, item, other, weight, share, rates)
    note(stream, item)


@njit(cache=True, nogil=True)
def learn_event(
    users: Beliefs,
    items: Beliefs,
    stream: Stream,
    user: int,
    item: int,
    now: int,
    kind: int,
    value: float,
    weight: float,
    share: float,
    negatives: int,
    rates: Rates,
) -> None:
    """Learn from one event everything that it says; see `tables.Lessons`."""
    loosen(users, user, now, rates.user_drift, rates.user_prior, rates)
    _loosened_item(items, item, now, rates)
    if kind & CHOSEN:
        learn_choice(users, items, stream, user, item, now, weight, share, negatives, rates)
    if kind & (TAKEN | PASSED | MEASURED) == 0:
        return
    for one in (TAKEN | PASSED, MEASURED):
        if kind & one:
            mean, variance, length = predicted(users, items, user, item)
            if one == MEASURED:
                slope, curvature = gaussian(value - mean, variance + rates.noise)
            else:
                slope, curvature = pointwise_probit(mean, variance + rates.noise, kind & TAKEN > 0)
            move(users, items, user, item, weight * slope, weight * curvature, length, share, rates)
