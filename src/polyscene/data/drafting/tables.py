"""Tables as they lie on disk: which files, how they are written, and a bounded look into each.

Nothing here knows what a column means; that is `columns` and `roles`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableFormat
from polyscene.core.text import shown
from polyscene.data.drafting.columns import WHOLE, Column, as_ids, profile

SAMPLE_ROWS = 50_000
FULL_SCAN_BYTES = 512 * 2**20
MOST_FILES = 2_000
_ENDINGS: dict[str, TableFormat] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_NAMED_BY_ENDING = {".parquet", ".csv", ".tsv", ".jsonl"}
_PACKED = {".gz", ".zst"}
_SEPARATORS = (",", "\t", ";", "|")


@dataclass(frozen=True, eq=False)
class Table:
    """One table: one file, or several of the same make that are read as one.

    Attributes:
        paths: its files, in the order of their names.
        sample: the first rows, at most `SAMPLE_ROWS` of each of the first files.
        complete: whether the sample is the whole table.
        separator: what parts the columns of a CSV.
        latin1: whether the text is not UTF-8.
        notes: what is odd about the file.
    """

    paths: tuple[Path, ...]
    format: TableFormat
    sample: pl.DataFrame
    complete: bool
    separator: str | None = None
    latin1: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The file's name, or that of the first of several."""
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return self.paths[0].name + more

    @property
    def stem(self) -> str:
        """The file's name without its endings and counting numbers."""
        return stem(self.paths[0])

    @property
    def format_is_obvious(self) -> bool:
        """Whether the file's name says its format."""
        return _ending(self.paths[0]) in _NAMED_BY_ENDING

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
        frames = [_scan(path, self.format, self.separator).select(column) for path in self.paths]
        found = pl.concat(frames).unique().head(most + 1).collect()
        return sorted(_texts(found[column]))

    def holds(self, column: str, values: pl.Series) -> float:
        """Return the share of `values` (unique texts) that the column contains."""
        if values.is_empty():
            return 0.0
        mine = as_ids(self.sample[column].cast(pl.String, strict=False).unique())
        found = values.is_in(mine.implode())
        share = float(found.mean() or 0.0)  # type: ignore[arg-type]
        if share > 0.98 or share < 0.005 or self.complete or not self.small:
            return share
        frames = [_scan(path, self.format, self.separator).select(column) for path in self.paths]
        whole = (
            pl.concat(frames)
            .select(pl.col(column).cast(pl.String, strict=False).str.replace(WHOLE, "$1"))
            .unique()
        )
        return whole.filter(pl.col(column).is_in(values.implode())).collect().height / len(values)


def stem(path: Path) -> str:
    """Return a file's name without endings and counting numbers: `part-0001.csv.gz` is `part-`."""
    return re.sub(r"\d+", "", path.name.split(".")[0])


def table_files(path: Path) -> list[Path]:
    """Return the files directly in a folder, or the file itself, that are named like tables."""
    if path.is_file():
        return [path]
    found = (
        child for child in sorted(path.iterdir()) if child.is_file() and not child.name.startswith((".", "_"))
    )
    return [child for child in found if _ending(child) in _ENDINGS][:MOST_FILES]


def read_tables(files: Iterable[Path]) -> tuple[list[Table], list[str]]:
    """Look into files.

    Returns:
        the tables, files of the same make joined, and a note for each file that could not be used.
    """
    tables: list[Table] = []
    notes: list[str] = []
    for path in files:
        try:
            table = _look(path, _room(tables, path))
        except (PolarsError, OSError, UnicodeError) as error:
            notes.append(f"{shown(path.name)} cannot be read: {shown(str(error), 120)}")
            continue
        if table.sample.is_empty():
            notes.append(f"{shown(path.name)} has no rows")
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
        first, second = other.paths[0], table.paths[0]
        same_make = (first.parent, stem(first), other.format) == (second.parent, stem(second), table.format)
        if same_make and first.suffixes == second.suffixes and other.sample.schema == table.sample.schema:
            room = max(0, SAMPLE_ROWS - other.sample.height)
            tables[place] = Table(
                (*other.paths, second),
                other.format,
                pl.concat([other.sample, table.sample.head(room)]),
                other.complete and table.complete and table.sample.height <= room,
                other.separator,
                other.latin1 or table.latin1,
                other.notes,
            )
            return
    tables.append(table)


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _look(path: Path, rows: int) -> Table:
    kind = _ENDINGS.get(_ending(path))
    if kind is None:
        raise DataError(
            Problem(
                "this is not a table",
                "a file ending in .parquet, .csv, .tsv or .jsonl, perhaps with .gz or .zst",
                shown(path.name),
                "export the table to one of these, or name another file",
                file=str(path),
            )
        )
    separator = _separator(path) if kind == "csv" else "\t" if kind == "tsv" else None
    sample = _scan(path, kind, separator).head(rows + 1).collect()
    complete = sample.height <= rows
    text = kind in ("csv", "tsv")
    latin1 = text and _has_replacement(sample)
    notes = _header_notes(path, sample.columns) if text else ()
    return Table((path,), kind, sample.head(rows), complete, separator, latin1, notes)


def _scan(path: Path, kind: TableFormat, separator: str | None) -> pl.LazyFrame:
    """Open a table; all columns of a CSV are text, so that no id loses its zeros."""
    if kind == "parquet":
        return pl.scan_parquet(path, glob=False)
    if kind == "jsonl":
        return pl.scan_ndjson(path, infer_schema_length=5_000, ignore_errors=True)
    return pl.scan_csv(
        path,
        separator=separator or ",",
        infer_schema=False,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        ignore_errors=True,
        glob=False,
    )


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
