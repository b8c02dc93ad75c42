"""One attribute of all items as an array that is quick to compare, and grows while it serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
import polars as pl

from polyscene.core.growing import GrowingArray
from polyscene.core.types import Attribute, BoolArray, LongArray

UNKNOWN = -1
SEPARATORS = (",", "|", ";")
"""Between the parts of a value that is a list."""


class AttributeColumn:
    """The values of one attribute, by the item's code.

    Texts are numbered by their vocabulary, numbers are what they are; `UNKNOWN` and NaN stand for nothing.

    Args:
        values: to start from.

    Attributes:
        is_text: whether it holds texts; else numbers.
    """

    def __init__(self, values: pl.Series) -> None:
        self.is_text = not values.dtype.is_numeric()
        self._vocabulary: dict[str, int] = {}
        self._caught_up, self._lock = 0, Lock()
        self._array: GrowingArray[np.float64] = GrowingArray(
            np.array([self._number(value) for value in values.to_list()], np.float64)
        )

    def catch_up(self, size: int, puts: Sequence[int], value: Callable[[int], Attribute]) -> None:
        """Take in what was put since the last time.

        Args:
            size: how many items there are.
            puts: the codes of everything that was put, in order.
            value: of an item, by its code.
        """
        if self._caught_up == len(puts):
            return
        with self._lock:
            codes: LongArray = np.array(sorted(set(puts[self._caught_up :])), np.int64)
            missing = size - len(self._array)
            self._array.extend(np.full(missing, self._number(None)))
            self._array.put(
                codes, np.array([self._number(value(code)) for code in codes.tolist()], np.float64)
            )
            self._caught_up = len(puts)

    @property
    def known(self) -> BoolArray:
        """Return (n,) which items have a value."""
        array = self._array.array
        known: BoolArray = array != UNKNOWN if self.is_text else ~np.isnan(array)
        return known

    @property
    def groups(self) -> LongArray:
        """Return (n,) a number from 0 for each value; `UNKNOWN` where there is none."""
        if self.is_text:
            return self._array.array.astype(np.int64)
        _, groups = np.unique(self._array.array, return_inverse=True)
        return np.where(self.known, groups, UNKNOWN).astype(np.int64)

    @property
    def numbers(self) -> np.ndarray:
        """Return (n,) values of a column of numbers, NaN where there is none."""
        return self._array.array

    def any_of(self, values: Sequence[str | float]) -> BoolArray:
        """Return (n,) which items have one of some values."""
        numbers = [self._vocabulary.get(str(value)) if self.is_text else float(value) for value in values]
        return np.isin(self._array.array, [number for number in numbers if number is not None])

    def has(self, part: str) -> BoolArray:
        """Return (n,) which items have a value of which one part is this."""
        fitting = [number for text, number in self._vocabulary.items() if part in parts_of(text)]
        return np.isin(self._array.array, fitting)

    def shown(self, code: int) -> str | float | None:
        """Return the value of one item."""
        number = float(self._array.array[code])
        if not self.is_text:
            return None if np.isnan(number) else number
        return None if number == UNKNOWN else list(self._vocabulary)[int(number)]

    def _number(self, value: Attribute) -> float:
        if self.is_text:
            return (
                UNKNOWN if value is None else self._vocabulary.setdefault(str(value), len(self._vocabulary))
            )
        return np.nan if value is None else float(value)


def parts_of(text: str) -> set[str]:
    """Return a value, and its parts where it is a list as 'jazz, soul'."""
    parts = {text.strip()}
    for separator in SEPARATORS:
        parts |= {part.strip() for part in text.split(separator)}
    return parts
