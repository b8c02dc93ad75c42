"""Hostile text made fit to be shown: bounded, on one line, nothing invisible.

`shown` quotes a value as it was found, `one_line` gives a title as a reader would see it, `printable` keeps
lines, `shown_name` leaves a harmless name as it is, `redacted` takes secrets out.
"""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
MAX_NAME_LENGTH = 60
_SECRETS = (
    (re.compile(r"\bpsk_[\w-]+"), "psk_" + ELLIPSIS),
    (re.compile(r"(://[^\s:/@]*:)\S*@"), rf"\1{ELLIPSIS}@"),
    (re.compile(r"(\bpassword\s*=\s*)('.*'|[^\s&]+)", re.IGNORECASE), rf"\1{ELLIPSIS}"),
)
"""Our API keys, passwords in addresses of databases, and those in connection strings."""


def redacted(text: str) -> str:
    """Return the text without API keys and passwords of databases."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def shown(value: object, limit: int = 60) -> str:
    """Return a value quoted and escaped, on one line, of at most `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def shown_name(name: str) -> str:
    """Return a name as it is, or quoted and escaped where it is empty, long or not printable."""
    return name if name.isprintable() and 0 < len(name) <= MAX_NAME_LENGTH else shown(name)


def one_line(text: object, limit: int = 200) -> str:
    """Return printable text on one line of at most `limit` columns; wide characters take two.

    Control characters, direction overrides and lone surrogates go; nothing is escaped here.
    """
    line = " ".join(printable(str(text)[: 20 * limit], keep="").split())
    if columns(line) <= limit:
        return line
    kept, used = [], 1
    for character in line:
        used += columns(character)
        if used > limit:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ELLIPSIS


def printable(text: str, keep: str = "\n", instead: str = " ") -> str:
    """Return the text with every character that is not printable replaced.

    Args:
        keep: characters that stay although they are not printable; default: line feeds.
        instead: what stands for each of the others.
    """
    return "".join(c if c.isprintable() or c in keep else instead for c in text)


def columns(text: str) -> int:
    """Return how wide the text is in columns of a Latin letter."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
