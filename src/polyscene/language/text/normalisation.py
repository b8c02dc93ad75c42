"""Makes text from anywhere fit for a tokenizer: visible characters, words of one script, no endless repeats.

The text is cut first, and no step takes more than linear time. Look-alikes are known among Latin, Cyrillic
and Greek letters only. Content is not judged: an instruction to a model is text like any other, and
what foreign words can gain is bounded in `polyscene.language.text.keyword_stuffing`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

MAX_CHARS = 20_000
_RAW_FACTOR = 4  # the raw text may be this much longer than the result before it is cut
_MAX_SIGN_RUN = 32  # NFKC sorts runs of combining marks in quadratic time; no word has so many in a row
MAX_REPEATS = 4
_MAX_PHRASE_WORDS = 8  # words; what repeats in longer phrases is left to the bound on the whole text

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
_LONG_SIGNS = re.compile(rf"([^\w\s]{{{_MAX_SIGN_RUN}}})[^\w\s]+")
_PLAIN_ASCII = re.compile(r"[ -~]*")

_ALIKE = {  # letters that look the same stand below each other, a space where a script has none
    "LATIN": "ABCEHIJKMNOPSTXYZacdehijkopqsuvwxy",
    "CYRILLIC": "АВСЕНІЈКМ ОРЅТХУ асԁеһіјкорԛѕ ѵԝху",
    "GREEK": "ΑΒ ΕΗΙ ΚΜΝΟΡ ΤΧΥΖα    ιϳκορ  υν χ ",
}
_RARE = frozenset("ЈЅԁһјԛѕѵԝϳ")  # read as what they look like, but nothing is turned into them
_FOLDS = {
    main: {
        ord(other): own
        for script, letters in _ALIKE.items()
        for other, own in zip(letters, _ALIKE[main], strict=True)
        if script != main and own not in _RARE and " " not in (other, own)
    }
    for main in _ALIKE
}
_AMBIGUOUS = _RARE.union(*(map(chr, fold) for fold in _FOLDS.values()))
_LETTERS = {
    "LATIN": re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]"),
    "CYRILLIC": re.compile("[\u0400-\u052f\u1c80-\u1c8f\ua640-\ua69f]"),
    "GREEK": re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
}
_WORD = re.compile("(?:[^\\W\\d_][\u0300-\u036f]*)+")
_SIGNS_AROUND = re.compile(r"^\W+|\W+$")


def normalise(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return `text` as one line of visible characters.

    Characters nobody can see (control, zero width, direction, tags, lone surrogates, private use) are
    removed, what is left is brought to Unicode's NFKC, and runs of more than 32 signs are shortened. In a
    word that mixes Latin, Cyrillic and Greek letters, those that only look like the word's main script become
    it (see `in_one_script`). Any white space becomes one space, the result is cut at `max_chars` characters,
    and a word or phrase that follows itself again and again is kept 4 times (see `without_repeats`). Of the
    raw text only the first `4 * max_chars` characters are looked at. Normalising twice changes nothing.
    """
    text = text[: _RAW_FACTOR * max_chars]
    if _PLAIN_ASCII.fullmatch(text) is None:
        text = _INVISIBLE.sub("", text)
        if not text.isascii():
            text = unicodedata.normalize("NFKC", _LONG_SIGNS.sub(r"\1", text))
    text = " ".join(_LONG_SIGNS.sub(r"\1", text).split())[:max_chars]
    return " ".join(without_repeats(in_one_script(text).split()))


def in_one_script(text: str) -> str:
    """Return an NFKC text in which no word hides letters of one script among those of another.

    A word's main script is the one with letters that have no common double elsewhere, as "l" and "и" have
    none; where no script has, the one with most letters, Latin before Cyrillic before Greek. Letters of
    other scripts that look like one of its letters become it, with their accents; the rest stays, as in "μm".
    A word of one script is never touched, nor one that shows letters of its own in two, as "iPhoneчик".
    """
    if sum(letter.search(text) is not None for letter in _LETTERS.values()) < 2:
        return text
    return _WORD.sub(lambda word: _in_main_script(word[0]), text)


def _in_main_script(word: str) -> str:
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFD", word)
    letters_by_script = {script: letters.findall(parts) for script, letters in _LETTERS.items()}
    present = [script for script, letters in letters_by_script.items() if letters]
    own = [script for script in present if not _AMBIGUOUS.issuperset(letters_by_script[script])]
    if len(present) < 2 or len(own) > 1:
        return word
    main = own[0] if own else max(present, key=lambda script: len(letters_by_script[script]))
    folded = unicodedata.normalize("NFKC", parts.translate(_FOLDS[main]))
    return folded if len(folded) <= len(word) else word  # an accent that the main script does not know


def without_repeats(words: Sequence[str]) -> list[str]:
    """Return the words, of a phrase of at most 8 words that follows itself only the first 4 times.

    Case and the signs around a word make no difference. Time is linear in the number of words.
    """
    kept = list(words)
    if len(kept) <= MAX_REPEATS:
        return kept
    compared = [_SIGNS_AROUND.sub("", word).casefold() or word for word in kept]
    if max(Counter(compared).values()) <= MAX_REPEATS:  # nor can a phrase follow itself more often
        return kept
    for size in range(1, _MAX_PHRASE_WORDS + 1):
        rows = _rows_without_repeats(compared, size)
        if len(rows) < len(kept):
            kept, compared = [kept[row] for row in rows], [compared[row] for row in rows]
    return kept


def _rows_without_repeats(words: Sequence[str], size: int) -> list[int]:
    """Return the places of words that are not in a fifth or later copy of a phrase of `size` words."""
    rows: list[int] = []
    same = 0  # words kept in a row that equal the one `size` before them
    for place, word in enumerate(words):
        same = same + 1 if len(rows) >= size and words[rows[-size]] == word else 0
        rows.append(place)
        if same == MAX_REPEATS * size:
            del rows[-size:]
            same -= size
    return rows
