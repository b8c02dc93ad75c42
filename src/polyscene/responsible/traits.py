"""What two items of a catalogue share: words of their texts, values of their attributes.

A language model's vectors say that two items are close, not why; tuned ones also learn what is chosen
together. So a reason names only what both items really have, and what few others have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from polyscene.core.text import one_line
from polyscene.core.types import Attribute

SAMPLE = 500
"""So many items, spread over the catalogue, tell which words and values are common."""
MAX_WORDS = 80
"""Of a text, the first so many count."""
COMMON_WORD, COMMON_VALUE = 0.2, 0.3
"""What a larger share of the items has is no trait."""
MIN_COMMON = 3
"""What no more items than this have is a trait in any catalogue."""
MAX_KEPT = 20_000
"""The features of at most so many items are kept."""
NAMED = 2
"""At most so many traits are named."""
MAX_VALUE_LENGTH = 40
_SMALL_WORDS = (
    "a about after all also am an and any are as at be been but by can de del der des die das do does du ein "
    "eine el en er es et for from für get had has have he her his how i il im in ins into is it its je la "
    "las le les los man me mein mit more most my new no not nous of off on one or our out over per plus pour "
    "que sans set she sich so some sur than that the their them there they this to too und un una une up use "
    "very via von vor was we were what when where which who why will with without you your zu zum zur"
)
STOP_WORDS = frozenset(_SMALL_WORDS.split())
_WORD = re.compile(r"[^\W\d_][\w'’]*(?:-\w+)*")
_PARTS = re.compile(r"\s*[|;,]\s*")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

Features = Mapping[str, str]
"""What an item has, as compared, and how it is shown."""


class Traits:
    """Tells what two items of one catalogue share.

    Args:
        texts: of all items; may grow and change.
        attributes: returns those of an item.
    """

    def __init__(self, texts: Sequence[str], attributes: Callable[[int], Mapping[str, Attribute]]) -> None:
        self._texts, self._attributes = texts, attributes
        self._features: dict[int, tuple[str, Features]] = {}
        self._common: frozenset[str] | None = None
        self._counts: Counter[str] = Counter()

    def shared(self, first: int, second: int) -> tuple[str, ...]:
        """Return what both items have and few others do, the rarest first, at most `NAMED`.

        A word is not named beside a value that holds it, and a number, as a year, only where nothing else is.
        """
        here, there = self._of(first), self._of(second)
        common = self._commonplace()
        both = [key for key in here if key in there and key not in common]
        both = [key for key in both if not _is_number(key)] or both[:1]
        both.sort(key=lambda key: self._counts[key])
        values = [key for key in both if "=" in key]
        named = [key for key in both if "=" in key or not any(key in value for value in values)]
        return tuple(here[key] for key in named[:NAMED])

    def _of(self, item: int) -> Features:
        text = self._texts[item]
        known = self._features.get(item)
        if known is None or known[0] is not text:
            if len(self._features) >= MAX_KEPT:
                self._features = {}
            known = self._features[item] = text, features_of(text, self._attributes(item))
        return known[1]

    def _commonplace(self) -> frozenset[str]:
        """Return the words and values that many items have, by a sample that is drawn once."""
        if self._common is None:
            sample = range(0, len(self._texts), max(len(self._texts) // SAMPLE, 1))
            self._counts = counts = Counter(key for item in sample for key in self._of(item))
            limits = {True: COMMON_VALUE * len(sample), False: COMMON_WORD * len(sample)}
            self._common = frozenset(
                key for key, count in counts.items() if count > max(limits["=" in key], MIN_COMMON)
            )
        return self._common


def _is_number(key: str) -> bool:
    return key.rpartition("=")[2].replace(".", "", 1).isdigit()


def features_of(text: str, attributes: Mapping[str, Attribute]) -> Features:
    """Return the values and words of an item."""
    features: dict[str, str] = {}
    for name, value in attributes.items():
        if not isinstance(value, str):
            continue
        for part in _PARTS.split(value):
            if part and len(part) <= MAX_VALUE_LENGTH:
                features[f"{name}={part.casefold()}"] = f"{one_line(name, 30)} “{one_line(part)}”"
    for word in words_of(text)[:MAX_WORDS]:
        key = word.casefold()
        if key not in STOP_WORDS:
            features.setdefault(key, f"“{one_line(word, MAX_VALUE_LENGTH)}”")
    return features


def words_of(text: str) -> list[str]:
    """Return the words of three letters and more; writing without spaces is cut into pairs of characters."""
    words: list[str] = []
    for word in _WORD.findall(text[: 12 * MAX_WORDS]):
        if _UNSPACED.search(word):
            words += [word[at : at + 2] for at in range(len(word) - 1)]
        elif len(word) > 2:
            words.append(word)
    return words
