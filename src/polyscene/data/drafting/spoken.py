"""In which languages a catalogue's texts are, and which carried language model reads them.

Scripts are counted by letters. Among Latin letters, languages are told by small words, by letters that
English does not have and by usual endings; the lists below are our own. A catalogue of bare names and codes
shows none of them, and then nothing is said.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from polyscene.core.scripts import HAN, LATIN, script_of
from polyscene.core.settings.language import MINILM, MULTILINGUAL
from polyscene.data.drafting.draft import Guess

ENGLISH = "English"
SAMPLE_TEXTS = 2_000
CHARS_PER_TEXT = 400
FEW_TEXTS = 20
"""Fewer texts that show a language decide nothing."""
MANY, SOME = 0.3, 0.1
"""Shares of the texts in other languages than English above which the model is clear, and open."""
SHOWN = 0.05
"""A smaller share is not named."""

_SMALL_WORDS: Mapping[str, str] = {
    ENGLISH: "the and for with of to in on a i my we he no do me you your this that from is are was by "
    "an at it be or as all not new set how what who when will can",
    "German": "der die das und für mit von den dem ein eine im zum zur auf aus ist nicht bei oder auch "
    "des sie wie über nach ohne unser",
    "French": "le la les des et pour avec une du dans sur en au aux est pas par de sans votre ce qui nous",
    "Spanish": "el la los las y para con una del en por de sin su es al como más un que este",
    "Portuguese": "os para com uma do da dos das em no na por de sem um que não mais ao seu",
    "Italian": "il lo la gli le per con una del della di da in su un nel senza dei delle che al alla sono",
    "Dutch": "de het een en voor met van op in uit is niet bij of ook naar zonder te zijn dat aan je onze",
    "Polish": "na do dla od po jest nie się to oraz lub przez bez ze za który",
    "Turkish": "ve için ile bir bu olan çok gibi daha",
    "Swedish": "och för med ett av på till från är som det utan eller inte",
    "Indonesian": "dan untuk dengan yang di dari ini itu pada atau tidak anda",
    "Vietnamese": "và cho của với các là có trong một được không cái người",
}
_ENDINGS: Mapping[str, str] = {
    ENGLISH: "ing tion ness less able ight ough",
    "German": "ung heit keit isch lich schuh chen tasche",
    "French": "eux aux ette ique oir ité",
    "Spanish": "ción dora illo illa idad ados",
    "Portuguese": "ção ções dade inho inha eira ador",
    "Italian": "zione mento ità ello etto etta tore",
    "Dutch": "ijk heid schoen eren tje",
    "Polish": "owy owa ość nik ski anie enie",
    "Turkish": "ları leri ında inde",
    "Swedish": "ning heten skor arna",
}
_LETTERS: Mapping[str, str] = {
    "German": "äöüß",
    "French": "çèêëîïôûœ",
    "Spanish": "ñ¿¡áíóú",
    "Portuguese": "ãõç",
    "Italian": "àèìòù",
    "Polish": "ąćęłńśźż",
    "Turkish": "ğışç",
    "Swedish": "åäö",
    "Vietnamese": "đơưạảấầậếềệộớợụứừự",
}
_WORD = re.compile(r"[^\W\d_]+")
_LATIN_LETTERS = {LATIN: 1, HAN: 3, "Hiragana": 3, "Katakana": 3, "Hangul": 3}
"""How many Latin letters a letter of a script counts as; of any other, 2."""
_ENDING_LENGTH = 5
"""A word needs so many letters for its ending to tell anything."""


def _weights(lists: Mapping[str, str]) -> dict[str, tuple[tuple[str, float], ...]]:
    """Return for each word the languages that have it; what many share tells little of each."""
    owners: dict[str, list[str]] = {}
    for language, words in lists.items():
        for word in words.split():
            owners.setdefault(word, []).append(language)
    return {word: tuple((one, 1.0 / len(ones)) for one in ones) for word, ones in owners.items()}


_OWNERS = _weights(_SMALL_WORDS)
_ENDING_OWNERS = _weights(_ENDINGS)
_LETTER_OWNERS = _weights({language: " ".join(letters) for language, letters in _LETTERS.items()})


@dataclass(frozen=True)
class Spoken:
    """What the texts of a catalogue are written in.

    Attributes:
        texts: how many texts with letters were looked at.
        decided: how many of them show a language: by their script, or among Latin letters by words.
        shares: of the decided texts by language, or by script where it is not Latin; most first.
    """

    texts: int
    decided: int
    shares: Mapping[str, float]

    @property
    def foreign(self) -> float:
        """Share of the decided texts that are not English, in [0, 1]."""
        return sum(share for name, share in self.shares.items() if name != ENGLISH)

    @property
    def enough(self) -> bool:
        """Whether so many texts show a language that it can be told."""
        return bool(self.texts) and self.decided >= min(FEW_TEXTS, self.texts)

    @property
    def model(self) -> Guess:
        """The carried language model that reads the texts; what the evidence does not decide is in doubt."""
        if self.texts and not self.enough:
            why = f"of {self.texts:,} texts only {self.decided:,} show a language"
            return Guess(MINILM, 0.6, f"{why}: bare names or codes; it reads English", (MULTILINGUAL,))
        if self.foreign >= MANY:
            return Guess(MULTILINGUAL, 0.9, f"the texts are {self}")
        if self.foreign >= SOME:
            why = f"the texts are {self}: it cannot read the others, 'multilingual' reads all"
            return Guess(MINILM, 0.45, why, (MULTILINGUAL,))
        return Guess(MINILM, 0.9, f"the texts are {self}" if self.decided else "there are no texts to read")

    def __str__(self) -> str:
        """Return the largest shares, as in "82% Han, 18% English"."""
        large = [f"{share:.0%} {name}" for name, share in self.shares.items() if share >= SHOWN][:4]
        return ", ".join(large) or "in no language that shows"


def spoken_in(texts: Iterable[str]) -> Spoken:
    """Look at texts; at most `SAMPLE_TEXTS`, evenly spread, and the beginning of each."""
    known = [text for text in texts if text]
    sample = known[:: max(1, len(known) // SAMPLE_TEXTS)][:SAMPLE_TEXTS]
    counts: Counter[str] = Counter()
    with_letters = 0
    for text in sample:
        letters = Counter(_scripts(text[:CHARS_PER_TEXT]))
        if letters:
            with_letters += 1
            language = _language(text[:CHARS_PER_TEXT], letters)
            counts.update([language] if language else [])
    decided = counts.total()
    shares = {name: count / decided for name, count in counts.most_common()}
    return Spoken(with_letters, decided, shares)


def model_for(catalogues: Mapping[str, Spoken]) -> Guess:
    """Return the language model that all scenarios can share, given what each one's texts are written in.

    One that reads the most foreign catalogue reads the others too, and keeps scenarios comparable.
    """
    if not catalogues:
        return Spoken(0, 0, {}).model
    name, texts = max(catalogues.items(), key=lambda pair: pair[1].foreign * pair[1].enough)
    guess = texts.model
    return guess if len(catalogues) == 1 else replace(guess, why=f"{name}: {guess.why}")


def _scripts(text: str) -> Iterator[str]:
    for letter in text:
        if letter.isalpha():
            yield script_of(letter)


def _language(text: str, letters: Counter[str]) -> str:
    """Return the script with most letters, Latin parted into languages; empty where nothing shows.

    A Chinese, Japanese or Korean letter says as much as three Latin ones, and a brand in Latin letters makes
    no foreign title English.
    """
    script = max(letters, key=lambda name: letters[name] * _LATIN_LETTERS.get(name, 2))
    return _latin_language(text.lower()) if script == LATIN else script


def _latin_language(text: str) -> str:
    scores: defaultdict[str, float] = defaultdict(float)
    for word in _WORD.findall(text):
        for language, weight in _OWNERS.get(word, ()):
            scores[language] += weight
        if len(word) >= _ENDING_LENGTH:
            for ending in {word[-size:] for size in (3, 4, 5, 6, 7)}:
                for language, weight in _ENDING_OWNERS.get(ending, ()):
                    scores[language] += weight / 2
    for letter in set(text) if not text.isascii() else ():
        for language, weight in _LETTER_OWNERS.get(letter, ()):
            scores[language] += weight
    if not scores:
        return ""
    (best, score), *others = sorted(scores.items(), key=lambda pair: -pair[1])
    return best if not others or score > others[0][1] else ""
