"""What two items of a catalogue share: words of their texts, values of their attributes.

A language model's vectors say that two items are close, not why; tuned ones also learn what is chosen
together. So a reason names only what both items really have, and what few others have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from polyscene.core.text import one_line
from polyscene.core.types import Attribute

SAMPLE = 500
"""So many items, spread over the catalogue, tell which words and values are common."""
MAX_WORDS = 80
"""Of a text, the first so many count."""
COMMON, RARE_WORD = 0.2, 0.05
"""What a larger share of the items has is no trait; words outside of titles have to be rarer."""
MIN_TEXT_WORD = 5
"""Letters of a word that is a trait although no title has it."""
TITLE, VALUE, TEXT, NUMBER, NOTHING = range(5)
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
_FILLERS = (
    "above across again always another around available away because before being below best better "
    "between both comes could does doing down during each either enough even every everything feel few "
    "first forgiving from full good great here itself just keep kind last less like little long look "
    "lot made make makes making many may might much must need never next nothing often only other own "
    "part parts quite rather really right same should simple since small something still such take than "
    "then these thing things those through time together two under until use used using want way well were "
    "while whole within without would yet"
)
_MEASURES = (
    "amount assorted big brand capacity categories category centimeter centimetre color colors colour "
    "colours count counts description dozen edition extra fluid gallon gram grams height inch inches item "
    "items kilogram large length liter litre medium meter metre milliliter millilitre mini model multi "
    "number ounce ounces pack packs pair pairs pcs piece pieces pint pound pounds product products "
    "quantity regular single size sized sizes type types variety various version volume weight width"
)
STOP_WORDS = frozenset(f"{_SMALL_WORDS} {_FILLERS} {_MEASURES}".split())
"""Words that say nothing of what an item is."""
_WORD = re.compile(r"[^\W\d_][\w'’]*(?:-\w+)*")
_PARTS = re.compile(r"\s*[|;,]\s*")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class Feature(NamedTuple):
    """Something that an item has.

    Attributes:
        shown: how it is named to a person.
        in_title: whether it is a word of the title.
    """

    shown: str
    in_title: bool = False


Features = Mapping[str, Feature]
"""What an item has, by what is compared."""


class Traits:
    """Tells what two items of one catalogue share.

    Args:
        texts: of all items; may grow and change.
        titles: likewise.
        attributes: returns those of an item.
    """

    def __init__(
        self,
        texts: Sequence[str],
        titles: Sequence[str],
        attributes: Callable[[int], Mapping[str, Attribute]],
    ) -> None:
        self._texts, self._titles, self._attributes = texts, titles, attributes
        self._features: dict[int, tuple[str, Features]] = {}
        self._common: frozenset[str] | None = None
        self._counts: Counter[str] = Counter()
        self._rare = 0.0

    def shared(self, first: int, second: int) -> tuple[str, ...]:
        """Return the first of `all_shared`, at most `NAMED`."""
        return self.all_shared(first, second)[:NAMED]

    def all_shared(self, first: int, second: int) -> tuple[str, ...]:
        """Return what both items have and few others do: the rarest `NAMED` as they are written, then others.

        Words of both titles stand first, then values of attributes, then rare words of the texts; a number,
        as a year, is named only where nothing else is. A word is not named beside a value that holds it, and
        no value whose every word is common.
        """
        here, there = self._of(first), self._of(second)
        common = self._commonplace()
        both = [key for key in here if key in there and key not in common and not _usual(key, common)]
        if not both:
            return ()
        ranked = sorted((self._class(key, here, there), self._counts[key], key) for key in both)
        best = [key for kind, _, key in ranked if kind <= max(ranked[0][0], VALUE) and kind < NOTHING]
        values = [key for key in best if "=" in key]
        named = [key for key in best if "=" in key or not any(key in value for value in values)]
        place = {key: number for number, key in enumerate(here)}
        groups = (named[start : start + NAMED] for start in range(0, len(named), NAMED))
        written = (sorted(group, key=lambda key: ("=" in key, place[key])) for group in groups)
        return tuple(here[key].shown for group in written for key in group)

    def _class(self, key: str, here: Features, there: Features) -> int:
        """Return how much a trait says: of titles, of attributes, of texts, a number, nothing."""
        if _is_number(key):
            return NUMBER
        if "=" in key:
            return VALUE
        if here[key].in_title and there[key].in_title:
            return TITLE
        telling = len(key) >= MIN_TEXT_WORD and self._counts[key] <= self._rare
        return TEXT if telling or _UNSPACED.search(key) else NOTHING

    def _of(self, item: int) -> Features:
        text = self._texts[item]
        known = self._features.get(item)
        if known is None or known[0] is not text:  # which is another one after every change
            if len(self._features) >= MAX_KEPT:
                self._features = {}
            known = self._features[item] = text, features_of(text, self._titles[item], self._attributes(item))
        return known[1]

    def _commonplace(self) -> frozenset[str]:
        """Return the words and values that many items have, by a sample that is drawn once."""
        if self._common is None:
            sample = range(0, len(self._texts), max(len(self._texts) // SAMPLE, 1))
            self._counts = counts = Counter(key for item in sample for key in self._of(item))
            self._rare = max(RARE_WORD * len(sample), MIN_COMMON)
            limit = max(COMMON * len(sample), MIN_COMMON)
            self._common = frozenset(key for key, count in counts.items() if count > limit)
        return self._common


def _usual(key: str, common: frozenset[str]) -> bool:
    """Return whether a key is a value that says nothing but common words."""
    words = [word.casefold() for word in words_of(key.partition("=")[2])]
    return bool(words) and all(word in common or word in STOP_WORDS for word in words)


def _is_number(key: str) -> bool:
    return key.rpartition("=")[2].replace(".", "", 1).isdigit()


def features_of(text: str, title: str, attributes: Mapping[str, Attribute]) -> Features:
    """Return the values and words of an item."""
    features: dict[str, Feature] = {}
    for name, value in attributes.items():
        if not isinstance(value, str):
            continue
        for part in _PARTS.split(value):
            if part and len(part) <= MAX_VALUE_LENGTH:
                features[f"{name}={part.casefold()}"] = Feature(f"{one_line(name, 30)} “{one_line(part)}”")
    for words, in_title in ((words_of(title), True), (words_of(text)[:MAX_WORDS], False)):
        for word in words:
            key = word.casefold()
            if key not in STOP_WORDS and key not in features:
                features[key] = Feature(f"“{one_line(word, MAX_VALUE_LENGTH)}”", in_title)
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
