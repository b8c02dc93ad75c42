"""Can a tokenizer read these texts? A model that cannot is recognised before it is trusted.

A word is a run of letters and marks of one script; in Chinese writing every character is a word. A word is
unreadable where the tokenizer knows nothing for it, or where it falls apart into single letters (or less).
A tokenizer that has a tenth of the common Chinese characters is made for reading them one by one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

from polyscene.core.scripts import HAN, LATIN, script_of
from polyscene.core.seeds import generator
from polyscene.core.settings.language import MULTILINGUAL
from polyscene.language.text.normalisation import normalise

UNREADABLE_SHARE = 0.25
"""Above this share of unreadable words a model is advised against."""

_HAN_KNOWN_SHARE = 0.1  # English BERT has 1 %, Chinese BERT 35 %
_HAN_PROBES = [chr(code) for code in range(0x4E00, 0xA000, 7)]
LINES = f'\n  [language]\n  model = "{MULTILINGUAL}"   # needs: pip install "polyscene[languages]"'
"""What to write to have texts read in any language."""

_CHARS_PER_TEXT = 2_000
_CHARS_PER_WORD = 64
_LATIN = re.compile("[A-Za-z]+")
_SPACE_MARKS = "▁Ġ"  # how sentencepiece and byte-level tokenizers write a space


class Tokenizer(Protocol):
    """As much of a tokenizer as is asked here."""

    @property
    def unk_token(self) -> Any:  # noqa: ANN401 - a text, or None
        """What stands for what it does not know."""
        ...

    def __call__(self, texts: Any, *, add_special_tokens: bool = True) -> Any:  # noqa: ANN401 - a mapping
        """Return the token ids of each text under `input_ids`."""
        ...

    def convert_ids_to_tokens(self, ids: Any) -> Any:  # noqa: ANN401 - a list of texts
        """Return the tokens of ids."""
        ...


@dataclass(frozen=True)
class ScriptCoverage:
    """How well the words of one script are read.

    Attributes:
        words: how many there are in the sample.
        unreadable: share of them that the tokenizer cannot read, in [0, 1].
    """

    words: int
    unreadable: float


@dataclass(frozen=True)
class Coverage:
    """How well a tokenizer reads a set of texts.

    Attributes:
        words: how many words were looked at.
        unreadable: share of words that are unknown or fall apart into single letters, in [0, 1].
        scripts: the same by script ("Latin", "Han", "Cyrillic", …), most words first.
    """

    words: int
    unreadable: float
    scripts: Mapping[str, ScriptCoverage]

    @property
    def readable(self) -> bool:
        """Whether at most a quarter of the words is unreadable; True where there are no words."""
        return self.unreadable <= UNREADABLE_SHARE

    @property
    def advice(self) -> str:
        """What to do, in plain words and with the lines to write; empty where the texts are readable."""
        if self.readable:
            return ""
        worst = [name for name, part in self.scripts.items() if part.unreadable > UNREADABLE_SHARE]
        lost = f"{self.unreadable:.0%} of the words ({', '.join(worst)}) mean nothing to this language model"
        if worst == [LATIN]:
            return (
                f"{lost}: they fall apart into single letters, as codes do. Name columns with words "
                f"under 'text' or, if these are words, a multilingual model:{LINES}"
            )
        return f"{lost}, so it cannot tell these items apart by their text. A multilingual model can:{LINES}"


def measure_coverage(
    tokenizer: Tokenizer, texts: Sequence[str], sample: int = 2_000, seed: int = 0
) -> Coverage:
    """Measure how well `tokenizer` reads `texts`.

    Args:
        tokenizer: a language model's.
        texts: n texts.
        sample: at most this many are looked at, drawn without replacement.
        seed: of the draw.
    """
    counts = Counter(word for text in _sampled(texts, sample, seed) for word in _words(text))
    unknown, broken = _verdicts(tokenizer, list(counts))
    return Coverage(
        words=counts.total(),
        unreadable=_share(counts, unknown | broken),
        scripts=_by_script(counts, unknown | broken),
    )


def _sampled(texts: Sequence[str], sample: int, seed: int) -> Iterator[str]:
    if len(texts) <= sample:
        chosen: Iterable[int] = range(len(texts))
    else:
        chosen = generator(seed, "coverage").choice(len(texts), size=sample, replace=False)
    for place in chosen:
        yield normalise(texts[place], _CHARS_PER_TEXT)


def _words(text: str) -> Iterator[str]:
    """Yield runs of one script; marks belong to the letter before them, Han characters stand alone."""
    if text.isascii():
        yield from (word[:_CHARS_PER_WORD] for word in _LATIN.findall(text))
        return
    for script, run in groupby(_scripts(text), key=lambda pair: pair[1]):
        word = "".join(char for char, _ in run)
        if script == HAN:
            yield from word
        elif script:
            yield word[:_CHARS_PER_WORD]


def _scripts(text: str) -> Iterator[tuple[str, str]]:
    script = ""
    for char in text:
        if char.isalpha():
            script = script_of(char)
        elif not (script and unicodedata.category(char).startswith("M")):
            script = ""
        yield char, script


def _verdicts(tokenizer: Tokenizer, words: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return the words that are unknown, and those that fall apart."""
    by_character = any(script_of(word[0]) == HAN for word in words) and _knows_han(tokenizer)
    unknown: set[str] = set()
    broken: set[str] = set()
    for word, pieces in zip(words, _pieces(tokenizer, words), strict=True):
        letters = sum(char.isalpha() for char in word)
        if not pieces or tokenizer.unk_token in pieces:
            unknown.add(word)
        elif script_of(word[0]) == HAN:
            if len(pieces) > 1 or not by_character:
                broken.add(word)
        elif len(pieces) >= max(2, letters):
            broken.add(word)
    return unknown, broken


def _knows_han(tokenizer: Tokenizer) -> bool:
    pieces = [tokens for tokens in _pieces(tokenizer, _HAN_PROBES) if len(tokens) == 1]
    known = sum(tokens[0] != tokenizer.unk_token for tokens in pieces)
    return bool(known >= _HAN_KNOWN_SHARE * len(_HAN_PROBES))


def _pieces(tokenizer: Tokenizer, words: Sequence[str]) -> Iterator[list[str]]:
    """Yield the tokens of each word, without those that only stand for a space."""
    if not words:
        return
    for ids in tokenizer(list(words), add_special_tokens=False)["input_ids"]:
        yield [token for token in tokenizer.convert_ids_to_tokens(ids) if token.strip(_SPACE_MARKS)]


def _share(counts: Counter[str], words: set[str]) -> float:
    return sum(counts[word] for word in words) / max(counts.total(), 1)


def _by_script(counts: Counter[str], bad: set[str]) -> dict[str, ScriptCoverage]:
    total: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for word, times in counts.items():
        total[script_of(word[0])] += times
        lost[script_of(word[0])] += times if word in bad else 0
    return {script: ScriptCoverage(n, lost[script] / n) for script, n in total.most_common()}
