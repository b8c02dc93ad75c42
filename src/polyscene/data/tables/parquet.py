"""Parquet: columns with types, packed inside."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.source import Source

MAGIC = b"PAR1"


class Parquet(TableFormat):
    """Read in place, column by column."""

    endings: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    packed_inside: ClassVar[str | None] = "the file itself; Parquet is packed inside"

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows."""
        return pl.scan_parquet(source.data, glob=False)

    def first_sight(
        self, source: Source, settings: TableSettings, head: bytes, tail: bytes
    ) -> Problem | None:
        """Refuse what does not begin and end as it must."""
        if head == tail == MAGIC:
            return None
        cut = head == MAGIC
        return Problem(
            "the Parquet file is cut off" if cut else "the file is not Parquet",
            "'PAR1' at its start and its end",
            f"{shown(tail)} at its end" if cut else f"{shown(head)} at its start",
            "copy or write the file again" if cut else "set 'format', or write it as Parquet",
            file=source.shown,
        )
