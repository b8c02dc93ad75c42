"""Which encoding a text is written in, from its bytes; and texts of other encodings as UTF-8."""

from __future__ import annotations

import codecs
import io
import zlib
from dataclasses import dataclass
from typing import IO

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import Encoding
from polyscene.data.tables.source import Source

CHUNK_BYTES = 1 << 20
"""Of text that is looked at or written anew at a time."""
UTF8_MARK = codecs.BOM_UTF8
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LOSSY_SHARE = 0.25
"""Of the characters beyond ASCII: where no more are broken, the text is UTF-8 with faults."""
_REPLACED = "\ufffd"
_CONTROLS = bytes(range(0x80, 0xA0))
_OTHERS = bytes(set(range(256)) - set(_CONTROLS))
_CODECS: dict[str, str] = {
    "utf8": "utf-8-sig",
    "utf8-lossy": "utf-8-sig",
    "latin1": "latin1",
    "utf16": "utf-16",
}
_WINDOWS = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))
"""cp1252 as browsers read it: its five unused bytes stand for themselves, so that nothing is lost."""


@dataclass(frozen=True, slots=True)
class EncodingGuess:
    """The encoding of a text, and what tells it."""

    name: Encoding
    why: str


def guess_encoding(source: Source, limit: int | None = None) -> EncodingGuess:
    """Tell the encoding of a text that is not packed as .zst.

    Bytes 0x80 to 0x9f are letters, quotes and dashes in cp1252 and control characters in latin1, which no
    text needs.

    Args:
        source: the file.
        limit: bytes to look at; default: all.

    Raises:
        OSError: it cannot be read.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    broken = sound = controls = size = 0
    before = b""
    with source.open() as file:
        while chunk := file.read(CHUNK_BYTES):
            if size == 0 and chunk[:2] in UTF16_MARKS:
                return EncodingGuess("utf16", "it begins with the mark of UTF-16")
            size += len(chunk)
            text = decoder.decode(chunk)
            if not text.isascii():
                bad = text.count(_REPLACED) - (before + chunk).count(_REPLACED.encode())
                broken += bad
                sound += len(text) - len(text.encode("ascii", "ignore")) - bad
                controls += len(chunk.translate(None, _OTHERS))
            before = chunk[-2:]
            if limit is not None and size >= limit:
                break
    return _told(broken, sound, controls)


def _told(broken: int, sound: int, controls: int) -> EncodingGuess:
    if broken <= 0:
        return EncodingGuess("utf8", "")
    if broken <= _LOSSY_SHARE * sound:
        return EncodingGuess("utf8-lossy", f"{broken:,} of its characters are no UTF-8; they are replaced")
    if controls:
        return EncodingGuess("cp1252", "no UTF-8, and it has bytes that are letters in cp1252 only")
    return EncodingGuess("latin1", "its bytes are not UTF-8")


def count_controls(source: Source) -> int:
    """Return how many bytes of a text are control characters in latin1 and signs in cp1252."""
    with source.open() as file:
        return sum(len(chunk.translate(None, _OTHERS)) for chunk in iter(lambda: file.read(CHUNK_BYTES), b""))


def transcoded(source: Source, encoding: Encoding) -> bytes:
    """Return the file's text as UTF-8 without a mark, whatever its encoding; what is broken is replaced.

    Raises:
        DataError: it is packed in a way that only the engine reads.
        OSError: it cannot be read.
    """
    if source.compression == "zst":
        raise DataError(
            Problem(
                f"{encoding} inside .zst cannot be read",
                "plain UTF-8, or .gz",
                "both",
                "unpack the file",
                file=source.shown,
                key="encoding",
            )
        )
    text = io.BytesIO()
    try:
        with source.open() as file:
            _write(file, text, encoding)
    except (EOFError, zlib.error) as error:
        raise OSError(str(error)) from None
    return text.getvalue()


def _write(file: IO[bytes], text: io.BytesIO, encoding: Encoding) -> None:
    read = file.read
    if encoding == "cp1252":
        while chunk := read(CHUNK_BYTES):
            text.write(codecs.charmap_decode(chunk, "strict", _WINDOWS)[0].encode())
        return
    decoder = codecs.getincrementaldecoder(_CODECS[encoding])(errors="replace")
    while chunk := read(CHUNK_BYTES):
        text.write(decoder.decode(chunk).encode())
    text.write(decoder.decode(b"", final=True).encode())
