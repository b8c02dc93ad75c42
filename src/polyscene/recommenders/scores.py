"""What one signal says of a block of requests, computed once and then asked as often as is needed.

A request is answered from a list of candidates: each signal puts its best items forward (`best`), all signals
are asked of all of them (`at`), and nothing is computed twice. The whole catalogue (`whole`) is for judging.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from polyscene.core.growing import Largest, largest
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.representation.index import VectorIndex

AT_ONCE = 256
NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.float32))


class Scores(ABC):
    """Scores of B requests over a catalogue of n items."""

    @abstractmethod
    def whole(self) -> FloatArray:
        """Return (B, n) scores of the whole catalogue; larger is better, always finite."""

    @abstractmethod
    def at(self, candidates: IntArray | LongArray) -> FloatArray:
        """Return (B, C) scores of the named items, equal to those columns of `whole`."""

    @abstractmethod
    def best(self, row: int, most: int, closed: BoolArray) -> LongArray:
        """Return the best items of one request, in no order, at most `most`; fewer where it knows no more.

        Args:
            row: of the request.
            most: how many.
            closed: (n,) True where an item may not be shown.
        """

    @abstractmethod
    def peaks(self) -> FloatArray:
        """Return (B,) the largest score of each request, open or not."""


class DenseScores(Scores):
    """Scores that are computed for the whole catalogue anyway.

    Args:
        matrix: (B, n) float32.
        positive: whether 0 and less mean that the signal has nothing to say of an item.
    """

    def __init__(self, matrix: FloatArray, positive: bool = False) -> None:
        self._matrix, self._positive = matrix, positive

    def whole(self) -> FloatArray:
        """Return the matrix."""
        return self._matrix

    def at(self, candidates: IntArray | LongArray) -> FloatArray:
        """Look the candidates up."""
        rows = np.arange(len(self._matrix))[:, None]
        scores: FloatArray = self._matrix[rows, candidates]
        return scores

    def best(self, row: int, most: int, closed: BoolArray) -> LongArray:
        """Take the largest of those that are open."""
        scores = self._matrix[row]
        items = np.flatnonzero(scores > 0) if self._positive else np.arange(len(scores))
        return best_open(items, scores[items], most, closed)

    def peaks(self) -> FloatArray:
        """Return the row maxima."""
        if not self._matrix.size:
            return np.zeros(len(self._matrix), np.float32)
        peaks: FloatArray = self._matrix.max(axis=1)
        return peaks


class SharedScores(Scores):
    """Scores that are the same for everybody, or differ by the moment only and keep their order.

    Args:
        requests: B.
        order: ranks the items, see `Largest`.
        strength: (n,) what they are ordered by.
        scored: from item codes of any shape, with B or 1 rows, to their scores.
    """

    def __init__(
        self,
        requests: int,
        order: Largest,
        strength: FloatArray | LongArray | np.ndarray,
        scored: Callable[[LongArray], FloatArray],
    ) -> None:
        self._requests, self._order, self._strength, self._scored = requests, order, strength, scored

    def whole(self) -> FloatArray:
        """Score every item for every request."""
        scores = self._scored(np.arange(len(self._strength))[None])
        return np.broadcast_to(scores, (self._requests, len(self._strength))).astype(np.float32)

    def at(self, candidates: IntArray | LongArray) -> FloatArray:
        """Score the candidates."""
        return self._scored(np.asarray(candidates))

    def best(self, row: int, most: int, closed: BoolArray) -> LongArray:
        """Go down the order past what is closed."""
        ordered = self._order.ordered(self._strength)
        items = ordered[~closed[ordered]][:most]
        if len(items) < min(most, len(self._strength)) and len(ordered) < len(self._strength):
            every = np.flatnonzero(~closed)
            return every[largest(self._strength[every], most)]
        return items

    def peaks(self) -> FloatArray:
        """Return the score of the first item in the order."""
        if not len(self._strength):
            return np.zeros(self._requests, np.float32)
        first = self._order.ordered(self._strength)[:1]
        return np.broadcast_to(self._scored(first[None])[:, 0], (self._requests,)).astype(np.float32)


class VectorScores(Scores):
    """Inner products of request vectors and item vectors.

    Args:
        users: (B, d); a zero row has nothing to say.
        items: (n, d).
        index: finds the nearest of the items; None: all are compared.
        offset: added to every score.
    """

    def __init__(
        self, users: FloatArray, items: FloatArray, index: VectorIndex | None = None, offset: float = 0.0
    ) -> None:
        self._users, self._items, self._index, self._offset = users, items, index, np.float32(offset)
        self._compared: dict[int, tuple[LongArray | None, FloatArray]] = {}

    def whole(self) -> FloatArray:
        """Compare with every item."""
        return self._users @ self._items.T + self._offset

    def at(self, candidates: IntArray | LongArray) -> FloatArray:
        """Compare with the candidates, a few at a time: so many vectors stay in the processor's cache."""
        scores = np.empty(candidates.shape, np.float32)
        for row, codes in enumerate(candidates):
            rows, products = self._compared.get(row, NOTHING)
            if rows is None:
                scores[row] = products[codes]
                continue
            for start in range(0, len(codes), AT_ONCE):
                some = slice(start, start + AT_ONCE)
                np.matmul(self._items[codes[some]], self._users[row], out=scores[row, some])
        return scores + self._offset

    def best(self, row: int, most: int, closed: BoolArray) -> LongArray:
        """Take the largest of those that are open, by the index where there is one."""
        if not self._users[row].any():
            return np.zeros(0, np.int64)
        items, products = self._products(row, most)
        return best_open(np.arange(len(products)) if items is None else items, products, most, closed)

    def peaks(self) -> FloatArray:
        """Return the largest score of each request, by the index where there is one."""
        peaks = np.zeros(len(self._users), np.float32)
        for row, user in enumerate(self._users):
            if user.any() and len(self._items):
                items, products = self._products(row, 1)
                peaks[row] = products.max() if items is None else products.max(initial=0.0)
        return peaks + self._offset

    def _products(self, row: int, most: int) -> tuple[LongArray | None, FloatArray]:
        """Return the items that were compared, None for all, and their products; once per request."""
        if row not in self._compared:
            user = self._users[row]
            near = None if self._index is None else self._index.search(user, most)
            self._compared[row] = (None, self._items @ user) if near is None else near
        return self._compared[row]


def best_open(items: LongArray, scores: FloatArray, most: int, closed: BoolArray) -> LongArray:
    """Return those of the items with the `most` largest scores that are open, in no order."""
    open_ = ~closed[items]
    items, scores = items[open_], scores[open_]
    if len(items) <= most:
        return items
    return items[np.argpartition(scores, len(scores) - most)[len(scores) - most :]]
