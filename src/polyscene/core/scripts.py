"""Which script a letter belongs to."""

from __future__ import annotations

import unicodedata

HAN, LATIN = "Han", "Latin"
_SCRIPTS = {"CJK": HAN, "IDEOGRAPHIC": HAN, "FULLWIDTH": LATIN}


def script_of(letter: str) -> str:
    """Return the script of a letter: "Latin", "Han", "Cyrillic", "Hiragana", …, as Unicode names it."""
    if letter.isascii():
        return LATIN
    first = unicodedata.name(letter, "UNKNOWN").split()[0].split("-")[0]
    return _SCRIPTS.get(first, first.title())
