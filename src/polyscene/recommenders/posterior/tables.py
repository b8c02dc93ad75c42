"""The plain arrays that beliefs are kept in, and how they grow; free of numba, which only events need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.addresses import Addresses
from polyscene.core.arrays import Arrays
from polyscene.core.growing import GrowingArray
from polyscene.core.types import FloatArray, IntArray, LongArray

NEVER = np.iinfo(np.int64).min
"""The moment of what has not been moved yet, and the number of its span."""


BELIEF_TYPES = (*4 * (np.float32,), np.int64, np.float32, np.float32, np.int64)
"""What the numbers of `Beliefs` are, in its order."""
STREAM_TYPES = (*4 * (np.int32,), np.int64)
"""What the numbers of a `Stream` are, in its order."""


class Beliefs(NamedTuple):
    """Independent Gaussians about the vectors and biases of n users or items.

    Attributes:
        means, variances: (n, d).
        bias, bias_variance: (n,).
        moments: (n,) until when each was followed, in microseconds; `NEVER` where it was not moved yet.
        anchors: (n,) the bias at the beginning of the present span.
        path: (n,) how far the vector has moved within it.
        spans: (n,) the number of that span.
    """

    means: FloatArray
    variances: FloatArray
    bias: FloatArray
    bias_variance: FloatArray
    moments: LongArray
    anchors: FloatArray
    path: FloatArray
    spans: LongArray

    @classmethod
    def prior(cls, means: FloatArray, variance: float, bias_variance: float) -> Self:
        """Return what is believed before any event: (n, d) means, and no bias."""
        n = len(means)
        return cls(
            means.astype(np.float32),
            np.full(means.shape, variance, np.float32),
            np.zeros(n, np.float32),
            np.full(n, bias_variance, np.float32),
            np.full(n, NEVER),
            np.zeros(n, np.float32),
            np.zeros(n, np.float32),
            np.full(n, NEVER),
        )

    def take(self, rows: LongArray) -> Beliefs:
        """Return a copy of the named rows."""
        return Beliefs._make(column[rows] for column in columns(self))


class Stream(NamedTuple):
    """What came lately, of which the items are drawn that a choice stands against.

    Attributes:
        latest: (r,) items of the latest events; place k modulo r holds that of event k.
        times: (n,) how often each item stands in `latest`.
        distinct: (n,) the items that do, so many as there are.
        places: (n,) where each of them stands in `distinct`.
        counts: (3,) events so far; how many distinct items; the seed.
    """

    latest: IntArray
    times: IntArray
    distinct: IntArray
    places: IntArray
    counts: LongArray

    @classmethod
    def of(cls, events: IntArray, count: int, length: int, n_items: int, seed: int) -> Self:
        """Return a stream of so many events, of which the latest are given, oldest first."""
        latest = np.zeros(length, np.int32)
        latest[np.arange(count - len(events), count) % length] = events
        codes = np.unique(events)
        distinct, places = np.zeros(n_items, np.int32), np.zeros(n_items, np.int32)
        distinct[: len(codes)], places[codes] = codes, np.arange(len(codes))
        times = np.bincount(events, minlength=n_items).astype(np.int32)
        return cls(latest, times, distinct, places, np.array([count, len(codes), seed], np.int64))

    @classmethod
    def empty(cls, length: int, n_items: int, seed: int) -> Self:
        """Return a stream in which nothing has come yet."""
        return cls.of(np.zeros(0, np.int32), 0, length, n_items, seed)

    def grown(self, n_items: int) -> Self:
        """Return the stream with room for so many items."""
        more = np.zeros(max(n_items - len(self.times), 0), np.int32)
        wider = {
            name: np.concatenate([getattr(self, name), more]) for name in ("times", "distinct", "places")
        }
        return self._replace(**wider)


class Lessons(NamedTuple):
    """What (m,) events teach, in their order.

    Attributes:
        user: rows of the users' beliefs.
        item: rows of the items'.
        times: when, in microseconds.
        kinds: what each is, sums of the numbers in `events`.
        values: what was measured, in units of its usual spread; 0 where nothing.
        weights: powers of the likelihoods, in [0, 1].
        shares: what each counts for its item, in [0, 1].
    """

    user: IntArray
    item: IntArray
    times: LongArray
    kinds: LongArray
    values: FloatArray
    weights: FloatArray
    shares: FloatArray


class Rates(NamedTuple):
    """How beliefs loosen with time, and how far they may move; times in microseconds.

    Attributes:
        user_drift, item_drift: growth of a vector's variances per microsecond.
        user_prior, item_prior, bias_prior: variances beyond which nothing grows.
        fade: what is left of a bias after a microsecond, as a logarithm to base 2; 0 or less.
        noise: variance of a choice.
        step: how far one comparison moves an item at most.
        reach: how far all events of a span move an item's bias, and its vector, at most.
        span: length of a span.
    """

    user_drift: float
    item_drift: float
    user_prior: float
    item_prior: float
    bias_prior: float
    fade: float
    noise: float
    step: float
    reach: float
    span: int


def columns(table: Beliefs | Lessons | Stream) -> tuple[NDArray[Any], ...]:
    """Return the arrays of a table."""
    return tuple(np.asarray(column) for column in table)


def loosened(beliefs: Beliefs, now: int, drift: float, prior: float, rates: Rates) -> Beliefs:
    """Return what is believed at a moment: variances grown, biases faded, as `kernels.loosen` does it.

    Args:
        drift, prior: of the vectors' variances.
    """
    followed = (beliefs.moments != NEVER) & (beliefs.moments < now)
    elapsed = np.where(followed, now - np.where(followed, beliefs.moments, 0), 0).astype(np.float64)
    grown = np.minimum(beliefs.variances + (drift * elapsed)[:, None], prior)
    left = np.exp2(rates.fade * elapsed)
    doubt = rates.bias_prior + (beliefs.bias_variance - rates.bias_prior) * left * left
    return beliefs._replace(
        variances=np.maximum(grown, beliefs.variances).astype(np.float32),
        bias=(beliefs.bias * left).astype(np.float32),
        bias_variance=doubt.astype(np.float32),
        moments=np.where(followed, now, beliefs.moments),
    )


class GrowingBeliefs:
    """Beliefs about so many users or items as there are now.

    Args:
        beliefs: to start from; copied when they first change.
    """

    def __init__(self, beliefs: Beliefs) -> None:
        self._columns: list[GrowingArray[Any]] = [GrowingArray(column) for column in columns(beliefs)]
        self._writable: Beliefs | None = None
        self._addresses: Addresses | None = None

    def __getstate__(self) -> dict[str, Any]:
        # views would be copied apart from the columns that they show
        return self.__dict__ | {"_writable": None, "_addresses": None}

    def __len__(self) -> int:
        return len(self._columns[0])

    @property
    def now(self) -> Beliefs:
        """Return views that later changes show through."""
        return Beliefs._make(column.array for column in self._columns)

    def writable(self) -> Beliefs:
        """Return views that may be changed in place."""
        if self._writable is None:
            self._writable = Beliefs._make(column.writable() for column in self._columns)
        return self._writable

    @property
    def addresses(self) -> LongArray:
        """Return where the columns lie, for compiled steps that change them until rows are added."""
        if self._addresses is None:
            self._addresses = Addresses(columns(self.writable()), BELIEF_TYPES)
        return self._addresses.table

    def extend(self, more: Beliefs) -> None:
        """Add rows at the end."""
        for column, values in zip(self._columns, columns(more), strict=True):
            column.extend(values)
        self._writable = self._addresses = None

    def put(self, rows: LongArray, beliefs: Beliefs) -> None:
        """Replace rows."""
        for column, values in zip(columns(self.writable()), columns(beliefs), strict=True):
            column[rows] = values


def named(prefix: str, arrays: NamedTuple) -> Arrays:
    """Return the arrays of a table under names that begin with a prefix."""
    return {f"{prefix}.{name}": column for name, column in arrays._asdict().items()}


def beliefs_named(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Beliefs:
    """Return the beliefs that `named` gave names to."""
    return Beliefs._make(arrays[f"{prefix}.{name}"] for name in Beliefs._fields)


def stream_named(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Stream:
    """Return a copy of the stream that `named` gave names to."""
    return Stream._make(np.array(arrays[f"{prefix}.{name}"]) for name in Stream._fields)
