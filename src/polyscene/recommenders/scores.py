"""What one signal says of a block of requests, computed once and then asked as often as is needed.

A request is answered from a list of candidates: each signal puts its best items forward (`best`), all signals
are asked of all of them (`at`), and nothing is computed twice. The whole catalogue (`whole`) is for judging.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from polyscene.core.growing import Largest, largest
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.representation.index import VectorIndex

AT_ONCE = 256
MANY, QUICK = 8, 30_000
"""So many requests or more are compared with up to so many vectors in one product, index or not."""


class Scores(ABC):
    """Scores of B requests over a catalogue of n items."""

    @abstractmethod
    def whole(self) -> FloatArray:
        """Return (B, n) scores of the whole catalogue; larger is better, always finite."""

    @abstractmethod
    def at(self, candidates: IntArray | LongArray) -> FloatArray:
        """Return (B, C) scores of the named items, equal to those columns of `whole`."""

    @abstractmethod
    def best(self, row: int, most: int, closed: BoolArray) -> IntArray | LongArray:
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

    def best(self, row: int, most: int, closed: BoolArray) -> IntArray | LongArray:
        """Take the largest of those that are open."""
        scores = self._matrix[row]
        items = np.flatnonzero((scores > 0) & ~closed if self._positive else ~closed)
        return _largest(items, scores[items], most)

    def peaks(self) -> FloatArray:
        """Return the row maxima."""
        if not self._matrix.size:
            return np.zeros(len(self._matrix), np.float32)
        peaks: FloatArray = self._matrix.max(axis=1)
        return peaks


class LinkScores(DenseScores):
    """Scores of which most are 0, and those are nothing.

    Args:
        matrix: (B, n) float32.
        linked: by request the items with another score, ascending.
    """

    def __init__(self, matrix: FloatArray, linked: Sequence[IntArray]) -> None:
        super().__init__(matrix, positive=True)
        self._linked = linked

    def best(self, row: int, most: int, closed: BoolArray) -> IntArray | LongArray:
        """Take the largest of those that are open and positive."""
        linked = self._linked[row]
        scores = self._matrix[row, linked]
        positive = scores > 0
        return best_open(linked[positive], scores[positive], most, closed)

    def peaks(self) -> FloatArray:
        """Return the largest score of each request."""
        rows = zip(self._matrix, self._linked, strict=True)
        return np.array([scores[linked].max(initial=0.0) for scores, linked in rows], np.float32)


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

    def best(self, row: int, most: int, closed: BoolArray) -> IntArray | LongArray:
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
        self._searched: dict[int, tuple[LongArray, FloatArray]] = {}
        self._products: FloatArray | None = None
        exact = index is None or index.exact
        self._at_once = exact or (len(users) >= MANY and len(items) <= QUICK)

    def whole(self) -> FloatArray:
        """Compare with every item."""
        return self._every() + self._offset

    def at(self, candidates: IntArray | LongArray) -> FloatArray:
        """Compare with the candidates that the index did not compare yet."""
        if self._at_once:
            return self._every()[np.arange(len(candidates))[:, None], candidates] + self._offset
        scores = np.empty(candidates.shape, np.float32)
        for row, codes in enumerate(candidates):
            self._compare(row, codes, scores[row])
        return scores + self._offset

    def best(self, row: int, most: int, closed: BoolArray) -> IntArray | LongArray:
        """Take the largest of those that are open, by the index where there is one."""
        if not self._users[row].any():
            return np.zeros(0, np.int64)
        near = self._search(row, most)
        if near is None:
            return best_open(np.arange(len(self._items)), self._every()[row], most, closed)
        return best_open(*near, most, closed)

    def peaks(self) -> FloatArray:
        """Return the largest score of each request, by the index where there is one."""
        if self._products is not None and self._products.size and not self._searched:
            speaking = self._users.any(axis=1)
            return np.where(speaking, self._products.max(axis=1), 0.0).astype(np.float32) + self._offset
        peaks = np.zeros(len(self._users), np.float32)
        for row, user in enumerate(self._users):
            if user.any() and len(self._items):
                near = self._search(row, 1)
                peaks[row] = self._every()[row].max() if near is None else near[1].max(initial=0.0)
        return peaks + self._offset

    def _every(self) -> FloatArray:
        """Return (B, n) products with every item; once."""
        if self._products is None:
            self._products = self._users @ self._items.T
        return self._products

    def _search(self, row: int, most: int) -> tuple[LongArray, FloatArray] | None:
        """Return the items that the index compared with a request, and their products; None: no index.

        A request is searched for once: what it was first asked for is enough for what follows.
        """
        near = self._searched.get(row)
        if near is None and self._index is not None and not self._index.exact:
            if self._at_once:
                rows = self._index.near(self._users[row], most)
                near = rows, self._every()[row, rows]
            else:
                near = self._index.search(self._users[row], most)
            if near is not None:
                self._searched[row] = near
        return near

    def _compare(self, row: int, codes: IntArray | LongArray, scores: FloatArray) -> None:
        """Write (C,) products of candidates: known ones looked up, others a few at a time.

        So many vectors at once stay in the processor's cache.
        """
        left = np.arange(len(codes))
        if row in self._searched:
            items, products = self._searched[row]
            place = places(items, codes, len(self._items))
            known = place >= 0
            scores[known] = products[place[known]]
            left = np.flatnonzero(~known)
        for start in range(0, len(left), AT_ONCE):
            some = left[start : start + AT_ONCE]
            scores[some] = self._items[codes[some]] @ self._users[row]


_places = threading.local()


def places(items: LongArray, codes: IntArray | LongArray, length: int) -> LongArray:
    """Return (C,) where each code stands among the (m,) items, each of which stands there once; -1: nowhere.

    Args:
        length: all codes are below it.
    """
    space: LongArray | None = getattr(_places, "space", None)
    if space is None or len(space) < length:
        space = _places.space = np.full(length * 3 // 2, -1)
    space[items] = np.arange(len(items))
    place: LongArray = space[codes]
    space[items] = -1
    return place


def best_open(
    items: IntArray | LongArray, scores: FloatArray, most: int, closed: BoolArray
) -> IntArray | LongArray:
    """Return those of the items with the `most` largest scores that are open, in no order."""
    open_ = ~closed[items]
    return _largest(items[open_], scores[open_], most)


def _largest(items: IntArray | LongArray, scores: FloatArray, most: int) -> IntArray | LongArray:
    if len(items) <= most:
        return items
    return items[np.argpartition(scores, len(scores) - most)[len(scores) - most :]]
