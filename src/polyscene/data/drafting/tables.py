"""Tables as they lie on disk: which files, how they are written, and a bounded look into each.

Nothing here knows what a column means; that is `columns` and `roles`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.drafting.columns import WHOLE, Column, as_ids, profile
from polyscene.data.tables.delimited import Csv, Tsv
from polyscene.data.tables.formats import format_of, formats_by_ending
from polyscene.data.tables.source import Source
from polyscene.data.tables.sources import first_sight, kind_of

SAMPLE_ROWS = 50_000
FULL_SCAN_BYTES = 512 * 2**20
MAX_FILES = 2_000
_SEPARATORS = (",", "\t", ";", "|")


@dataclass(frozen=True, eq=False)
class Table:
    """One table: one file, several of the same make that are read as one, or what a query yields of a file.

    Attributes:
        sources: its files, in the order of their names.
        settings: how they are read; its path counts for nothing.
        sample: the first rows, at most `SAMPLE_ROWS` of each of the first files.
        complete: whether the sample is the whole table.
        part: the name of the table within its file, where that holds several.
        notes: what is odd about the file.
    """

    sources: tuple[Source, ...]
    settings: TableSettings
    sample: pl.DataFrame
    complete: bool
    part: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its files, in the order of their names."""
        return tuple(source.path for source in self.sources)

    @property
    def key(self) -> tuple[object, ...]:
        """What no other table has."""
        return (self.paths, self.part)

    @property
    def name(self) -> str:
        """The file's name, or that of the first of several."""
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        part = "" if self.part is None else f", table {self.part}"
        return self.paths[0].name + more + part

    @property
    def stem(self) -> str:
        """The table's name without the endings and counting numbers of files."""
        return stem(self.paths[0]) if self.part is None else self.part

    @cached_property
    def columns(self) -> dict[str, Column]:
        """What each column of the sample looks like, by name."""
        return {name: profile(self.sample[name]) for name in self.sample.columns}

    @cached_property
    def small(self) -> bool:
        """Whether a column may be read to its end."""
        return sum(path.stat().st_size for path in self.paths) <= FULL_SCAN_BYTES

    def distinct(self, column: str, most: int) -> list[str]:
        """Return up to `most + 1` different values of a column, as text, over the whole table if small."""
        if self.complete or not self.small:
            return _texts(self.sample[column].unique(maintain_order=True).head(most + 1))
        frames = [frame.select(column) for frame in self._frames()]
        values = pl.concat(frames).unique().head(most + 1).collect()
        return sorted(_texts(values[column]))

    def holds(self, column: str, values: pl.Series) -> float:
        """Return the share of `values` (unique texts) that the column contains."""
        if values.is_empty():
            return 0.0
        mine = as_ids(self.sample[column].cast(pl.String, strict=False).unique())
        present = values.is_in(mine.implode())
        share = float(present.mean() or 0.0)  # type: ignore[arg-type]
        if share > 0.98 or share < 0.005 or self.complete or not self.small:
            return share
        frames = [frame.select(column) for frame in self._frames()]
        whole = (
            pl.concat(frames)
            .select(pl.col(column).cast(pl.String, strict=False).str.replace(WHOLE, "$1"))
            .unique()
        )
        return whole.filter(pl.col(column).is_in(values.implode())).collect().height / len(values)

    def _frames(self) -> Iterator[pl.LazyFrame]:
        for source in self.sources:
            yield format_of(source).glance(source, self.settings)


def stem(path: Path) -> str:
    """Return a file's name without endings and counting numbers: `part-0001.csv.gz` is `part-`."""
    return re.sub(r"\d+", "", path.name.split(".")[0])


def table_files(path: Path) -> list[Path]:
    """Return the files directly in a folder, or the file itself, that are named like tables."""
    if path.is_file():
        return [path]
    children = (
        child for child in sorted(path.iterdir()) if child.is_file() and not child.name.startswith((".", "_"))
    )
    return [child for child in children if kind_of(child)[0] is not None][:MAX_FILES]


def read_tables(files: Iterable[Path]) -> tuple[list[Table], list[str]]:
    """Look into files.

    Returns:
        the tables, files of the same make joined, and a note for each file that could not be used.
    """
    tables: list[Table] = []
    notes: list[str] = []
    for path in files:
        try:
            looked = list(_looks(path, _room(tables, path)))
        except (PolarsError, OSError, UnicodeError) as error:
            notes.append(f"{shown(path.name)} cannot be read: {shown(str(error), 120)}")
            continue
        for table in looked:
            if table.sample.is_empty():
                notes.append(f"{shown(table.name)} has no rows")
            else:
                _add(tables, table)
    return tables, notes


