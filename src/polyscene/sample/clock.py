"""The sample world's calendar: naive times in UTC, counted in microseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from polyscene.core.clock import SECOND
from polyscene.core.types import LongArray

BEGINNING = datetime(2026, 3, 2, tzinfo=UTC)
START = int(BEGINNING.timestamp()) * SECOND
"""Midnight of the first day, a Monday."""


def stamps(microseconds: LongArray) -> pl.Series:
    """Return a column of naive time stamps in UTC."""
    return pl.Series(microseconds, dtype=pl.Int64).cast(pl.Datetime("us"))
