"""Tables as they lie on disk: which files, how they are written, and a bounded look into each.

Nothing here knows what a column means; that is `columns` and `roles`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import one_line, shown
from polyscene.data.drafting.columns import Column, as_ids, id_of, profile
from polyscene.data.drafting.dialects import HEAD_BYTES, reading_of, size
from polyscene.data.tables.archives import archive_of
from polyscene.data.tables.columns import Need, converted, named_in
from polyscene.data.tables.formats import format_of, formats_by_ending
from polyscene.data.tables.lists import label_texts
from polyscene.data.tables.source import Source
from polyscene.data.tables.sources import first_sight, kind_of, recognised
from polyscene.data.tables.text_files import head_of

SAMPLE_ROWS = 50_000
FULL_SCAN_BYTES = 512 * 2**20
_COUNTING = re.compile(
    r"\d+|(?<![a-z])(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|q(?=\d)|part)(?![a-z])",
    re.IGNORECASE,
)
"""What tells files of one table apart: numbers, months, quarters, parts."""
_ALIKE = 0.75
"""The share of all columns that files of one table have in common."""


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
        reasons: why its settings are what they are, by key.
    """

    sources: tuple[Source, ...]
    settings: TableSettings
    sample: pl.DataFrame
    complete: bool
    part: str | None = None
    notes: tuple[str, ...] = field(default=())
    reasons: Mapping[str, str] = field(default_factory=dict)

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
        return self.sources[0].shown + more + part

    @cached_property
    def rows_about(self) -> int | None:
        """How many rows it has, counted or told by the length of its first lines; None where not known."""
        if self.complete:
            return self.sample.height
        counts = [_rows_about(source) for source in self.sources]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def looked_at(self) -> str | None:
        """What of it was looked at; None where everything was."""
        if self.complete:
            return None
        whole = "" if self.rows_about is None else f" of about {self.rows_about:,}"
        return f"the first {self.sample.height:,}{whole} rows"

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
        return sum(size(source) for source in self.sources) <= FULL_SCAN_BYTES

    def distinct(self, column: str, most: int) -> list[str]:
        """Return up to `most + 1` different values of a column, as text, over the whole table if small."""
        if self.complete or not self.small:
            return _texts(self.sample[column].unique(maintain_order=True).head(most + 1))
        frames = [frame.select(column) for frame in self._frames]
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
        frames = [frame.select(column) for frame in self._frames]
        whole = pl.concat(frames).select(id_of(column)).unique()
        return whole.filter(pl.col(column).is_in(values.implode())).collect().height / len(values)

    @cached_property
    def _frames(self) -> list[pl.LazyFrame]:
        """The whole files; what has to be written anew for the engine is written once."""
        return list(self._glances())

    def _glances(self) -> Iterator[pl.LazyFrame]:
        for source in self.sources:
            frame = format_of(source).glance(source, self.settings)
            fills = self.settings.zero_fill.items()
            yield frame.with_columns(id_of(name).str.zfill(width) for name, width in fills)


def _rows_about(source: Source) -> int | None:
    if source.format == "parquet" and source.archive is None:
        return int(pl.scan_parquet(source.path).select(pl.len()).collect().item())
    if source.compression is not None or not format_of(source).by_lines:
        return None
    head = head_of(source, HEAD_BYTES)
    return round(size(source) * head.count(b"\n") / len(head)) if head else None


def stem(path: Path) -> str:
    """Return a file's name without endings, numbers and months: `part-0001.csv.gz` is `part-`."""
    return _COUNTING.sub("", path.name.split(".")[0])


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
        except DataError as error:
            if kind_of(path)[0] is None:
                raise
            notes.append(f"{shown(path.name)} cannot be read: {_told(error.problems[0])}")
            continue
        except (PolarsError, PanicException, OSError, EOFError, UnicodeError) as error:
            notes.append(f"{shown(path.name)} cannot be read: {one_line(error, 160)}")
            continue
        for table in looked:
            if table.sample.is_empty():
                notes.append(f"{shown(table.name)} has no rows")
            else:
                _add(tables, table)
    return tables, notes


def _told(problem: Problem) -> str:
    row = "" if problem.row is None or "line" in problem.found else f" in row {problem.row:,}"
    times = f" ({problem.count:,} times)" if problem.count > 1 else ""
    return f"{problem.what}{row}{times}: {problem.found}; {problem.remedy}"


def _room(tables: Sequence[Table], path: Path) -> int:
    """Return how many rows of a file to look at: the more parts a table has, the fewer of the later ones."""
    alike = [t for t in tables if (t.paths[0].parent, stem(t.paths[0])) == (path.parent, stem(path))]
    return max(1, SAMPLE_ROWS - max((table.sample.height for table in alike), default=0))


