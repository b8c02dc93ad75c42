"""JSON Lines: one object per line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.source import Source
from polyscene.data.tables.text_files import diagnose_text, lines, transcoded, utf16_problem

GLANCED_ROWS = 5_000
"""From which a glance takes the types."""


class JsonLines(TableFormat):
    """Columns are the keys of the objects."""

    endings: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".json")

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, with types that fit every one of them."""
        data = source.path if settings.encoding == "utf8" else transcoded(source, settings.encoding)
        return pl.scan_ndjson(data, infer_schema_length=None)

    def glance(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, with the types of the first ones, values of other types left out."""
        return pl.scan_ndjson(source.path, infer_schema_length=GLANCED_ROWS, ignore_errors=True)

    def first_sight(self, source: Source, head: bytes, tail: bytes) -> Problem | None:
        """Refuse UTF-16."""
        return utf16_problem(source, head)

    def diagnose(self, source: Source, settings: TableSettings) -> Problem | None:
        """Look for the first line that is no object."""
        return diagnose_text(source, settings.encoding, False, _bad_json)


def _bad_json(source: Source) -> Problem | None:
    first: Problem | None = None
    count = row = 0
    for number, line in enumerate(lines(source), start=1):
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
