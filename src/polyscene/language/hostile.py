"""Makes text from anywhere fit for a tokenizer: visible characters only, one space between words, bounded."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARS = 20_000
_RAW_FACTOR = 4  # the raw text may be this much longer than the result before it is cut
_SIGN_RUN = 32  # NFKC sorts runs of combining marks in quadratic time; no word has this many signs in a row

_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control, but for what separates words
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # fillers, soft hyphen, marks
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # zero width, joiners, direction
    "\ufe00-\ufe0f\ufff0-\ufffb"  # variation selectors, annotations
    "\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff"  # lone surrogates, private use, no characters
    "\U000e0000-\U0010ffff"  # tags, variation selectors, private planes
    "]+"
)
_LONG_SIGNS = re.compile(rf"([^\w\s]{{{_SIGN_RUN}}})[^\w\s]+")
_PLAIN_ASCII = re.compile(r"[ -~]*")


def normalise(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return `text` as one line of visible characters.

    Characters nobody can see (control, zero width, direction, tags, lone surrogates, private use) are
    removed, what is left is brought to Unicode's NFKC, runs of more than 32 signs are shortened, any white
    space becomes one space, and the result is cut at `max_chars` characters. Of the raw text only the first
    `4 * max_chars` characters are looked at. Normalising twice changes nothing.
    """
    text = text[: _RAW_FACTOR * max_chars]
    if _PLAIN_ASCII.fullmatch(text) is None:
        text = _INVISIBLE.sub("", text)
        if not text.isascii():
            text = unicodedata.normalize("NFKC", _LONG_SIGNS.sub(r"\1", text))
    text = _LONG_SIGNS.sub(r"\1", text)
    return " ".join(text.split())[:max_chars].rstrip()
