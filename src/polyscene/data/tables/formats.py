"""What a table format is, and which there are. Nothing here knows what a column means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import FORMATS, TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.source import Source

TROUBLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""Everything the engine throws at files it cannot read."""


class TableFormat(ABC):
    """How tables of one format are read.

    Attributes:
        endings: of the names of its files, best known first.
        untyped: whether all its values are text.
        packed_inside: why its files are not read out of .gz and .zst; None where they are.
        takes_query: whether a table is what a query yields.
        by_lines: whether each of its rows is a line of text.
    """

    endings: ClassVar[tuple[str, ...]]
    untyped: ClassVar[bool] = False
    packed_inside: ClassVar[str | None] = None
    takes_query: ClassVar[bool] = False
    by_lines: ClassVar[bool] = False

    @abstractmethod
    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return all rows and columns, strictly: what is broken raises one of `TROUBLE`, or DataError."""

    def glance(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return rows and columns for a look, broken ones left out or mended."""
        return self.scan(source, settings)

    def mended(self, source: Source, settings: TableSettings) -> tuple[pl.LazyFrame, list[Problem]]:
        """Return the rows without broken lines, for `on_broken_line = "drop"`, and what was left out."""
        return self.scan(source, settings), []

    def parts(self, source: Source) -> Mapping[str, Mapping[str, str]]:
        """Return, by name, the settings that yield the tables of a file; empty where it is one table."""
        return {}

    def seen(self, head: bytes) -> str | None:
        """Return the name of the format that the first bytes of a file show it to be, where it is another."""
        return None

    def first_sight(
        self, source: Source, settings: TableSettings, head: bytes, tail: bytes
    ) -> Problem | None:
        """Return what the first and last 4 bytes of a file tell to be wrong."""
        return None

    def broken_rows(
        self, source: Source, settings: TableSettings, columns: int, rows: int, short: bool
    ) -> list[Problem]:
        """Look for rows which a scan fills up, merges or cuts silently.

        Args:
            source: the file.
            settings: the table's.
            columns: of the scan.
            rows: of the scan.
            short: whether some rows of the scan end in nothing.
        """
        return []

    def diagnose(self, source: Source, settings: TableSettings) -> list[Problem]:
        """Look for the broken places of a file that failed; slow and thorough."""
        return []


def format_of(source: Source) -> TableFormat:
    """Return how a file is read."""
    return format_named(source.format)


def format_named(name: str) -> TableFormat:
    """Return the format of that name."""
    kind: type[TableFormat] = FORMATS[name]
    return kind()


def formats_by_ending() -> dict[str, str]:
    """Return the names of the formats by the endings of file names, those of the first format first."""
    return {ending: name for name in FORMATS for ending in format_named(name).endings}


def diagnosed(source: Source, settings: TableSettings, error: BaseException) -> list[Problem]:
    """Return the problems behind `error`, which the engine met while reading `source`."""
    return format_of(source).diagnose(source, settings) or [damaged(source, error)]


def damaged(source: Source, error: BaseException) -> Problem:
    """Return the problem of a file of which only the engine's own complaint is known."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return Problem(
        "the file is damaged or is not what its name says",
        f"a whole {source.format} file",
        shown(text, 200),
        "copy or write the file again, or set 'format'",
        file=source.shown,
    )
