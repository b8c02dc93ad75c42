"""Files of text: other encodings, and the first broken place of a file, in words a person can act on.

Diagnosing is slow and thorough, and only done to files that already failed. Memory stays within one copy of
the text.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.text import shown
from polyscene.data.tables.formats import TROUBLE, damaged
from polyscene.data.tables.source import Source

TRANSCODED_BYTES = 1 << 20
"""At a time."""
LINES_AT_ONCE = 100_000
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NO_SEPARATOR = "\x01"


def transcoded(source: Source, encoding: str) -> bytes:
    """Return the file's text as UTF-8, for encodings that the engine does not read by itself."""
    if source.compression == "zst":
        raise DataError(
            Problem(
                f"{encoding} inside .zst cannot be read",
                "UTF-8, or .gz",
                "both",
                "unpack the file",
                file=source.shown,
                column="encoding",
            )
        )
    codec = "utf-8" if encoding == "utf8-lossy" else encoding
    decoder = codecs.getincrementaldecoder(codec)(errors="replace")
    text = io.BytesIO()
    try:
        with gzip.open(source.path) if source.compression else source.path.open("rb") as file:
            while chunk := file.read(TRANSCODED_BYTES):
                text.write(decoder.decode(chunk).encode())
    except (EOFError, zlib.error) as error:
        raise OSError(str(error)) from None
    text.write(decoder.decode(b"", final=True).encode())
    return text.getvalue()


def utf16_problem(source: Source, head: bytes) -> Problem | None:
    """Return the problem of a text that begins with the mark of UTF-16."""
    if head[:2] not in UTF16_MARKS:
        return None
    return Problem(
        "the text is UTF-16",
        "UTF-8",
        "the mark of UTF-16 at the start",
        "save the file as UTF-8",
        file=source.shown,
    )


def diagnose_text(
    source: Source, encoding: str, has_header: bool, look: Callable[[Source], Problem | None]
) -> Problem | None:
    """Return the first broken place of a text file: its packing, its encoding, or what `look` finds in lines.

    Args:
        has_header: whether the first line is no row.
        look: at the file's lines.
    """
    try:
        broken = _broken_utf8(source, has_header) if encoding == "utf8" else None
        return look(source) if broken is None else broken
    except TROUBLE as error:
        if source.compression is None:
            return damaged(source, error)
        return Problem(
            "the packed file is cut off or damaged",
            f"a whole .{source.compression} file",
            str(error).splitlines()[0],
            "copy or pack the file again",
            file=source.shown,
        )


def scan_lines(source: Source) -> pl.LazyFrame:
    """Return the lines of a text file in a column `line`, whatever its packing; empty lines are null."""
    return pl.scan_csv(
        source.path,
        has_header=False,
        separator=_NO_SEPARATOR,
        quote_char=None,
        encoding="utf8-lossy",
        infer_schema=False,
        new_columns=["line"],
    )


def lines(source: Source) -> Iterator[str]:
    """Yield the lines of a text file, without their ends."""
    texts = scan_lines(source).collect(engine="streaming").to_series()
    for start in range(0, len(texts), LINES_AT_ONCE):
        for line in texts.slice(start, LINES_AT_ONCE).to_list():
            yield "" if line is None else line


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
        'save the file as UTF-8, or set encoding = "latin1" ("utf8-lossy" replaces what is broken)',
        file=source.shown,
        row=(broken["place"] - has_header) or None,
        count=broken["count"],
    )
