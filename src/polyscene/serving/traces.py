"""Looks for an id in every file of some folders: cell by cell where a file has cells, and byte by byte.

A cell that is the id is certain. Bytes are not: `u1` also stands in `u10`, and a database writes neighbouring
cells without a gap. So every match of bytes is told with the word that it stands in, and it is for people to
judge. In a file without cells a word that is the id is certain as well, unless it is so short that it stands
by chance among the numbers of a model.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import polars as pl

MAX_WORDS = 5
MAX_WORD_LENGTH = 60
CHUNK = 2**22
LONG_ENOUGH = 6
"""So many bytes are not met by chance in a file of numbers."""
SQLITE = b"SQLite format 3\x00"
DATABASES = (".db", ".sqlite")
SIDE_FILES = ("-wal", "-shm", "-journal")
_WORD = re.compile(r"[\w.@+:/-]+")


Cells: TypeAlias = tuple[str, int, int]
"""A place, how many cells there are the id, and how many hold it."""


@dataclass(frozen=True)
class Trace:
    """What was found in one file.

    Attributes:
        file: its path, from the folder that was searched.
        cells: how many cells, keys or values are the id.
        places: where those stand, such as `table.column`.
        encodings: in which encodings its bytes occur.
        bytes: how often, the cells included.
        words: words that the bytes stand in, at most `MAX_WORDS`.
        certain: whether the id is in the file.
        note: what could not be looked at.
    """

    file: str
    cells: int = 0
    places: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ()
    bytes: int = 0
    words: tuple[str, ...] = ()
    certain: bool = False
    note: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as an answer."""
        return asdict(self)


@dataclass(frozen=True)
class Search:
    """What a search came to.

    Attributes:
        files: how many were looked at.
        tables: how many of them by cells.
        traces: those in which something was found, or that could not be read wholly.
    """

    files: int
    tables: int
    traces: tuple[Trace, ...]

    @property
    def clean(self) -> bool:
        """Whether the id is certainly in no file, and every file could be read."""
        return not any(trace.certain or trace.note for trace in self.traces)


def search(user: str, folders: Sequence[Path]) -> Search:
    """Look for an id in every file below some folders."""
    files, tables, traces = 0, 0, []
    for folder in dict.fromkeys(path.resolve() for path in folders):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                trace, has_cells = _look(user, path, str(path.relative_to(folder.parent)))
                files, tables = files + 1, tables + has_cells
                traces += [trace] if trace.bytes or trace.cells or trace.note else []
    return Search(files, tables, tuple(traces))


def encodings_of(user: str) -> dict[str, bytes]:
    """Return the bytes of an id in every encoding that differs."""
    written = {
        "utf-8": user.encode("utf-8", "surrogatepass"),
        "json": json.dumps(user)[1:-1].encode(),
        "utf-16-le": user.encode("utf-16-le", "surrogatepass"),
        "utf-16-be": user.encode("utf-16-be", "surrogatepass"),
    }
    return {name: text for name, text in written.items() if name == "utf-8" or text != written["utf-8"]}


def _look(user: str, path: Path, name: str) -> tuple[Trace, bool]:
    try:
        counts, words = _bytes_of(user, path)
        cells = _cells(user, path)
    except FileNotFoundError:  # it was there a moment ago
        return Trace(name), False
    except (OSError, ValueError, sqlite3.Error, pl.exceptions.PolarsError) as error:
        return Trace(name, note=f"could not be read wholly: {type(error).__name__}"), False
    places = [place for place, equal, _ in cells or [] if equal]
    exact = sum(equal for _, equal, _ in cells or [])
    within = sum(part for _, _, part in cells or [])
    free = any(word.rstrip(".:") == user for word in words)
    alone = cells is None and not name.endswith(SIDE_FILES) and free and _means_it(user, path)
    total = sum(counts.values())
    hidden = cells is not None and path.suffix in DATABASES and total > 0 and not within and len(user) > 1
    encodings = tuple(encoding for encoding, count in counts.items() if count)
    note = "its bytes stand where no cell reaches" if hidden else None
    sure = exact > 0 or alone
    return Trace(
        name, exact, tuple(places), encodings, total, tuple(words[:MAX_WORDS]), sure, note
    ), cells is not None


def _means_it(user: str, path: Path) -> bool:
    """Return whether an id that stands alone in a file was written there, and did not come about."""
    if len(user.encode("utf-8", "surrogatepass")) >= LONG_ENOUGH:
        return True
    with path.open("rb") as file:
        start = file.read(CHUNK)
    return all(byte >= ord(" ") or byte in b"\t\r\n" for byte in start)


