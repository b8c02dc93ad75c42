"""JSON Lines: one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.encodings import UTF8_MARK, transcoded
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.source import Source
from polyscene.data.tables.text_files import diagnose_text, head_of, lines, text_of, utf16_problem

GLANCED_ROWS = 5_000
"""From which a glance takes the types."""
MAX_NAMED_LINES = 8


class JsonLines(TableFormat):
    """Columns are the keys of the objects."""

    endings: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".json")
    by_lines: ClassVar[bool] = True

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, with types that fit every one of them."""
        if settings.encoding == "utf8" and head_of(source, 3) == UTF8_MARK:
            return pl.scan_ndjson(transcoded(source, "utf8"), infer_schema_length=None)
        plain = settings.encoding == "utf8"
        data = text_of(source, "utf8") if plain else transcoded(source, settings.encoding)
        return pl.scan_ndjson(data, infer_schema_length=None)

    def glance(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, with the types of the first ones, values of other types left out."""
        if settings.on_broken_line == "drop":
            return self.mended(source, settings)[0]
        if settings.encoding != "utf8" or head_of(source, 3) == UTF8_MARK:
            return self.scan(source, settings)
        return pl.scan_ndjson(source.data, infer_schema_length=GLANCED_ROWS, ignore_errors=True)

    def mended(self, source: Source, settings: TableSettings) -> tuple[pl.LazyFrame, list[Problem]]:
        """Return the rows without the broken lines, and what says that those were left out."""
        faults = list(_broken(lines(source, settings.encoding)))
        wrong = {fault.line for fault in faults}
        texts = enumerate(lines(source, settings.encoding), start=1)
        sound = [line for number, line in texts if number not in wrong and line.strip()]
        frame = pl.scan_ndjson("\n".join(sound).encode(), infer_schema_length=None)
        total = len(sound) + len(faults)
        return frame, broken_lines(source, faults, "such lines were left out", total, dropped=True)

    def seen(self, head: bytes) -> str | None:
        """Tell a JSON list and lines of Python dictionaries by how they begin."""
        start = head.removeprefix(UTF8_MARK).lstrip()
        if start.startswith(b"["):
            return "json"
        after = start[1:].lstrip()
        return "python" if start.startswith(b"{") and after.startswith((b"'", b"u'", b'u"')) else None

    def first_sight(
        self, source: Source, settings: TableSettings, head: bytes, tail: bytes
    ) -> Problem | None:
        """Refuse UTF-16 that is not read as such."""
        return None if settings.encoding == "utf16" else utf16_problem(source, head)

    def diagnose(self, source: Source, settings: TableSettings) -> list[Problem]:
        """Look for lines that are no objects."""
        return diagnose_text(source, settings.encoding, False, partial(_bad_json, settings=settings))


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is no row.

    Attributes:
        line: its number, from 1.
        row: its place among the lines that are not empty, from 1.
        found: what is wrong with it.
    """

    line: int
    row: int
    found: str


def broken_lines(
    source: Source,
    faults: list[Fault],
    remedy: str,
    rows: int,
    dropped: bool = False,
    expected: tuple[str, str] = ("a line is not a JSON object", "one {…} per line"),
) -> list[Problem]:
    """Return the problem of lines that are no rows, with the numbers of the first of them.

    Args:
        source: the file.
        faults: in the order of the file.
        remedy: what to do.
        rows: lines that are not empty.
        dropped: whether the lines were left out as asked.
        expected: what is wrong, and what a line should be.
    """
    if not faults:
        return []
    others = ", ".join(f"{fault.line:,}" for fault in faults[1:MAX_NAMED_LINES])
    more = ", …" if len(faults) > MAX_NAMED_LINES else ""
    problem = Problem(
        *expected,
        faults[0].found + (f"; also lines {others}{more}" if others else ""),
        remedy,
        file=source.shown,
        row=faults[0].row,
        count=len(faults),
        severity="repaired" if dropped else "error",
    )
    return [weighed(problem, rows)]


def _bad_json(source: Source, settings: TableSettings) -> list[Problem]:
    faults = list(_broken(lines(source, settings.encoding)))
    remedy = 'mend or remove the line, or set on_broken_line = "drop" to leave such lines out'
    return broken_lines(source, faults, remedy, 0)


def _broken(texts: Iterable[str]) -> Iterator[Fault]:
    row = 0
    for number, line in enumerate(texts, start=1):
        if number == 1:
            line = line.removeprefix("\ufeff")
        if not line.strip():
            continue
        row += 1
        complaint = _json_complaint(line)
        if complaint is not None:
            yield Fault(number, row, f"line {number:,}: {complaint}: {shown(line)}")


def _json_complaint(line: str) -> str | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return str(error) or "nested too deeply"
    return None if isinstance(value, dict) else f"a {type(value).__name__}"
