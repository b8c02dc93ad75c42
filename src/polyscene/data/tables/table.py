"""One table of the user's, however many files it is: only wanted columns, only wanted rows, lazily.

`rows` streams converted columns; `place` finds the file and row behind a position, for messages only.
`polyscene.data.tables.opening` opens tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.columns import Need, converted, number_remedy
from polyscene.data.tables.filters import Where, refused, typed
from polyscene.data.tables.formats import TROUBLE, diagnosed, format_of
from polyscene.data.tables.source import Source

ROW = "#row"


@dataclass(frozen=True)
class CellLocation:
    """Where a value stands: the file as the user named it, the 1-based data row if any, the value itself."""

    file: str
    row: int | None
    value: object

    @property
    def found(self) -> str:
        """The value, fit to be shown."""
        if self.value is None:
            return "nothing"
        return shown(self.value if isinstance(self.value, str | int | float) else str(self.value))


@dataclass(frozen=True, slots=True)
class MadeOf:
    """The rows that others were made of.

    Attributes:
        rows: how many there are.
        left_out: of them, those that could not be used.
    """

    rows: int
    left_out: int


@dataclass(frozen=True)
class OpenFile:
    """One file, ready to be scanned.

    Attributes:
        source: the file.
        scan: all its rows and columns.
        schema: the columns with their types.
        missing: texts that mean 'missing', where the reader has not seen to them.
        types: for text files, the types in which `where` sees columns.
        gaps: whether some rows are empty lines, which are no rows.
        troubled: text columns with ids of which some are padded, missing in words or cut.
        missing_words: what stands for a missing id in those, in lower case; such rows are left out.
        own: the columns that stand in the file, without those that the settings add.
        made: what the rows were made of, where lines of the file are not the rows; else None.
        lines_dropped: lines that are no rows and were left out as asked.
    """

    source: Source
    scan: pl.LazyFrame
    schema: Mapping[str, pl.DataType]
    missing: tuple[str, ...] = ()
    types: Mapping[str, pl.DataType] = field(default_factory=dict)
    gaps: bool = False
    troubled: tuple[str, ...] = ()
    missing_words: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    made: MadeOf | None = None
    lines_dropped: int = 0

    @property
    def loose(self) -> bool:
        """Whether all its values are text."""
        return format_of(self.source).untyped

    def present(self, numbered: bool = False) -> pl.LazyFrame:
        """Return all rows, empty lines left out."""
        frame = self.scan.with_row_index(ROW, offset=1) if numbered else self.scan
        own = self.own or tuple(self.schema)
        return frame.filter(pl.any_horizontal(pl.col(own).is_not_null())) if self.gaps else frame

    def with_ids(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return rows without those whose id is a word for 'missing'."""
        if not self.missing_words:
            return frame
        return frame.filter(~pl.any_horizontal(self._wordy(name) for name in self.troubled))

    def rows(self, needs: Iterable[Need], where: Where | None, numbered: bool = False) -> pl.LazyFrame:
        """Return the converted columns of the rows that `where` keeps, in the order of the file."""
        by_alias = {need.alias: replace(need, padded=need.column in self.troubled) for need in needs}
        wanted = dict.fromkeys(need.column for need in by_alias.values())
        frame = self.with_ids(self.present(numbered))
        tested = [] if where is None else [self._tested(name) for name in where.columns]
        frame = frame.select(
            *([ROW] if numbered else []),
            *(self._value(name).alias(f"raw {name}") for name in wanted),
            *tested,
        )
        if where is not None:
            frame = frame.filter(where.condition)
        return frame.select(
            *([ROW] if numbered else []),
            *(
                converted(need, pl.col(f"raw {need.column}"), self.schema[need.column], self.loose)
                for need in by_alias.values()
            ),
        )

    def _tested(self, name: str) -> pl.Expr:
        return typed(name, self.types[name]) if name in self.types else self._value(name)

    def _wordy(self, name: str) -> pl.Expr:
        bare = self._value(name).str.strip_chars().str.to_lowercase()
        return bare.is_in(list(self.missing_words)).fill_null(False)

    def _value(self, name: str) -> pl.Expr:
        value = pl.col(name)
        if self.missing and isinstance(self.schema[name], pl.String):
            return pl.when(~value.is_in(list(self.missing))).then(value).alias(name)
        return value


@dataclass(frozen=True)
class Table:
    """All files of one table.

    Attributes:
        settings: as the user wrote them.
        files: at least one.
        where: the condition that rows must meet.
        rows_counted: rows of the files, empty lines among them; 0 where nothing asked for it.
        remarks: what was mended or is odd, for whoever reads the table to pass on.
    """

    settings: TableSettings
    files: tuple[OpenFile, ...]
    where: Where | None
    rows_counted: int = 0
    remarks: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """What to call it in messages that concern no single row."""
        path = self.settings.path
        if len(self.files) == 1 and self.files[0].made is None:
            return self.files[0].source.shown
        return path if isinstance(path, str) else ", ".join(path)

    def rows(self, needs: Iterable[Need]) -> pl.LazyFrame:
        """Return the converted columns (see `columns.converted`), file after file, row after row."""
        needs = tuple(self._filled(need) for need in needs)
        return pl.concat([file.rows(needs, self.where) for file in self.files], how="vertical")

    def _filled(self, need: Need) -> Need:
        width = self.settings.zero_fill.get(need.column, 0) if need.kind in ("id", "ids") else 0
        return replace(need, width=width) if width else need

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Compute a plan over this table.

        Raises:
            DataError: a file turned out to be broken; every broken file is named.
        """
        try:
            return frame.collect(engine="streaming")
        except TROUBLE as error:
            raise DataError(self._broken(error)) from None

    def sample(self, column: str, rows: int = 10_000) -> pl.Series:
        """Return raw values from the first file that has any."""
        need = Need("", column, "raw")
        for file in self.files:
            values = self.collect(file.rows([need], self.where).head(rows)).to_series().drop_nulls()
            if len(values):
                return values
        return pl.Series(column, [], dtype=pl.Null)

    def place(self, position: int, column: str) -> CellLocation:
        """Return where the row at `position` (0-based, of those that `rows` gives) came from."""
        need = Need("", column, "raw")
        for file in self.files:
            rows = file.rows([need], self.where, numbered=True)
            row = self.collect(rows.slice(position, 1))
            if row.height:
                number, value = row.row(0)
                return CellLocation(file.source.shown, number if file.made is None else None, value)
            position -= int(self.collect(rows.select(pl.len())).item())
        raise IndexError(f"the table ends before position {position}; expected one that `rows` gave")

    def _broken(self, error: BaseException) -> list[Problem]:
        problems = []
        for file in self.files:
            try:
                file.scan.select(pl.all().null_count()).collect(engine="streaming")
            except TROUBLE as own:
                problems.extend(diagnosed(file.source, self.settings, own))
        if not problems and self.where is not None:  # the files are sound; what is done to them is not
            return [refused(self.where.text, self.name, str(error))]
        return problems or diagnosed(self.files[0].source, self.settings, error)


def stray_text(place: CellLocation, column: str, count: int) -> Problem:
    """Return the problem of text in a column of numbers."""
    return Problem(
        "text in a column of numbers",
        "a finite number, or nothing",
        place.found,
        number_remedy(place.value),
        file=place.file,
        row=place.row,
        column=column,
        count=count,
    )
