"""Lines of Python dictionaries, "{'user': 'u1', 'hours': 2.5}", as scripts print them: one row per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.json_lines import Fault, broken_lines
from polyscene.data.tables.literals import literal
from polyscene.data.tables.source import Source
from polyscene.data.tables.text_files import diagnose_text, lines, utf16_problem

_EXPECTED = ("a line is not a Python dictionary", "one {'name': value} of plain values per line")
_REMEDY = 'mend or remove the line, or set on_broken_line = "drop" to leave such lines out'


class PythonLines(TableFormat):
    """Columns are the keys of the dictionaries. A file named like JSON that begins with "{'" is one."""

    endings: ClassVar[tuple[str, ...]] = ()
    by_lines: ClassVar[bool] = True

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, with types that fit every one of them.

        Raises:
            DataError: lines are no dictionaries.
        """
        frame, problems = self._read(source, settings, dropped=False)
        if problems:
            raise DataError(problems)
        return frame

    def glance(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows that are dictionaries."""
        return self.mended(source, settings)[0]

    def mended(self, source: Source, settings: TableSettings) -> tuple[pl.LazyFrame, list[Problem]]:
        """Return the rows without the broken lines, and what says that those were left out."""
        return self._read(source, settings, dropped=True)

    def _read(
        self, source: Source, settings: TableSettings, dropped: bool
    ) -> tuple[pl.LazyFrame, list[Problem]]:
        faults: list[Fault] = []
        rows = [
            json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")
            for row in _rows(lines(source, settings.encoding), faults)
        ]
        remedy = "such lines were left out" if dropped else _REMEDY
        problems = broken_lines(source, faults, remedy, len(rows) + len(faults), dropped, _EXPECTED)
        return pl.scan_ndjson(b"\n".join(rows), infer_schema_length=None), problems

    def first_sight(
        self, source: Source, settings: TableSettings, head: bytes, tail: bytes
    ) -> Problem | None:
        """Refuse UTF-16 that is not read as such."""
        return None if settings.encoding == "utf16" else utf16_problem(source, head)

    def diagnose(self, source: Source, settings: TableSettings) -> list[Problem]:
        """Look for lines that are no dictionaries."""
        return diagnose_text(source, settings.encoding, False, partial(_bad_lines, settings=settings))


def _rows(texts: Iterator[str], faults: list[Fault]) -> Iterator[dict[str, Any]]:
    """Yield the dictionaries; lines that are none are added to `faults`."""
    row = 0
    for number, line in enumerate(texts, start=1):
        line = line.removeprefix("\ufeff")
        if not line.strip():
            continue
        row += 1
        try:
            value = literal(line)
        except ValueError as error:
            faults.append(Fault(number, row, f"line {number:,}: {error}: {shown(line)}"))
            continue
        if isinstance(value, dict):
            yield value
        else:
            faults.append(Fault(number, row, f"line {number:,}: a {type(value).__name__}: {shown(line)}"))


def _bad_lines(source: Source, settings: TableSettings) -> list[Problem]:
    faults: list[Fault] = []
    for _ in _rows(lines(source, settings.encoding), faults):
        pass
    return broken_lines(source, faults, _REMEDY, 0, expected=_EXPECTED)
