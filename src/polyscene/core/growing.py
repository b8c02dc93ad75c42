"""Arrays that grow at their end, and rows of numbers of which the largest are wanted again and again."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from polyscene.core.addresses import address_of
from polyscene.core.types import LongArray

Scalar = TypeVar("Scalar", bound=np.generic)

NO_ADDRESS = 0
POOL = 1024
"""So many of the largest are kept in order."""


class GrowingArray(Generic[Scalar]):
    """An array that can be extended along its first axis without being copied each time.

    Args:
        values: (n, ...) to start from; copied when it first grows or changes.
    """

    def __init__(self, values: NDArray[Scalar]) -> None:
        self._set(values, len(values), False)

    def _set(self, space: NDArray[Scalar], length: int, own: bool) -> None:
        self._space, self._length, self._own = space, length, own
        self._view, self._address = space[:length], NO_ADDRESS

    def __getstate__(self) -> tuple[NDArray[Scalar], int, bool]:
        return self._space, self._length, self._own

    def __setstate__(self, state: tuple[NDArray[Scalar], int, bool]) -> None:
        self._set(*state)  # a view would be copied apart from what it shows, and a copy lies elsewhere

    def address(self, kind: type[Scalar]) -> int:
        """Return where the rows begin in memory, for compiled steps that change them until more are added.

        Args:
            kind: what the step takes the numbers for.

        Raises:
            ValueError: they are of another type.
        """
        if self._address == NO_ADDRESS:
            self._address = address_of(self.writable(), kind)
        return self._address

    @property
    def array(self) -> NDArray[Scalar]:
        """Return what there is, (n, ...): a view that later changes show through."""
        return self._view

    def __len__(self) -> int:
        return self._length

    def extend(self, values: NDArray[Scalar]) -> None:
        """Add rows at the end."""
        space, stop = self._space, self._length + len(values)
        if stop > len(space) or not self._own:
            space = np.empty((max(stop, len(space) * 3 // 2, 16), *space.shape[1:]), space.dtype)
            space[: self._length] = self._view
        space[self._length : stop] = values
        self._set(space, stop, True)

    def reach(self, length: int) -> None:
        """Add zero rows until there are so many."""
        if length > len(self):
            self.extend(np.zeros((length - len(self), *self._space.shape[1:]), self._space.dtype))

    def put(self, rows: LongArray, values: NDArray[Scalar]) -> None:
        """Replace rows."""
        self.writable()[rows] = values

    def writable(self) -> NDArray[Scalar]:
        """Return what there is, fit to be changed in place."""
        if not self._own:
            self._set(self._view.copy(), self._length, True)
        return self._view


class Largest:
    """The largest of n numbers, which change one at a time and of which a few thousand at most are asked for.

    The `POOL` largest are kept in order together with all that changed since; as long as fewer than a pool
    changed, nothing else has to be looked at.
    """

    def __init__(self) -> None:
        self._ordered: LongArray | None = None
        self._pool: LongArray = np.zeros(0, np.int64)
        self._changed: set[int] = set()
        self._whole = False

    def changed(self, row: int) -> None:
        """Note that a number grew, or that a new one came."""
        self._changed.add(row)
        self._ordered = None

    def reset(self) -> None:
        """Note that any number may have changed."""
        self._pool, self._ordered = np.zeros(0, np.int64), None
        self._changed.clear()

    def ordered(self, values: NDArray[Any]) -> LongArray:
        """Return rows from the largest down: as many as are known for certain.

        Args:
            values: (n,) the present numbers.
        """
        if self._ordered is None:
            if not len(self._pool) or len(self._changed) > POOL:
                self._pool = largest(values, POOL)
                self._changed.clear()
            rows = self._pool
            if self._changed:
                rows = np.union1d(rows, np.fromiter(self._changed, np.int64, len(self._changed)))
            order = np.argsort(-values[rows].astype(np.float64), kind="stable")
            self._ordered = rows[order][: max(POOL, 0)]
        return self._ordered


def largest(values: NDArray[Any], most: int) -> LongArray:
    """Return the rows of the `most` largest of (n,) numbers, unordered."""
    if len(values) <= most:
        return np.arange(len(values))
    return np.argpartition(values, len(values) - most)[len(values) - most :]
