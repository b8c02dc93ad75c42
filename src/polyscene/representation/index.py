"""Which vectors are nearest to a request's: the contract of everything that finds them.

An index finds codes; the inner products that it gives are computed from the vectors themselves, so that two
kinds of index differ in what they find and never in how it is scored. Readers never see half a change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.errors import ArgumentError, MissingExtraError
from polyscene.core.growing import GrowingArray
from polyscene.core.locks import ReadWriteLock
from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.representation.products import inner_products

WIDER = 4
"""A search that found too few open ones looks at so many times as many."""
GROWN = 4
"""What was learned of the vectors is learned anew when there are so many times as many."""
NOBODY = -1
"""Stands where fewer were found than were wanted."""
VECTORS = "vectors"


class VectorIndex(ABC):
    """The nearest of n vectors by inner product; the code of a vector is its row.

    Many threads may search while one changes it. A kind of its own implements the six abstract methods, of
    which `_codes_near` and `_facts` are called beside other readers and the others with nobody beside them,
    and declares itself as an entry point of `polyscene.indexes`.

    Args:
        vectors: (n, d) float32; a zero row is none and never found. A growing array is shared, and changed.
        facts: what `state` returned of an index over these vectors; None: it is built now.

    Attributes:
        effort: at least 1; a search looks at about so many times as many vectors, and finds more.
    """

    name: ClassVar[str]
    exact: ClassVar[bool] = False
    """Whether all vectors are compared: there is nothing to search then."""
    library: ClassVar[str | None] = None
    """The module that it stands on, which the extra of the kind's name brings."""

    def __init__(self, vectors: FloatArray | GrowingArray[np.float32], facts: Arrays | None = None) -> None:
        self._rows = vectors if isinstance(vectors, GrowingArray) else GrowingArray(vectors)
        self._filled = GrowingArray(np.any(self._rows.array != 0, axis=1))
        self._count = int(np.count_nonzero(self._filled.array))
        self._lock, self._effort = ReadWriteLock(), 1
        if facts is None:
            self._renew()
        else:
            self._learned_from = int(facts["learned_from"])
            self._resume(facts)

    @classmethod
    def demand_library(cls) -> None:
        """Load what the kind stands on.

        Raises:
            MissingExtraError: it is not installed.
        """
        if cls.library is not None:
            cls._library()

    @classmethod
    def _library(cls) -> Any:  # noqa: ANN401 - libraries without types
        try:
            return import_module(str(cls.library))
        except ImportError as error:
            raise MissingExtraError(
                f"expected the extra '{cls.name}' for the index of that kind, found no {cls.library}; "
                f'run: pip install "polyscene[{cls.name}]"'
            ) from error

    def __len__(self) -> int:
        """Return how many vectors can be found."""
        return self._count

    @property
    def effort(self) -> int:
        """How much more a search looks at."""
        return self._effort

    @effort.setter
    def effort(self, effort: int) -> None:
        with self._lock.writing():
            self._take_effort(effort)

    def search(
        self, queries: FloatArray, k: int, closed: BoolArray | None = None
    ) -> tuple[LongArray, FloatArray]:
        """Return (B, k) codes and inner products, largest first, equal ones by code.

        Where many are closed it looks wider until it has k open ones or looked at all. Places that stay
        empty hold code -1 and score -inf.

        Args:
            queries: (B, d).
            k: at least 1.
            closed: (m,) True where a code may not be returned; codes from m on may not either. None: all may.

        Raises:
            ArgumentError: k is less than 1, or the queries are of another width.
        """
        self._demand_fit(queries, k)
        codes = np.full((len(queries), k), NOBODY, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for row, query in enumerate(queries):
            near, products = in_order(*self.open_near(query, k, closed), k)
            codes[row, : len(near)], scores[row, : len(near)] = near, products
        return codes, scores

    def open_near(self, query: FloatArray, k: int, closed: BoolArray | None) -> tuple[LongArray, FloatArray]:
        """Return open codes and their products, in no order: at least k, or all that are open."""
        with self._lock.reading():
            wanted = k
            while True:
                codes, products = self._near(query, wanted)
                open_ = _open(codes, closed)
                if wanted >= self._count or np.count_nonzero(open_) >= k:
                    return codes[open_], products[open_]
                wanted *= WIDER

    def near(self, query: FloatArray, wanted: int) -> tuple[LongArray, FloatArray]:
        """Return codes and their products with a (d,) query, in no order.

        Most of the `wanted` largest are among them; all are, where there are no more than `wanted`.
        """
        with self._lock.reading():
            return self._near(query, wanted)

    def codes_near(self, query: FloatArray, wanted: int) -> LongArray:
        """Return the codes that `near` returns."""
        with self._lock.reading():
            return self._everybody() if wanted >= self._count else self._codes_near(query, wanted)

    def put(self, codes: LongArray, vectors: FloatArray) -> None:
        """Place vectors; one that was there under the code is replaced, a zero one removed.

        Args:
            codes: (m,) distinct, from 0; what lies between the end and a larger code is empty.
            vectors: (m, d).

        Raises:
            ArgumentError: codes are negative or repeated, or the shapes do not go together.
        """
        _demand_codes(codes, vectors, self._rows)
        with self._lock.writing():
            self._put(codes, vectors)

    def remove(self, codes: LongArray) -> None:
        """Forget vectors; codes that are not there are passed over."""
        with self._lock.writing():
            known = np.unique(codes[(codes >= 0) & (codes < len(self._rows))])
            self._put(known, np.zeros((len(known), self._rows.array.shape[1]), np.float32))

    def state(self) -> Arrays:
        """Return everything that `restore` needs: the vectors, and what was learned of them."""
        with self._lock.reading():
            facts = {"learned_from": np.array(self._learned_from)} | self._facts()
            return {VECTORS: self._rows.array.copy()} | facts

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`, without learning anew."""
        return cls(state[VECTORS], state)

    def sample(self, most: int, draws: np.random.Generator) -> FloatArray:
        """Return (m, d) of the vectors, drawn without replacement."""
        with self._lock.reading():
            codes = self._everybody()
            drawn: FloatArray = self._rows.array[draws.choice(codes, min(most, len(codes)), replace=False)]
            return drawn

    def best_of_all(
        self, queries: FloatArray, k: int, closed: BoolArray | None = None
    ) -> tuple[LongArray, FloatArray]:
        """Return what `search` should return: every vector is compared, block by block."""
        self._demand_fit(queries, k)
        with self._lock.reading():
            codes = self._everybody()
            codes = codes[_open(codes, closed)]
            return best_of_rows(self._rows.array, codes, queries, k)

    @abstractmethod
    def _build(self) -> None:
        """Learn what is needed from the vectors that are there, none or many."""

    @abstractmethod
    def _codes_near(self, query: FloatArray, wanted: int) -> LongArray:
        """Return distinct codes of vectors that are there: nearly all of the `wanted` nearest."""

    @abstractmethod
    def _take_out(self, codes: LongArray) -> None:
        """Forget vectors that are there."""

    @abstractmethod
    def _take_in(self, codes: LongArray) -> None:
        """Learn where vectors are that were not there."""

    @abstractmethod
    def _facts(self) -> Arrays:
        """Return what was learned."""

    @abstractmethod
    def _resume(self, facts: Arrays) -> None:
        """Take back what was learned."""

    def _take_effort(self, effort: int) -> None:
        self._effort = effort

    def _near(self, query: FloatArray, wanted: int) -> tuple[LongArray, FloatArray]:
        codes = self._everybody() if wanted >= self._count else self._codes_near(query, wanted)
        return codes, inner_products(self._rows.array, codes, query)

    def _everybody(self) -> LongArray:
        return np.flatnonzero(self._filled.array)

    def _put(self, codes: LongArray, vectors: FloatArray) -> None:
        if not len(codes):
            return
        self._filled.reach(int(codes.max()) + 1)
        before = self._filled.array[codes]
        after = np.any(vectors != 0, axis=1)
        self._take_out(codes[before])
        put_rows(self._rows, codes, vectors)
        self._filled.put(codes, after)
        self._count += int(np.count_nonzero(after)) - int(np.count_nonzero(before))
        if self._count > GROWN * self._learned_from:
            self._renew()
        else:
            self._take_in(codes[after])

    def _renew(self) -> None:
        self._learned_from = self._count
        self._build()

    def _demand_fit(self, queries: FloatArray, k: int) -> None:
        width = self._rows.array.shape[1]
        if k < 1:
            raise ArgumentError(f"expected k of at least 1, found {k}; ask for one or more")
        if queries.ndim != 2 or queries.shape[1] != width:
            raise ArgumentError(
                f"expected queries of shape (B, {width}), found {queries.shape}; give a row for each request"
            )


def put_rows(rows: GrowingArray[np.float32], codes: LongArray, vectors: FloatArray) -> None:
    """Place (m, d) vectors in (m,) rows; what lies between the end and a larger row is zero."""
    rows.reach(int(codes.max(initial=-1)) + 1)
    if len(codes):
        rows.put(codes, vectors)


def in_order(codes: LongArray, scores: FloatArray, k: int) -> tuple[LongArray, FloatArray]:
    """Return the k largest scores and their codes, largest first, equal ones by code."""
    if len(codes) > k:
        last = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = scores >= last  # all that equal the last, so that the smallest codes win
        codes, scores = codes[kept], scores[kept]
    order = np.lexsort((codes, -scores))[:k]
    return codes[order], scores[order]


BLOCK = 8_192
"""So many vectors are compared in one product."""


def best_of_rows(
    vectors: FloatArray, codes: LongArray, queries: FloatArray, k: int
) -> tuple[LongArray, FloatArray]:
    """Return (B, k) of the named rows by inner product, largest first, equal ones by code.

    Args:
        vectors: (n, d).
        codes: (m,) ascending.
        queries: (B, d).
    """
    best = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
    for start in range(0, len(codes), BLOCK):
        block = codes[start : start + BLOCK]
        whole = int(block[-1]) - int(block[0]) + 1 == len(block)
        rows = vectors[block[0] : int(block[-1]) + 1] if whole else vectors[block]
        for row, products in enumerate(queries @ rows.T):
            known, scores = best[row]
            some, values = in_order(block, products, k)
            best[row] = in_order(np.concatenate([known, some]), np.concatenate([scores, values]), k)
    filled = np.full((len(queries), k), NOBODY, np.int64), np.full((len(queries), k), -np.inf, np.float32)
    for row, (near, values) in enumerate(best):
        filled[0][row, : len(near)], filled[1][row, : len(near)] = near, values
    return filled


def _open(codes: LongArray, closed: BoolArray | None) -> BoolArray:
    """Return (m,) which of the codes may be returned."""
    if closed is None:
        return np.ones(len(codes), np.bool_)
    if not len(codes) or int(codes.max()) < len(closed):
        return ~closed[codes]
    open_ = codes < len(closed)
    open_[open_] = ~closed[codes[open_]]
    return open_


def _demand_codes(codes: LongArray, vectors: FloatArray, rows: GrowingArray[np.float32]) -> None:
    width = rows.array.shape[1]
    if vectors.shape != (len(codes), width):
        raise ArgumentError(
            f"expected vectors of shape ({len(codes)}, {width}), found {vectors.shape}; give one for each"
        )
    if len(codes) and (int(codes.min()) < 0 or len(np.unique(codes)) < len(codes)):
        raise ArgumentError("expected distinct codes from 0, found others; give every code once")
