"""CSV and TSV: rows of fields between separators, under a header. Every value is text."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from typing import ClassVar

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.source import Source
from polyscene.data.tables.text_files import diagnose_text, lines, scan_lines, transcoded, utf16_problem


class Csv(TableFormat):
    """Fields between commas, or what `separator` says."""

    endings: ClassVar[tuple[str, ...]] = (".csv",)
    untyped: ClassVar[bool] = True
    separator: ClassVar[str] = ","

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, all text."""
        return pl.scan_csv(
            transcoded(source, "latin1") if settings.encoding == "latin1" else source.path,
            separator=self.separator_of(settings),
            infer_schema=False,
            null_values=settings.null_values or None,
            encoding="utf8" if settings.encoding == "latin1" else settings.encoding,
            glob=False,
        )

    def glance(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, uneven ones cut or filled and broken characters replaced."""
        return pl.scan_csv(
            source.path,
            separator=self.separator_of(settings),
            infer_schema=False,
            encoding="utf8-lossy",
            truncate_ragged_lines=True,
            ignore_errors=True,
            glob=False,
        )

    def separator_of(self, settings: TableSettings) -> str:
        """Return what stands between the fields."""
        return settings.separator or self.separator

    def first_sight(self, source: Source, head: bytes, tail: bytes) -> Problem | None:
        """Refuse UTF-16."""
        return utf16_problem(source, head)

    def uneven_rows(self, source: Source, settings: TableSettings, columns: int) -> Problem | None:
        """Look for uneven rows; a quick count of separators decides whether the slow look is worth it."""
        line, separator = pl.col("line"), self.separator_of(settings)
        bare = line.str.replace_all(r'"[^"]*"', "")
        suspect = bare.str.contains('"') | (bare.str.count_matches(separator, literal=True) != columns - 1)
        suspects = scan_lines(source).select(suspect.fill_null(False).any())
        return _uneven(source, separator) if suspects.collect(engine="streaming").item() else None

    def diagnose(self, source: Source, settings: TableSettings) -> Problem | None:
        """Look for the first broken row."""
        look = partial(_uneven, separator=self.separator_of(settings))
        return diagnose_text(source, settings.encoding, True, look)


class Tsv(Csv):
    """Fields between tabs."""

    endings: ClassVar[tuple[str, ...]] = (".tsv", ".tab")
    separator: ClassVar[str] = "\t"


def _uneven(source: Source, separator: str) -> Problem | None:
    """Read the file as the standard says and report rows whose length differs from the header's."""
    reader = csv.reader((line + "\n" for line in lines(source)), delimiter=separator, strict=True)
    first: Problem | None = None
    count = row = 0
    try:
        header = next(reader, [])
        for fields in reader:
            row += 1
            if fields and len(fields) != len(header):
                count += 1
                first = first or _uneven_row(source, reader.line_num, row, fields, header)
    except csv.Error as error:
        if "field larger" in str(error):  # the standard reader's own limit, no fault of the file
            return first
        return Problem(
            "a quote is never closed or stands where none may stand",
            "quotes around whole fields, doubled inside them",
            f"near line {reader.line_num:,}: {error}",
            "mend the quotes in that line",
            file=source.shown,
            row=row + 1,
        )
    return None if first is None else replace(first, count=count)


def _uneven_row(source: Source, line: int, row: int, fields: list[str], header: list[str]) -> Problem:
    return Problem(
        "a row has too many fields" if len(fields) > len(header) else "a row has too few fields",
        f"{len(header)} fields, as in the header",
        f"{len(fields)} fields in line {line:,}: {shown(fields)}",
        "mend the row; put quotes around fields that contain the separator",
        file=source.shown,
        row=row,
    )
