"""JSON: one list of objects, which are the rows. It is read as a whole."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.encodings import transcoded
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.source import Source
from polyscene.data.tables.text_files import diagnose_text, utf16_problem


class JsonList(TableFormat):
    """Columns are the keys of the objects. A file named .json that begins with '[' is one."""

    endings: ClassVar[tuple[str, ...]] = ()

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, with types that fit every one of them."""
        return pl.read_json(transcoded(source, settings.encoding), infer_schema_length=None).lazy()

    def first_sight(
        self, source: Source, settings: TableSettings, head: bytes, tail: bytes
    ) -> Problem | None:
        """Refuse UTF-16 that is not read as such."""
        return None if settings.encoding == "utf16" else utf16_problem(source, head)

    def diagnose(self, source: Source, settings: TableSettings) -> list[Problem]:
        """Say where the list breaks off, or which of its members is no object."""

        def look(source: Source) -> list[Problem]:
            return _bad_list(source, transcoded(source, settings.encoding).decode("utf-8", "replace"))

        return diagnose_text(source, settings.encoding, False, look)


def _bad_list(source: Source, text: str) -> list[Problem]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        return [_problem(source, str(error) or "nested too deeply", None)]
    if not isinstance(rows, list):
        return [_problem(source, f"a {type(rows).__name__}", None)]
    wrong = [place for place, row in enumerate(rows, start=1) if not isinstance(row, dict)]
    return [_problem(source, _member(rows[wrong[0] - 1]), wrong[0], len(wrong))] if wrong else []


def _member(value: Any) -> str:  # noqa: ANN401 - whatever JSON held
    return f"a {type(value).__name__}: {shown(str(value))}"


def _problem(source: Source, found: str, row: int | None, count: int = 1) -> Problem:
    return Problem(
        "the file is not a JSON list of objects",
        "[{…}, {…}], or one {…} per line",
        found,
        "write it again, one object per row",
        file=source.shown,
        row=row,
        count=count,
    )
