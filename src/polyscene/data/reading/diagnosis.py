"""Why a file cannot be read: the first broken place, in words a person can act on.

Slow and thorough, and only run on files that already failed. Memory stays within one copy of the text.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.sources import Source, separator_of

TROUBLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""Everything the engine throws at files it cannot read."""

_SLICE = 100_000
_NO_SEPARATOR = "\x01"


def diagnosed(source: Source, settings: TableSettings, error: BaseException) -> Problem:
    """Return the problem behind `error`, which the engine met while reading `source`."""
    trouble = None
    if source.format in ("csv", "tsv", "jsonl"):
        trouble = _text_trouble(source, separator_of(source, settings), settings.encoding)
    return trouble or _plain(source, error)


def uneven_rows(source: Source, separator: str, columns: int) -> Problem | None:
    """Look for rows with fewer or more fields than the header, which some readers fill up silently.

    A quick count of separators decides whether the slow look is worth it.
    """
    line = pl.col("line")
    bare = line.str.replace_all(r'"[^"]*"', "")
    suspect = bare.str.contains('"') | (bare.str.count_matches(separator, literal=True) != columns - 1)
    if not _scan_lines(source).select(suspect.fill_null(False).any()).collect(engine="streaming").item():
        return None
    return _uneven(source, separator)


def _plain(source: Source, error: BaseException) -> Problem:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return Problem(
        "the file is damaged or is not what its name says",
        f"a whole {source.format} file",
        shown(text, 200),
        "copy or write the file again, or set 'format'",
        file=source.shown,
    )


def _text_trouble(source: Source, separator: str, encoding: str) -> Problem | None:
    try:
        if encoding == "utf8":
            broken = _broken_utf8(source)
            if broken is not None:
                return broken
        if source.format == "jsonl":
            return _bad_json(source)
        return _uneven(source, separator)
    except TROUBLE as error:
        if source.compression is None:
            return _plain(source, error)
        return Problem(
            "the packed file is cut off or damaged",
            f"a whole .{source.compression} file",
            str(error).splitlines()[0],
            "copy or pack the file again",
            file=source.shown,
        )


def _scan_lines(source: Source) -> pl.LazyFrame:
    """Return the lines of a text file in a column `line`, whatever its packing; empty lines are null."""
    return pl.scan_csv(
        source.path,
        has_header=False,
        separator=_NO_SEPARATOR,
        quote_char=None,
        encoding="utf8-lossy",
        infer_schema=False,
        new_columns=["line"],
    )


def _lines(source: Source) -> Iterator[str]:
    lines = _scan_lines(source).collect(engine="streaming").to_series()
    for start in range(0, len(lines), _SLICE):
        for line in lines.slice(start, _SLICE).to_list():
            yield "" if line is None else line


def _broken_utf8(source: Source) -> Problem | None:
    broken = (
        _scan_lines(source)
        .with_row_index("place", offset=1)
        .filter(pl.col("line").str.contains("\ufffd", literal=True))
        .select(pl.len().alias("count"), pl.col("place").first(), pl.col("line").first())
        .collect(engine="streaming")
        .row(0, named=True)
    )
    if not broken["count"]:
        return None
    header = source.format != "jsonl"
    return Problem(
        "the text is not UTF-8",
        "UTF-8",
        f"line {broken['place']:,}: {shown(broken['line'])}",
        'save the file as UTF-8, or set encoding = "latin1" ("utf8-lossy" replaces what is broken)',
        file=source.shown,
        row=(broken["place"] - header) or None,
        count=broken["count"],
    )


def _bad_json(source: Source) -> Problem | None:
    first: Problem | None = None
    count = row = 0
    for number, line in enumerate(_lines(source), start=1):
        if not line.strip():
            continue
        row += 1
        complaint = _json_complaint(line)
        if complaint is not None:
            count += 1
            first = first or Problem(
                "a line is not a JSON object",
                "one {…} per line",
                f"line {number:,}: {complaint}: {shown(line)}",
                "mend or remove the line; a JSON list must be written as one object per line",
                file=source.shown,
                row=row,
            )
    return None if first is None else replace(first, count=count)


def _json_complaint(line: str) -> str | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return str(error) or "nested too deeply"
    return None if isinstance(value, dict) else f"a {type(value).__name__}"


def _uneven(source: Source, separator: str) -> Problem | None:
    """Read the file as the standard says and report rows whose length differs from the header's."""
    reader = csv.reader((line + "\n" for line in _lines(source)), delimiter=separator, strict=True)
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
