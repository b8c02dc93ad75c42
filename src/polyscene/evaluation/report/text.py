"""Hostile text made fit to be shown: bounded, on one line, nothing invisible."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"


def clean(text: object, limit: int = 200) -> str:
    """Return printable text on one line of at most `limit` columns; wide characters take two.

    Control characters, direction overrides and lone surrogates go; nothing is escaped here.
    """
    raw = str(text)[: 20 * limit]
    line = " ".join("".join(c if c.isprintable() else " " for c in raw).split())
    if columns(line) <= limit:
        return line
    kept, used = [], 1
    for character in line:
        used += columns(character)
        if used > limit:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ELLIPSIS


def columns(text: str) -> int:
    """Return how wide the text is in columns of a Latin letter."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
