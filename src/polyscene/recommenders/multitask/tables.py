"""Attributes of items or people as numbers, with what is missing told apart from what is zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.representation.attributes import values_of, vocabulary

MAX_VALUES = 4
"""So many values of one column count: an item's first genres."""
MISSING = 0
"""The code of what is missing, or was never met."""
NUMBER_PARTS = 3
"""A number's value, that it is there, that it is missing."""


@dataclass(frozen=True)
class Columns:
    """The attributes of one side, over all scenarios.

    Attributes:
        vocabularies: by categorical column, codes from 1 of its values.
        scales: by numeric column, mean and spread.
    """

    vocabularies: Mapping[str, Mapping[str, int]]
    scales: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, frames: Iterable[pl.DataFrame], aside: str = "") -> Self:
        """Take stock of frames.

        Args:
            frames: text columns are categories, several in one cell by `|`, `;` or a comma; others are
                numbers.
            aside: a column that is no attribute.
        """
        texts: dict[str, Counter[str]] = {}
        numbers: dict[str, list[np.ndarray]] = {}
        for frame in frames:
            for name in (name for name in frame.columns if name != aside):
                if frame[name].dtype == pl.String:
                    counts = texts.setdefault(name, Counter())
                    counts.update(value for cell in frame[name].to_list() for value in values_of(cell))
                else:
                    values = frame[name].cast(pl.Float64).drop_nulls().to_numpy()
                    numbers.setdefault(name, []).append(values[np.isfinite(values)])
        return cls(
            {name: _codes(counts) for name, counts in texts.items()},
            {name: _scale(np.concatenate(parts)) for name, parts in numbers.items() if name not in texts},
        )


@dataclass(frozen=True)
class Rows:
    """The attributes of m things.

    Attributes:
        codes: (m, F, V) values, `MISSING` where there is none.
        shares: (m, F, V) how much each counts: they sum to 1 where the scenario has the column, else to 0.
        numbers: (m, M, 3) standardised value, 1 where it is there, 1 where it is missing.
    """

    codes: IntArray
    shares: FloatArray
    numbers: FloatArray


@dataclass(frozen=True)
class AttributeTable:
    """The attributes of n things of one scenario; the last row is of whatever comes later.

    Attributes:
        rows: (n + 1, …).
    """

    rows: Rows

    @classmethod
    def of(cls, columns: Columns, frame: pl.DataFrame, n: int, code: str | None = None) -> Self:
        """Read a frame.

        Args:
            columns: of all scenarios.
            frame: a row per thing; a column it lacks counts for nothing.
            n: how many things.
            code: the column that says which thing a row is; None: they are in order.
        """
        place = np.arange(n) if code is None or code not in frame.columns else frame[code].to_numpy()
        n_texts, n_numbers = len(columns.vocabularies), len(columns.scales)
        codes = np.zeros((n + 1, n_texts, MAX_VALUES), np.int32)
        shares = np.zeros((n + 1, n_texts, MAX_VALUES), np.float32)
        numbers = np.zeros((n + 1, n_numbers, NUMBER_PARTS), np.float32)
        for number, (name, codes_of) in enumerate(columns.vocabularies.items()):
            if name in frame.columns and frame[name].dtype == pl.String:
                shares[:, number, 0] = 1.0
                for row, cell in zip(place.tolist(), frame[name].to_list(), strict=True):
                    known = [codes_of[value] for value in values_of(cell) if value in codes_of]
                    if known[:MAX_VALUES]:
                        some = known[:MAX_VALUES]
                        codes[row, number, : len(some)] = some
                        shares[row, number, : len(some)] = 1.0 / len(some)
        for number, (name, (mean, spread)) in enumerate(columns.scales.items()):
            if name in frame.columns and frame[name].dtype != pl.String:
                numbers[:, number, 2] = 1.0
                values = frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
                there = np.isfinite(values)
                scaled = (values[there] - mean) / spread
                filled = np.stack([scaled, np.ones(len(scaled)), np.zeros(len(scaled))], axis=1)
                numbers[place[there], number] = filled
        return cls(Rows(codes, shares, numbers))

    def pick(self, things: IntArray | LongArray) -> Rows:
        """Return the rows of (m,) things; -1, and what came later, is unknown."""
        last = len(self.rows.codes) - 1
        places = np.where((things >= 0) & (things < last), things, last)
        return Rows(self.rows.codes[places], self.rows.shares[places], self.rows.numbers[places])

    def state(self, prefix: str) -> Arrays:
        """Return named arrays."""
        return {f"{prefix}.{name}": array for name, array in vars(self.rows).items()}

    @classmethod
    def restore(cls, state: Arrays, prefix: str) -> Self:
        """Take them back."""
        return cls(Rows(*(state[f"{prefix}.{name}"] for name in ("codes", "shares", "numbers"))))


def _codes(counts: Counter[str]) -> dict[str, int]:
    return {value: code for code, value in enumerate(vocabulary(counts), start=1)}


def _scale(values: np.ndarray) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    return float(values.mean()), float(values.std()) or 1.0