def _room(tables: Sequence[Table], path: Path) -> int:
    """Return how many rows of a file to look at: the more parts a table has, the fewer of the later ones."""
    alike = [t for t in tables if (t.paths[0].parent, stem(t.paths[0])) == (path.parent, stem(path))]
    return max(1, SAMPLE_ROWS - max((table.sample.height for table in alike), default=0))


def _add(tables: list[Table], table: Table) -> None:
    """Append a table, or join it to one of the same folder, make and columns."""
    for place, other in enumerate(tables):
        if _same_make(other, table) and other.sample.schema == table.sample.schema:
            room = max(0, SAMPLE_ROWS - other.sample.height)
            latin1 = "latin1" in (other.settings.encoding, table.settings.encoding)
            tables[place] = replace(
                other,
                sources=(*other.sources, *table.sources),
                settings=other.settings.model_copy(update={"encoding": "latin1" if latin1 else "utf8"}),
                sample=pl.concat([other.sample, table.sample.head(room)]),
                complete=other.complete and table.complete and table.sample.height <= room,
            )
            return
    tables.append(table)


def _same_make(one: Table, other: Table) -> bool:
    """Return whether two tables are files of the same folder, name and format."""
    first, second = one.sources[0], other.sources[0]
    same_place = (first.path.parent, stem(first.path)) == (second.path.parent, stem(second.path))
    same_format = (first.format, first.path.suffixes) == (second.format, second.path.suffixes)
    return same_place and same_format and one.part is None and other.part is None


def _looks(path: Path, rows: int) -> Iterator[Table]:
    """Look into a file: at one table, or at each that it holds.

    Raises:
        DataError: the file's name is not one of a table.
        OSError: the file is not what its name says.
    """
    name, compression = kind_of(path)
    if name is None:
        raise DataError(
            Problem(
                "this is not a table",
                "a file ending in " + ", ".join(formats_by_ending()) + ", perhaps with .gz or .zst",
                shown(path.name),
                "export the table to one of these, or name another file",
                file=str(path),
            )
        )
    source = Source(path, path.name, name, compression)
    problem = first_sight(source)
    if problem is not None:
        raise OSError(problem.what)
    queries = format_of(source).queries(source)
    if not queries:
        yield _look(source, None, None, rows)
    for part, query in queries.items():
        yield _look(source, part, query, rows)


def _look(source: Source, part: str | None, query: str | None, rows: int) -> Table:
    kind = format_of(source)
    separator = _separator(source.path) if isinstance(kind, Csv) and not isinstance(kind, Tsv) else None
    settings = TableSettings(
        path=source.path.name, query=query, separator=None if separator == "," else separator
    )
    sample = kind.glance(source, settings).head(rows + 1).collect()
    if kind.untyped and _has_replacement(sample):
        settings = settings.model_copy(update={"encoding": "latin1"})
    notes = _header_notes(source.path, sample.columns) if kind.untyped else ()
    return Table((source,), settings, sample.head(rows), sample.height <= rows, part, notes)


def _separator(path: Path) -> str:
    """Return the separator that parts the first lines most evenly."""
    lines = pl.scan_csv(
        path,
        separator="\x1f",
        quote_char=None,
        has_header=False,
        infer_schema=False,
        n_rows=20,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        glob=False,
    ).collect()
    texts = [re.sub(r'"[^"]*"', "", line) for line in _texts(lines.to_series())]
    header = texts[0] if texts else ""
    return max(_SEPARATORS, key=lambda mark: (header.count(mark), sum(t.count(mark) > 0 for t in texts)))


def _has_replacement(sample: pl.DataFrame) -> bool:
    texts = sample.select(pl.col(pl.String).str.contains("\ufffd", literal=True).any())
    return any(value for value in texts.row(0)) if texts.width else False


def _header_notes(path: Path, columns: Sequence[str]) -> tuple[str, ...]:
    if any(not name.strip() or re.fullmatch(r"[-+.\d\s:/]+", name) for name in columns[1:]):
        return (f"the first row of {shown(path.name)} looks like data, not like column names: add a header",)
    return ()


def _texts(values: pl.Series) -> list[str]:
    return [str(value) for value in values.drop_nulls().cast(pl.String, strict=False).drop_nulls().to_list()]
