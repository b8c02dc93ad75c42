"""Files of text: their lines, and the first broken place of a file, in words a person can act on.

Diagnosing is slow and thorough, and only done to files that already failed. Memory stays within one copy of
the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import Encoding
from polyscene.core.text import shown
from polyscene.data.tables.encodings import CHUNK_BYTES, UTF16_MARKS, guess_encoding, transcoded
from polyscene.data.tables.formats import TROUBLE, damaged
from polyscene.data.tables.source import Source

LINES_AT_ONCE = 100_000
_NO_SEPARATOR = "\x01"
_ENGINES_OWN = ("utf8", "utf8-lossy")


def text_of(source: Source, encoding: Encoding) -> Path | bytes:
    """Return what the engine reads as UTF-8: the path, or the text where it is written or kept otherwise."""
    return source.data if encoding in _ENGINES_OWN else transcoded(source, encoding)


def utf16_problem(source: Source, head: bytes) -> Problem | None:
    """Return the problem of a text that begins with the mark of UTF-16, and is not read as such."""
    if head[:2] not in UTF16_MARKS:
        return None
    return Problem(
        "the text is UTF-16",
        "UTF-8",
        "the mark of UTF-16 at the start",
        'set encoding = "utf16", or save the file as UTF-8',
        file=source.shown,
    )


def diagnose_text(
    source: Source, encoding: Encoding, has_header: bool, look: Callable[[Source], list[Problem]]
) -> list[Problem]:
    """Return what is broken in a text file: its packing, its encoding, or what `look` finds in its lines.

    Args:
        has_header: whether the first line is no row.
        look: at the file's lines.
    """
    try:
        broken = _broken_utf8(source, has_header) if encoding == "utf8" else None
        return look(source) if broken is None else [broken]
    except (*TROUBLE, EOFError) as error:
        if source.compression is None:
            return [damaged(source, error)]
        return [_cut_off(source, error)]


def _cut_off(source: Source, error: BaseException) -> Problem:
    return Problem(
        "the packed file is cut off or damaged",
        f"a whole .{source.compression} file",
        (str(error).splitlines() or [type(error).__name__])[0],
        "copy or pack the file again",
        file=source.shown,
    )


def scan_lines(source: Source, encoding: Encoding = "utf8") -> pl.LazyFrame:
    """Return the lines of a text file in a column `line`, whatever its packing; empty lines are null."""
    return pl.scan_csv(
        text_of(source, encoding),
        has_header=False,
        separator=_NO_SEPARATOR,
        quote_char=None,
        encoding="utf8-lossy",
        infer_schema=False,
        new_columns=["line"],
    )


def lines(source: Source, encoding: Encoding = "utf8") -> Iterator[str]:
    """Yield the lines of a text file, without their ends and without the mark at its start."""
    texts = scan_lines(source, encoding).collect(engine="streaming").to_series()
    for start in range(0, len(texts), LINES_AT_ONCE):
        for line in texts.slice(start, LINES_AT_ONCE).to_list():
            yield "" if line is None else line


def head_of(source: Source, size: int = 4096) -> bytes:
    """Return the first bytes of the unpacked content; of .zst the first line.

    Raises:
        OSError: it cannot be read.
    """
    if source.compression == "zst":
        first = scan_lines(source).head(1).collect().to_series().to_list()
        return str(first[0] if first and first[0] is not None else "").encode()[:size]
    try:
        with source.open() as file:
            return file.read(size)
    except EOFError as error:
        raise OSError(str(error)) from None


def holds(source: Source, mark: bytes) -> bool:
    """Return whether the unpacked content holds some bytes anywhere; those of .zst are not looked into."""
    if source.compression == "zst":
        return bool(
            scan_lines(source)
            .select(pl.col("line").str.contains(mark.decode(), literal=True).any())
            .collect(engine="streaming")
            .item()
        )
    before = b""
    with source.open() as file:
        while chunk := file.read(CHUNK_BYTES):
            if mark in before + chunk:
                return True
            before = chunk[1 - len(mark) :] if len(mark) > 1 else b""
    return False


def _broken_utf8(source: Source, has_header: bool) -> Problem | None:
    broken = (
        scan_lines(source)
        .with_row_index("place", offset=1)
        .filter(pl.col("line").str.contains("\ufffd", literal=True))
        .select(pl.len().alias("count"), pl.col("place").first(), pl.col("line").first())
        .collect(engine="streaming")
        .row(0, named=True)
    )
    if not broken["count"]:
        return None
    return Problem(
        "the text is not UTF-8",
        "UTF-8",
        f"line {broken['place']:,}: {shown(broken['line'])}",
        _remedy(source),
        file=source.shown,
        row=(broken["place"] - has_header) or None,
        count=broken["count"],
    )


def _remedy(source: Source) -> str:
    """Name the encoding that the bytes speak for."""
    name = "latin1" if source.compression == "zst" else guess_encoding(source).name
    if name in _ENGINES_OWN:
        return 'save the file as UTF-8, or set encoding = "utf8-lossy", which replaces what is broken'
    return f'save the file as UTF-8, or set encoding = "{name}" ("utf8-lossy" replaces what is broken)'
