"""Which files a table consists of, and what each of them claims to be.

Only names, sizes and first bytes are looked at here; `polyscene.data.tables.opening` opens the files.
"""

from __future__ import annotations

import difflib
import glob
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables import archives
from polyscene.data.tables.formats import format_named, format_of, formats_by_ending
from polyscene.data.tables.source import Compression, Source
from polyscene.data.tables.text_files import head_of

_COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".zst": "zst"}
_MAGIC: dict[Compression, bytes] = {"gz": b"\x1f\x8b", "zst": b"\x28\xb5\x2f\xfd"}


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Return the option most like `name`, whatever its case; None where none is alike."""
    by_lower = {option.lower(): option for option in options}
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[near[0]] if near else None


def is_text_table(settings: TableSettings) -> bool:
    """Return whether a table's values are all text, as far as format and names tell."""
    names = [settings.path] if isinstance(settings.path, str) else settings.path
    endings = formats_by_ending()
    plain = [Path(name).name.lower().removesuffix(".gz").removesuffix(".zst") for name in names]
    formats = {settings.format or endings.get(Path(name).suffix) for name in plain}
    return any(name is not None and format_named(name).untyped for name in formats)


def same_rows(one: TableSettings, other: TableSettings) -> bool:
    """Return whether two tables are read out of the same rows: a catalogue out of the log, for example."""

    def rows(settings: TableSettings) -> tuple[object, ...]:
        names = [settings.path] if isinstance(settings.path, str) else settings.path
        return sorted(names), settings.query, settings.sheet, settings.pivot

    return rows(one) == rows(other)


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
            if source is not None and _looks_right(source, settings, problems):
                sources.setdefault(path.resolve(), source)
    if not sources and not problems:
        problems.append(_nothing(str(settings.path), "an empty list", "name at least one file"))
    if problems:
        raise DataError(problems)
    return list(sources.values())


def _files(name: str, base: Path, table_format: str | None, problems: list[Problem]) -> list[Path]:
    path = base / name
    if archives.is_archive(path):
        return _only_member(path, name, table_format, problems)
    if path.is_file() or archives.archive_of(path) is not None:
        return [path]
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if _readable(file, table_format)]
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


def _only_member(archive: Path, name: str, table_format: str | None, problems: list[Problem]) -> list[Path]:
    """Return the one table of an archive; of several, one has to be named."""
    try:
        inside = archives.members(archive)
    except OSError as error:
        problems.append(_nothing(name, str(error), "pack the archive again, or unpack it"))
        return []
    files = [path for path in inside if table_format is not None or kind_of(path)[0] is not None]
    if len(files) == 1:
        return files
    names = ", ".join(path.relative_to(archive).as_posix() for path in files or inside)
    if not files:
        remedy = "pack tables into it, or set 'format'"
        problems.append(_nothing(name, f"an archive without a table: {shown(names, 160)}", remedy))
        return []
    example = f'name one of them: path = "{name}/{files[0].relative_to(archive).as_posix()}"'
    problems.append(_nothing(name, f"an archive of {len(files)} tables: {shown(names, 160)}", example))
    return []


def _nothing(name: str, found: str, remedy: str) -> Problem:
    return Problem(
        "the table is not there", "a file, a folder, a glob or a list of them", found, remedy, file=name
    )


def _readable(file: Path, table_format: str | None) -> bool:
    hidden = file.name.startswith((".", "_"))
    return file.is_file() and not hidden and (table_format is not None or kind_of(file)[0] is not None)


def kind_of(path: Path) -> tuple[str | None, Compression | None]:
    """Return the format and the packing that a file's name tells, None where it tells none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    rest = suffixes[:-1] if compression else suffixes
    return (formats_by_ending().get(rest[-1]) if rest else None), compression


def _source(path: Path, base: Path, table_format: str | None, problems: list[Problem]) -> Source | None:
    try:
        name = str(path.relative_to(base))
    except ValueError:
        name = str(path)
    guessed, compression = kind_of(path)
    kind = table_format or guessed
    if kind is None:
        problems.append(
            Problem(
                "the file's name does not say what it holds",
                f"a name that ends in {', '.join(formats_by_ending())}, then .gz, .zst or .zip where packed",
                shown(path.name),
                "rename the file or set 'format'",
                file=name,
            )
        )
        return None
    source = Source(path, name, kind, compression, archives.archive_of(path))
    return source if table_format is not None else recognised(source)


def recognised(source: Source) -> Source:
    """Return a source under the format that its first bytes show, where its name tells another."""
    if source.archive is None and (not source.path.is_file() or source.path.stat().st_size == 0):
        return source
    try:
        seen = format_of(source).seen(head_of(source))
    except (OSError, zlib.error, pl.exceptions.PolarsError):
        return source  # whoever reads it says what is wrong
    return source if seen is None else replace(source, format=seen)


def _looks_right(source: Source, settings: TableSettings, problems: list[Problem]) -> bool:
    problem = first_sight(source, settings)
    if problem is not None:
        problems.append(problem)
    return problem is None


def first_sight(source: Source, settings: TableSettings) -> Problem | None:
    """Check size and first bytes, which tell most broken files without reading them."""
    try:
        size, head, tail = _ends(source)
    except OSError as error:
        return Problem(
            "the file cannot be opened",
            "a file that may be read",
            str(error.strerror or error),
            "mend its permissions" if source.archive is None else "mend or unpack the archive",
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
    return format_of(source).first_sight(source, settings, head, tail)


def _ends(source: Source) -> tuple[int, bytes, bytes]:
    """Return the size of a file as it lies there, and its first and last 4 bytes."""
    data = source.data
    if isinstance(data, bytes):
        return len(data), data[:4], data[-4:]
    with data.open("rb") as file:
        size = data.stat().st_size
        head = file.read(4)
        file.seek(max(0, size - 4))
        return size, head, file.read(4)


def _packed(source: Source, head: bytes) -> Problem | None:
    packed_inside = format_of(source).packed_inside
    if source.archive is not None:
        return Problem(
            f".{source.compression} inside a zip archive is not read in place",
            "a plain file in the archive",
            source.path.name,
            "unpack the archive",
            file=source.shown,
        )
    if packed_inside is not None:
        return Problem(
            f"{source.format} inside .{source.compression} cannot be read in place",
            packed_inside,
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
