"""CSV and TSV: rows of fields between separators, under a header or without one. Every value is text."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import NO_QUOTE, TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.broken_lines import broken_problems, remedy_for
from polyscene.data.tables.encodings import transcoded
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.headers import old_line_ends
from polyscene.data.tables.records import JOINED, Dialect, Examination, examined, rewritten
from polyscene.data.tables.source import Source
from polyscene.data.tables.text_files import (
    diagnose_text,
    holds,
    lines,
    scan_lines,
    text_of,
    utf16_problem,
)

_ESCAPED = b'\\"'


class Csv(TableFormat):
    """Fields between commas, or what `separator` says."""

    endings: ClassVar[tuple[str, ...]] = (".csv", ".dat")
    by_lines: ClassVar[bool] = True
    untyped: ClassVar[bool] = True
    separator: ClassVar[str] = ","
    quote: ClassVar[str | None] = '"'

    def dialect(self, settings: TableSettings) -> Dialect:
        """Return how the fields of a line are told apart."""
        quote = self.quote if settings.quote is None else settings.quote
        separator = settings.separator or self.separator
        return Dialect(separator, None if quote == NO_QUOTE else quote, settings.escape, settings.header)

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, all text.

        Raises:
            DataError: lines are broken, where they have to be read one by one.
        """
        dialect = self.dialect(settings)
        if dialect.escape is None:
            return self._scanned(self._text(source, settings, dialect), dialect, settings)
        text, examination = rewritten(lines(source, settings.encoding), dialect)
        if examination.broken:
            raise DataError(self._problem(source, settings, examination))
        return self._scanned(text, Dialect(dialect.mark, header=dialect.header), settings)

    def mended(self, source: Source, settings: TableSettings) -> tuple[pl.LazyFrame, list[Problem]]:
        """Return the rows without the broken ones, and what says that those were left out."""
        dialect = self.dialect(settings)
        text, examination = rewritten(lines(source, settings.encoding), dialect)
        frame = self._scanned(text, Dialect(dialect.mark, header=dialect.header), settings)
        return frame, broken_problems(source, examination, "such lines were left out", dropped=True)

    def glance(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, uneven ones cut or filled and broken characters replaced."""
        dialect = self.dialect(settings)
        if settings.on_broken_line == "drop" or dialect.escape is not None:
            return self.mended(source, settings)[0]
        text = self._text(source, settings, dialect)
        return self._scanned(text, dialect, settings, tolerant=True)

    def _text(self, source: Source, settings: TableSettings, dialect: Dialect) -> Path | bytes:
        if len(dialect.separator) == 1:
            return text_of(source, settings.encoding)
        return transcoded(source, settings.encoding).replace(dialect.separator.encode(), JOINED.encode())

    def _scanned(
        self, text: Path | bytes, dialect: Dialect, settings: TableSettings, tolerant: bool = False
    ) -> pl.LazyFrame:
        frame = pl.scan_csv(
            text,
            separator=dialect.mark,
            quote_char=dialect.quote,
            has_header=dialect.header,
            new_columns=settings.columns or None,
            infer_schema=False,
            null_values=None if tolerant else settings.null_values or None,
            encoding="utf8-lossy" if tolerant or settings.encoding == "utf8-lossy" else "utf8",
            truncate_ragged_lines=tolerant,
            ignore_errors=tolerant,
            glob=False,
        )
        joined = dialect.mark == JOINED and dialect.quote is not None
        separator = self.dialect(settings).separator
        return (
            frame.with_columns(pl.all().str.replace_all(JOINED, separator, literal=True)) if joined else frame
        )

    def first_sight(
        self, source: Source, settings: TableSettings, head: bytes, tail: bytes
    ) -> Problem | None:
        """Refuse UTF-16 that is not read as such."""
        return None if settings.encoding == "utf16" else utf16_problem(source, head)

    def broken_rows(
        self, source: Source, settings: TableSettings, columns: int, rows: int, short: bool
    ) -> list[Problem]:
        """Look for rows that a scan fills up, merges or cuts silently; quick counts decide whether to look.

        A quote that is never closed merges lines, so that there are more lines than rows; a backslash before
        a quote ends the field for the engine.
        """
        dialect = self.dialect(settings)
        if rows == 0 and holds(source, b"\r") and not holds(source, b"\n"):
            return [old_line_ends(source)]
        if settings.on_broken_line == "drop" or dialect.escape is not None:
            return []
        if short and self._uneven(source, settings, dialect, columns):
            return self._looked(source, settings)
        if dialect.quote is None:
            return []
        count = scan_lines(source, settings.encoding).select(pl.len()).collect(engine="streaming").item()
        if count != rows + dialect.header and self._merges(source, settings, dialect, columns):
            return self._looked(source, settings)
        return self._looked(source, settings) if self._escaped(source, settings, dialect) else []

    def _uneven(self, source: Source, settings: TableSettings, dialect: Dialect, columns: int) -> bool:
        line = pl.col("line")
        bare, suspect = line, pl.lit(False)
        if dialect.quote is not None:
            sign = _escaped_sign(dialect.quote)
            bare = line.str.replace_all(f"{sign}[^{sign}]*{sign}", "")
            suspect = bare.str.contains(dialect.quote, literal=True)
        counts = bare.str.count_matches(dialect.separator, literal=True)
        return self._any(source, settings, suspect | (counts != columns - 1))

    def _merges(self, source: Source, settings: TableSettings, dialect: Dialect, columns: int) -> bool:
        """Return whether a line inside an open quote looks like a row of its own."""
        line = pl.col("line").fill_null("")
        quotes = line.str.count_matches(dialect.quote or "", literal=True)
        inside = (quotes.cum_sum().shift(1, fill_value=0) % 2) == 1
        alone = line.str.count_matches(dialect.separator, literal=True) == columns - 1
        return self._any(source, settings, inside & alone)

    def _escaped(self, source: Source, settings: TableSettings, dialect: Dialect) -> bool:
        if dialect.quote != '"' or settings.encoding == "utf16" or not holds(source, _ESCAPED):
            return False
        sign = _escaped_sign(dialect.mark)
        inner = pl.col("line").str.replace_all(r'""', "").str.contains(rf'\\"[^"{sign}]')
        return self._any(source, settings, inner)

    def _any(self, source: Source, settings: TableSettings, suspect: pl.Expr) -> bool:
        looked = scan_lines(source, settings.encoding).select(suspect.fill_null(False).any())
        return bool(looked.collect(engine="streaming").item())

    def _looked(self, source: Source, settings: TableSettings) -> list[Problem]:
        """Read line by line and report what is broken."""
        examination = examined(lines(source, settings.encoding), self.dialect(settings))
        return self._problem(source, settings, examination)

    def _problem(self, source: Source, settings: TableSettings, examination: Examination) -> list[Problem]:
        read = partial(lines, source, settings.encoding)
        return broken_problems(source, examination, remedy_for(read, self.dialect(settings), examination))

    def diagnose(self, source: Source, settings: TableSettings) -> list[Problem]:
        """Look for the broken rows."""
        names = self._names_problem(source, settings)
        if names is not None:
            return [names]
        look = partial(self._looked, settings=settings)
        return diagnose_text(source, settings.encoding, settings.header, look)

    def _names_problem(self, source: Source, settings: TableSettings) -> Problem | None:
        if not settings.columns:
            return None
        dialect = self.dialect(settings)
        first = next(lines(source, settings.encoding), "")
        width = len(dialect.joined(first).split(dialect.mark))
        if width == len(settings.columns):
            return None
        return Problem(
            "'columns' does not name the columns of the file",
            f"{width} names, as the first row has fields",
            f"{len(settings.columns)} names: {shown(', '.join(settings.columns), 120)}",
            "name every column, in order",
            file=source.shown,
            key="columns",
        )


class Tsv(Csv):
    """Fields between tabs."""

    endings: ClassVar[tuple[str, ...]] = (".tsv", ".tab")
    separator: ClassVar[str] = "\t"


def _escaped_sign(sign: str) -> str:
    return "\\" + sign if not sign.isalnum() and sign.isascii() and sign.isprintable() else sign
