"""What a public set is: where it comes from, what it consists of, and how it becomes plain tables.

Nothing is fetched here; see `fetch`. A set never changes the files it is given.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from polyscene.core.clock import SECOND
from polyscene.core.errors import DataError, Problem
from polyscene.core.files import replacing, write_text
from polyscene.core.progress import Progress, Silent
from polyscene.core.text import shown

_DEPTH = 3
_MAX_FOLDERS = 5_000


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip file that its publisher names together with a checksum.

    Attributes:
        url: https address.
        digest: the checksum in hexadecimal.
        algorithm: "md5" or "sha256", as the publisher gives it.
        most_bytes: a larger file is refused while it is read.
        most_unpacked: more than this many bytes are not unpacked.
        folder: the folder inside, which holds the files.
    """

    url: str
    digest: str
    most_bytes: int
    most_unpacked: int
    folder: str
    algorithm: str = "md5"


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A data set as it is published.

    Attributes:
        name: how `polyscene init --from` calls it.
        title: its full name.
        homepage: where it is described and can be had.
        licence: in short; the publisher's own words decide.
        citation: what to cite.
        files: what is expected in the folder, as a person would look for it.
        convert: reads a folder as published, writes Parquet tables into another and returns the settings
            that describe them, as TOML.
        archive: what `download` may fetch; None where no trustworthy checksum is known.
    """

    name: str
    title: str
    homepage: str
    licence: str
    citation: str
    files: tuple[str, ...]
    convert: Callable[[Path, Path, Progress], str]
    archive: Archive | None = None

    def prepare(self, source: Path, out: Path, progress: Progress | None = None) -> Path:
        """Convert the published files in `source` into plain tables in `out`.

        Args:
            source: the folder with the published files, or a folder that holds that folder.
            out: where tables and `polyscene.toml` are written; made where it is not there.
            progress: who listens.

        Returns:
            The path of the written `polyscene.toml`.

        Raises:
            DataError: a file is missing or not as published, or `out` has a configuration already.
        """
        target = out / "polyscene.toml"
        if target.exists():
            found = "a polyscene.toml from before"
            raise DataError(
                Problem("this folder is taken", "a new folder", found, "name another", file=str(target))
            )
        if not source.is_dir():
            raise self._missing(source, "a file" if source.exists() else "nothing at this path", self.files)
        out.mkdir(parents=True, exist_ok=True)
        try:
            body = self.convert(source, out, progress or Silent())
        except MissingFileError as error:
            raise self._missing(source, _listing(source), [error.pattern]) from None
        except (PolarsError, UnicodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self._garbled(source, error) from error
        write_text(target, self._head() + body)
        return target

    def _head(self) -> str:
        return f"# {self.title}\n# {self.homepage}\n# Licence: {self.licence}\n# Cite: {self.citation}\n\n"

    def _missing(self, source: Path, found: str, wanted: Iterable[str]) -> DataError:
        remedy = f"get {self.title} from {self.homepage}, unpack it, and name that folder"
        return DataError(
            Problem("a published file is missing", ", ".join(wanted), found, remedy, file=str(source))
        )

    def _garbled(self, source: Path, error: Exception) -> DataError:
        expected = f"the files of {self.title} as published: " + ", ".join(self.files)
        remedy = f"get them again from {self.homepage}"
        return DataError(
            Problem(
                "a file is not laid out as published",
                expected,
                shown(str(error), 200),
                remedy,
                file=str(source),
            )
        )


class MissingFileError(Exception):
    """A converter did not find one of its files; `PublicSet.prepare` says so with the set's words."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        super().__init__(pattern)


def find(source: Path, *patterns: str) -> Path:
    """Return the first file, nearest to `source`, that matches one of `patterns` (globs on the name).

    Raises:
        MissingFileError: there is none.
    """
    for path in find_all(source, *patterns):
        return path
    raise MissingFileError(" or ".join(patterns))


def find_all(source: Path, *patterns: str) -> list[Path]:
    """Return the files in `source`, and to three folders below it, that match; nearest first."""
    level, files = [source], []
    for _ in range(_DEPTH + 1):
        for folder in level:
            for pattern in patterns:
                files += sorted(path for path in folder.glob(pattern) if path.is_file())
        level = [child for folder in level for child in sorted(folder.iterdir()) if _enter(child)][
            :_MAX_FOLDERS
        ]
    return list(dict.fromkeys(files))


def _enter(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not path.name.startswith((".", "__"))


def _listing(source: Path) -> str:
    names = sorted(path.name for path in source.iterdir())
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(shown(name, 40) for name in names[:8]) + more) if names else "an empty folder"


def write(frame: pl.DataFrame | pl.LazyFrame, path: Path) -> None:
    """Write a Parquet file; it appears under its name only when it is whole."""
    with replacing(path) as partial:
        frame.lazy().sink_parquet(partial)


def read_text_table(
    data: Path | bytes, separator: str, names: Iterable[str] | None = None, quoted: bool = True
) -> pl.LazyFrame:
    """Open a text table with every column as text; `names` are those of a table without a header."""
    named = None if names is None else list(names)
    return pl.scan_csv(
        data,
        separator=separator,
        has_header=named is None,
        new_columns=named,
        infer_schema=False,
        quote_char='"' if quoted else None,
        encoding="utf8-lossy",
    )


def demand(frame: pl.LazyFrame, columns: Iterable[str], path: Path) -> pl.LazyFrame:
    """Return `frame` if it has the columns.

    Raises:
        DataError: it has not.
    """
    there = frame.collect_schema().names()
    missing = [name for name in columns if name not in there]
    if missing:
        found = "columns " + shown(", ".join(there), 200)
        remedy = "name the folder with the files as published"
        raise DataError(
            Problem("a published column is missing", ", ".join(missing), found, remedy, file=path.name)
        )
    return frame


def epoch(column: str) -> pl.Expr:
    """Return seconds since 1970, as text or number, as a time stamp in UTC."""
    return (pl.col(column).cast(pl.Int64) * SECOND).cast(pl.Datetime("us"))


def content_ids(frame: pl.DataFrame, columns: Iterable[str]) -> pl.Series:
    """Return an id for each row that depends on what stands in `columns` alone, on every machine."""
    rows = frame.select(columns).iter_rows()
    digests = (hashlib.sha256(json.dumps(row).encode()).hexdigest() for row in rows)
    return pl.Series([digest[:16] for digest in digests], dtype=pl.String)


def toml_list(names: Iterable[str]) -> str:
    """Return plain names as a TOML list."""
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def key_of(name: str) -> str:
    """Return a file's or folder's name as a scenario's."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "main"
