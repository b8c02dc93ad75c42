"""RecBole's atomic files: values between tabs, under a header that names each column and its type."""

from __future__ import annotations

import re
from typing import ClassVar

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.data.tables.delimited import Csv
from polyscene.data.tables.source import Source

_TYPE = re.compile(r":(?:token|float)(?:_seq)?$")


class Atomic(Csv):
    """Columns go by their names without the type: `user_id:token` is `user_id`. Quotes are plain."""

    endings: ClassVar[tuple[str, ...]] = (".inter", ".item", ".user")
    separator: ClassVar[str] = "\t"
    quote: ClassVar[str | None] = None

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, all text."""
        return _untyped(super().scan(source, settings))

    def glance(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows, uneven ones cut or filled and broken characters replaced."""
        return _untyped(super().glance(source, settings))

    def mended(self, source: Source, settings: TableSettings) -> tuple[pl.LazyFrame, list[Problem]]:
        """Return the rows without the broken ones, and what says that those were left out."""
        frame, problems = super().mended(source, settings)
        return _untyped(frame), problems


def _untyped(frame: pl.LazyFrame) -> pl.LazyFrame:
    names = frame.collect_schema().names()
    bare = [_TYPE.sub("", name) for name in names]
    return frame if len(set(bare)) < len(names) else frame.rename(dict(zip(names, bare, strict=True)))