def _add(tables: list[Table], table: Table) -> None:
    """Append a table, or join it to one of the same folder, make and columns."""
    for place, other in enumerate(tables):
        settings = _joined_settings(other, table)
        columns = _common(other, table)
        if settings is not None and columns and _same_make(other, table):
            room = max(0, SAMPLE_ROWS - other.sample.height)
            tables[place] = replace(
                other,
                sources=(*other.sources, *table.sources),
                settings=settings,
                reasons={**table.reasons, **other.reasons},
                sample=pl.concat([t.select(columns) for t in (other.sample, table.sample.head(room))]),
                complete=other.complete and table.complete and table.sample.height <= room,
                notes=tuple(dict.fromkeys((*other.notes, *table.notes, *_rare(other, table, columns)))),
            )
            return
    tables.append(table)


def _common(one: Table, other: Table) -> list[str]:
    """Return the columns of both tables, which may be two files of one; none where they are too different."""
    mine, theirs = dict(one.sample.schema), dict(other.sample.schema)
    both = [name for name in mine if mine[name] == theirs.get(name)]
    return both if len(both) >= _ALIKE * len({*mine, *theirs}) else []


def _rare(one: Table, other: Table, columns: Sequence[str]) -> Iterator[str]:
    """Say which columns only some files of a table have."""
    rare = [name for name in {**one.columns, **other.columns} if name not in columns]
    if rare:
        names = ", ".join(shown(name, 40) for name in rare)
        yield f"{shown(one.sources[0].shown)} and {shown(other.name)} differ in {names}: not used"


def _joined_settings(one: Table, other: Table) -> TableSettings | None:
    """Return settings that read the files of both tables; None where there are none."""
    tables = (one, other)
    encodings = {table.settings.encoding for table in tables if not _is_ascii(table)}
    if len(encodings) > 1 and encodings != {"latin1", "cp1252"}:
        return None
    lenient = any(table.settings.on_broken_line == "drop" for table in tables)
    update = {
        "encoding": min(encodings, default="utf8"),  # cp1252 reads what latin1 does
        "on_broken_line": "drop" if lenient else "error",
        "path": one.settings.path,
    }
    mine, theirs = (table.settings.model_copy(update=update) for table in tables)
    return mine if mine == theirs else None


def _is_ascii(table: Table) -> bool:
    """Return whether every encoding reads a table alike, as far as it was looked at."""
    if table.settings.encoding != "utf8":
        return False
    texts = pl.col(pl.String)
    alike = table.sample.select((texts.str.len_bytes() == texts.str.len_chars()).all())
    return all(alike.row(0)) if alike.width else True


def _same_make(one: Table, other: Table) -> bool:
    """Return whether two tables are files of the same folder, name and format."""
    first, second = one.sources[0], other.sources[0]
    same_place = (first.path.parent, stem(first.path)) == (second.path.parent, stem(second.path))
    return same_place and first.format == second.format and one.part is None and other.part is None


def _looks(path: Path, rows: int) -> Iterator[Table]:
    """Look into a file: at one table, or at each that it holds.

    Raises:
        DataError: the file's name is not one of a table, or its content cannot be read.
        OSError: the file is not what its name says.
    """
    name, compression = kind_of(path)
    if name is None:
        raise DataError(
            Problem(
                "this is not a table",
                "a file ending in " + ", ".join(formats_by_ending()) + ", perhaps with .gz, .zst or .zip",
                shown(path.name),
                "export the table to one of these, or name another file",
                file=str(path),
            )
        )
    archive = archive_of(path)
    shown_as = path.name if archive is None else str(path.relative_to(archive.parent))
    source = recognised(Source(path, shown_as, name, compression, archive))
    problem = first_sight(source, TableSettings(path=path.name, encoding="utf16"))
    if problem is not None:
        raise DataError(problem)
    parts = format_of(source).parts(source)
    if not parts:
        yield _look(source, None, {}, rows)
    for part, settings in parts.items():
        yield _look(source, part, settings, rows)


def _look(source: Source, part: str | None, settings: Mapping[str, str], rows: int) -> Table:
    reading = reading_of(source, dict(settings))
    kind = format_of(source)
    frame = kind.glance(source, reading.settings)
    if kind.untyped:  # empty and broken lines are no rows
        frame = frame.filter(pl.any_horizontal(pl.all().is_not_null()))
    sample = frame.head(rows + 1).collect()
    complete, sample = sample.height <= rows, _with_labels(sample.head(rows))
    return Table((source,), reading.settings, sample, complete, part, reading.notes, reading.reasons)


def _with_labels(sample: pl.DataFrame) -> pl.DataFrame:
    """Return a sample in which lists that are texts, or lists of objects, are written as people do."""
    labels = [
        converted(Need("", name, "text"), pl.col(name), dtype, loose=False).alias(name)
        for name, dtype in sample.schema.items()
        if named_in(dtype) is not None
    ]
    texts = [
        label_texts(sample[name]).rename(name)
        for name, dtype in sample.schema.items()
        if isinstance(dtype, pl.String)
    ]
    return sample.with_columns(*labels, *texts)


def _texts(values: pl.Series) -> list[str]:
    return [str(value) for value in values.drop_nulls().cast(pl.String, strict=False).drop_nulls().to_list()]
