"""Which files a table consists of, and what each of them claims to be.

Only names, sizes and first bytes are looked at here; `polyscene.data.tables.opening` opens the files.
"""

from __future__ import annotations

import difflib
import glob
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from polyscene.core.errors import DataError, Problem, shown
from polyscene.core.settings.tables import TableFormat, TableSettings

Compression = Literal["gz", "zst"]

_SUFFIXES: dict[str, TableFormat] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}
_COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".zst": "zst"}
_MAGIC: dict[Compression, bytes] = {"gz": b"\x1f\x8b", "zst": b"\x28\xb5\x2f\xfd"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a table.

    Attributes:
        path: where it lies.
        shown: its name in messages, relative to the configuration file where possible.
        format: what it holds.
        compression: how it is packed, if at all.
    """

    path: Path
    shown: str
    format: TableFormat
    compression: Compression | None


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Return the option most like `name`, whatever its case; None where none is alike."""
    by_lower = {option.lower(): option for option in options}
    found = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


def separator_of(source: Source, settings: TableSettings) -> str:
    """Return what stands between the fields of a text table."""
    return settings.separator or ("\t" if source.format == "tsv" else ",")


def is_text_table(settings: TableSettings) -> bool:
    """Return whether a table's values are all text, as far as format and names tell."""
    names = [settings.path] if isinstance(settings.path, str) else settings.path
    formats = {settings.format or _kind(Path(name))[0] for name in names}
    return bool(formats & {"csv", "tsv"})


def sources_of(settings: TableSettings, base: Path) -> list[Source]:
    """Return the files of a table, each once, folders and globs in the order of names.

    Raises:
        DataError: a file is missing, empty, unknown in kind, or not what its name says; all are listed.
    """
    problems: list[Problem] = []
    sources: dict[Path, Source] = {}
    for name in [settings.path] if isinstance(settings.path, str) else settings.path:
        for path in _files(name, base, settings.format, problems):
            source = _source(path, base, settings.format, problems)
            if source is not None and _looks_right(source, problems):
                sources.setdefault(path.resolve(), source)
    if not sources and not problems:
        problems.append(_nothing(str(settings.path), "an empty list", "name at least one file"))
    if problems:
        raise DataError(problems)
    return list(sources.values())


def _files(name: str, base: Path, given: TableFormat | None, problems: list[Problem]) -> list[Path]:
    path = base / name
    if path.is_file():
        return [path]
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if _readable(file, given)]
        if not files:
            problems.append(
                _nothing(name, "a folder without any table", "put tables into it, or set 'format'")
            )
        return files
    if any(sign in name for sign in "*?["):
        files = [Path(file) for file in sorted(glob.glob(str(path), recursive=True)) if Path(file).is_file()]
        if not files:
            problems.append(_nothing(name, "no file that matches", "mend the pattern"))
        return files
    siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(path.name, siblings)
    remedy = f"did you mean '{near}'?" if near else "mend 'path'; it is relative to the configuration file"
    problems.append(_nothing(name, "nothing at this path", remedy))
    return []


def _nothing(name: str, found: str, remedy: str) -> Problem:
    return Problem(
        "the table is not there", "a file, a folder, a glob or a list of them", found, remedy, file=name
    )


def _readable(file: Path, given: TableFormat | None) -> bool:
    hidden = file.name.startswith((".", "_"))
    return file.is_file() and not hidden and (given is not None or _kind(file)[0] is not None)


def _kind(path: Path) -> tuple[TableFormat | None, Compression | None]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    rest = suffixes[:-1] if compression else suffixes
    return (_SUFFIXES.get(rest[-1]) if rest else None), compression


def _source(path: Path, base: Path, given: TableFormat | None, problems: list[Problem]) -> Source | None:
    try:
        name = str(path.relative_to(base))
    except ValueError:
        name = str(path)
    guessed, compression = _kind(path)
    kind = given or guessed
    if kind is None:
        problems.append(
            Problem(
                "the file's name does not say what it holds",
                "a name that ends in " + ", ".join(_SUFFIXES) + ", then .gz or .zst where packed",
                shown(path.name),
                "rename the file or set 'format'",
                file=name,
            )
        )
        return None
    return Source(path, name, kind, compression)


def _looks_right(source: Source, problems: list[Problem]) -> bool:
    """Check size and first bytes, which tell most broken files without reading them."""
    problem = _first_sight(source)
    if problem is not None:
        problems.append(problem)
    return problem is None


def _first_sight(source: Source) -> Problem | None:
    try:
        size = source.path.stat().st_size
        with source.path.open("rb") as file:
            head = file.read(4)
            file.seek(max(0, size - 4))
            tail = file.read(4)
    except OSError as error:
        return Problem(
            "the file cannot be opened",
            "a file that may be read",
            str(error.strerror),
            "mend its permissions",
            file=source.shown,
        )
    if size == 0:
        return Problem(
            "the file is empty",
            "a table with at least a header",
            "0 bytes",
            "write it again",
            file=source.shown,
        )
    if source.compression is not None:
        return _packed(source, head)
    if source.format == "parquet":
        return _parquet(source, head, tail)
    if head[:2] in _UTF16:
        return Problem(
            "the text is UTF-16",
            "UTF-8",
            "the mark of UTF-16 at the start",
            "save the file as UTF-8",
            file=source.shown,
        )
    return None


def _packed(source: Source, head: bytes) -> Problem | None:
    if source.format in ("parquet", "sqlite"):
        return Problem(
            f"{source.format} inside .{source.compression} cannot be read in place",
            "the file itself" + ("; Parquet is packed inside" if source.format == "parquet" else ""),
            source.path.name,
            "unpack it",
            file=source.shown,
        )
    if source.compression is not None and not head.startswith(_MAGIC[source.compression]):
        return Problem(
            f"the file is not .{source.compression}",
            f"the first bytes of a .{source.compression} file",
            shown(head),
            "drop the ending from its name, or pack it again",
            file=source.shown,
        )
    return None


def _parquet(source: Source, head: bytes, tail: bytes) -> Problem | None:
    if head == tail == b"PAR1":
        return None
    cut = head == b"PAR1"
    return Problem(
        "the Parquet file is cut off" if cut else "the file is not Parquet",
        "'PAR1' at its start and its end",
        f"{shown(tail)} at its end" if cut else f"{shown(head)} at its start",
        "copy or write the file again" if cut else "set 'format', or write it as Parquet",
        file=source.shown,
    )
