"""Two replicas that learned apart from one beginning, joined; and how far apart two of them are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.errors import ArgumentError
from polyscene.core.types import FloatArray, IntArray
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.posterior.tables import Beliefs, Stream, named


def merge(prior: Posterior, one: Posterior, other: Posterior) -> Posterior:
    """Return what is believed after both replicas' events.

    A Gaussian's natural parameters add up: with precision λ and λμ of each number, that of the whole is
    `λ_one + λ_other - λ_prior`, all three followed to the same moment. Exact for likelihoods that are
    Gaussian in one number and without drift; else the replicas linearised at different places, by which the
    result differs from having learned together.

    Args:
        prior: from which both went on; it is left as it is, and so are they.

    Raises:
        ArgumentError: they did not go on from the same beginning.
    """
    _must_be_replicas(prior, one, other)
    now = max(one.latest, other.latest)
    codes = np.flatnonzero(_has_row(one, other))
    users = [signal.users_at(codes, now) for signal in (prior, one, other)]
    longest = max(one, other, key=lambda signal: len(signal.priors))
    items = [signal.items_at(longest.priors, now) for signal in (prior, one, other)]
    rows = np.full(int(codes.max(initial=-1)) + 1, -1, np.int32)
    rows[codes] = np.arange(len(codes))
    state: Arrays = {
        **one.state(),
        **named("users", joined(*users)),
        **named("items", joined(*items)),
        **named("stream", _streams(prior.stream, one.stream, other.stream, len(longest.priors))),
        "priors": longest.priors.copy(),
        "rows": rows,
        "clock": np.array([one.moments, now], np.int64),
    }
    return Posterior(one.settings).restore(state, longest.space, {})


def joined(prior: Beliefs, one: Beliefs, other: Beliefs) -> Beliefs:
    """Return what both replicas believe together; each of the three at the same moment, row by row.

    What is left of a span's limits is what both leave.
    """
    means, variances = _natural(
        (prior.means, prior.variances), (one.means, one.variances), (other.means, other.variances)
    )
    bias, doubt = _natural(
        (prior.bias, prior.bias_variance), (one.bias, one.bias_variance), (other.bias, other.bias_variance)
    )
    spans = np.maximum(one.spans, other.spans)
    present = [np.where(replica.spans == spans, 1.0, 0.0) for replica in (one, other)]
    offsets = [
        part * (replica.bias - replica.anchors) for part, replica in zip(present, (one, other), strict=True)
    ]
    path = present[0] * one.path + present[1] * other.path
    return Beliefs(
        means,
        variances,
        bias,
        doubt,
        np.maximum(one.moments, other.moments),
        (bias - offsets[0] - offsets[1]).astype(np.float32),
        path.astype(np.float32),
        spans,
    )


def divergence(one: Beliefs, other: Beliefs) -> FloatArray:
    """Return (n,) Kullback-Leibler divergences `KL(one ‖ other)` of vectors with biases, in nats."""
    parts = _divergence(one.means, one.variances, other.means, other.variances).sum(axis=1)
    total: FloatArray = parts + _divergence(one.bias, one.bias_variance, other.bias, other.bias_variance)
    return total


def _divergence(
    mean: FloatArray, variance: FloatArray, other_mean: FloatArray, other_variance: FloatArray
) -> NDArray[np.float64]:
    ratio = variance.astype(np.float64) / other_variance
    parts: NDArray[np.float64] = 0.5 * (
        ratio - 1.0 - np.log(ratio) + (mean - other_mean) ** 2 / other_variance
    )
    return parts


def _natural(
    prior: tuple[FloatArray, FloatArray],
    one: tuple[FloatArray, FloatArray],
    other: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Add natural parameters up: means and variances of three Gaussians, to mean and variance of one."""
    precisions = [1.0 / variance.astype(np.float64) for _, variance in (prior, one, other)]
    shifts = [mean * precision for (mean, _), precision in zip((prior, one, other), precisions, strict=True)]
    least = np.minimum(precisions[1], precisions[2])  # where drift left the prior surer than a replica
    precision = np.maximum(precisions[1] + precisions[2] - precisions[0], least)
    mean = (shifts[1] + shifts[2] - shifts[0]) / precision
    return mean.astype(np.float32), (1.0 / precision).astype(np.float32)


def _streams(prior: Stream, one: Stream, other: Stream, n_items: int) -> Stream:
    """Let the streams' latest events follow one another by turns."""
    length = len(one.latest)
    recent = [_in_order(stream) for stream in (one, other)]
    shared = min(len(part) for part in recent)
    turns = np.stack([part[len(part) - shared :] for part in recent], axis=1).ravel()
    rest = np.concatenate([part[: len(part) - shared] for part in recent])
    events = np.concatenate([rest, turns])[-length:].astype(np.int32)
    count = max(int(one.counts[0] + other.counts[0] - prior.counts[0]), len(events))
    return Stream.of(events, count, length, n_items, int(one.counts[2]))


def _in_order(stream: Stream) -> IntArray:
    """Return the items of the latest events, oldest first."""
    count, length = int(stream.counts[0]), len(stream.latest)
    kept = min(count, length)
    return stream.latest[np.arange(count - kept, count) % length]


def _has_row(one: Posterior, other: Posterior) -> NDArray[np.bool_]:
    """Return (m,) which user codes either replica believes something of."""
    has = np.zeros(max(len(one.rows), len(other.rows)), np.bool_)
    for signal in (one, other):
        has[: len(signal.rows)] |= signal.rows >= 0
    return has


def _must_be_replicas(prior: Posterior, one: Posterior, other: Posterior) -> None:
    shared = len(prior.priors)
    for signal in (one, other):
        same = (
            signal.settings == prior.settings
            and signal.half_life == prior.half_life
            and np.array_equal(signal.projection, prior.projection)
            and np.array_equal(signal.priors[:shared], prior.priors)
        )
        if not same:
            raise ArgumentError(
                "expected two replicas of one posterior, found other settings, texts or another fit; "
                "restore both from the same run"
            )
    both = min(len(one.priors), len(other.priors))
    if not np.array_equal(one.priors[:both], other.priors[:both]):
        raise ArgumentError(
            "expected replicas that took in the same new items in the same order, found different ones; "
            "put the items into both"
        )