def _bytes_of(user: str, path: Path) -> tuple[dict[str, int], list[str]]:
    """Return how often each encoding occurs in a file, and the distinct words around."""
    encodings = encodings_of(user)
    margin = 4 * MAX_WORD_LENGTH + max(map(len, encodings.values()))
    counts, words = dict.fromkeys(encodings, 0), dict[str, None]()
    with path.open("rb") as file:
        before = b""
        while chunk := file.read(CHUNK):
            text = before + chunk
            for encoding, pattern in encodings.items():
                for match in re.finditer(re.escape(pattern), text):
                    if match.end() > len(before):  # else it was seen in the last chunk
                        counts[encoding] += 1
                        words[_word(text, match, encoding)] = None
            before = text[-margin:]
    return counts, sorted(words, key=lambda word: (word != user, word))


def _word(text: bytes, match: re.Match[bytes], encoding: str) -> str:
    """Return the word around a match."""
    codec = encoding if encoding.startswith("utf-16") else "utf-8"
    width = 2 if codec != "utf-8" else 1
    front = text[max(match.start() - width * MAX_WORD_LENGTH, match.start() % width) : match.start()]
    back = text[match.end() : match.end() + width * MAX_WORD_LENGTH]
    middle = match.group().decode(codec, "replace")
    left = re.search(r"[\w.@+:/-]*\Z", front.decode(codec, "replace"))
    right = re.match(r"[\w.@+:/-]*", back.decode(codec, "replace"))
    return f"{left.group() if left else ''}{middle}{right.group() if right else ''}"


def _cells(user: str, path: Path) -> list[Cells] | None:
    """Return where cells of a file are the id or hold it; None: the file has no cells."""
    if path.suffix == ".parquet":
        return list(_parquet(user, path))
    if path.suffix in (".json", ".jsonl", ".ndjson"):
        return list(_json(user, path))
    with path.open("rb") as file:
        is_database = file.read(len(SQLITE)) == SQLITE
    return list(_database(user, path)) if is_database else None


def _parquet(user: str, path: Path) -> Iterator[Cells]:
    frame = pl.read_parquet(path, memory_map=False)
    for name in frame.columns:
        column = frame[name]
        while isinstance(column.dtype, pl.List):
            column = column.explode()
        if column.dtype in (pl.String, pl.Categorical):
            texts = column.cast(pl.String)
            yield name, int((texts == user).sum()), int(texts.str.contains(user, literal=True).sum())


def _json(user: str, path: Path) -> Iterator[Cells]:
    text = path.read_bytes()
    parts = text.splitlines() if path.suffix != ".json" else [text]
    yield "value or key", sum(_in_json(user, part) for part in parts if part.strip()), 0


def _in_json(user: str, text: bytes) -> int:
    try:
        return _in_value(user, msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError):  # no JSON after all: its bytes are searched all the same
        return 0


def _in_value(user: str, value: object) -> int:
    """Return how many texts and keys of a JSON value are the id."""
    if isinstance(value, dict):
        return sum((key == user) + _in_value(user, part) for key, part in value.items())
    if isinstance(value, list):
        return sum(_in_value(user, part) for part in value)
    return int(value == user)


def _database(user: str, path: Path) -> Iterator[Cells]:
    """Look through the cells of an SQLite file as it lies there, whoever has it open."""
    image = bytearray(path.read_bytes())
    image[18:20] = b"\x01\x01"  # a copy in memory has no write-ahead log
    patterns = tuple(encodings_of(user).values())
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(bytes(image))
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (table,) in connection.execute(query).fetchall():
            rows = connection.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in rows.description]
            equal, within = dict.fromkeys(columns, 0), dict.fromkeys(columns, 0)
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    equal[column] += _in_cell(user, value)
                    within[column] += _holds(value, patterns)
            yield from ((f"{table}.{column}", equal[column], within[column]) for column in columns)
    finally:
        connection.close()


def _holds(value: object, patterns: Sequence[bytes]) -> bool:
    """Return whether a cell has the bytes of an id in it."""
    content = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return isinstance(content, bytes) and any(pattern in content for pattern in patterns)


def _in_cell(user: str, value: object) -> int:
    if not isinstance(value, bytes):
        return int(value == user)
    return _in_json(user, value) if value[:1] in (b"{", b"[") else 0
