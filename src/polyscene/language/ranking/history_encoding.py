"""Texts of items as features: the language model's vector, and the year behind a title.

Nothing here knows who liked what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import FloatArray, LongArray
from polyscene.language.text.normalisation import normalise

if TYPE_CHECKING:
    from polyscene.language.model.language_model import LanguageModel

Encoder = Callable[[Sequence[str]], FloatArray]
"""Texts to (n, d) unit vectors; a text without words has a zero row."""

Values = NDArray[np.float64]

MAX_DECADES = 5.0
"""No text is more decades than this from the usual year: beyond it, the number is hardly a year."""

_YEAR = re.compile(r"\s*[(\[]((?:1[5-9]|20)\d\d)[)\]]\s*$")
_ARTICLE = re.compile(r"^([^,]+(?:,[^,]+)*?), (the|an|a)(?=$| [(\[])", re.IGNORECASE)


def encoder_of(model: LanguageModel) -> Encoder:
    """Return what encodes texts with a language model."""
    from polyscene.language.text.encoding import encode  # late: torch is not needed to use what is encoded

    return partial(encode, model)


class MemoisedEncoder:
    """An encoder that reads each text once and keeps its vector, for the same texts asked again and again."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.known: dict[str, FloatArray] = {}

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Return (n, d) vectors, reading only what is new."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self.known]
        encoded = self.encoder(fresh)  # (fresh, d)
        self.known |= dict(zip(fresh, encoded, strict=True))
        vectors = np.zeros((len(texts), encoded.shape[1]), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self.known[text]
        return vectors


def plain_title(text: str) -> str:
    """Return a title without the year in brackets behind it, its article in front."""
    return _ARTICLE.sub(r"\2 \1", _YEAR.sub("", normalise(text)))


def year(text: str) -> float:
    """Return the year in brackets at the end of a text, as catalogues write it; NaN where there is none."""
    match = _YEAR.search(normalise(text))
    return float(match[1]) if match else float("nan")


@dataclass(frozen=True)
class TextFeatures:
    """m distinct texts that were read.

    Attributes:
        place: the row of each text.
        vectors: (m, d) as the language model gave them.
        years: (m,) NaN where a text names none.
    """

    place: dict[str, int]
    vectors: Values
    years: Values

    def __len__(self) -> int:
        return len(self.place)

    def rows(self, texts: Iterable[str]) -> LongArray:
        """Return the rows of texts that were read."""
        return np.array([self.place[text] for text in texts], np.int64)

    def part(self, texts: Iterable[str]) -> Self:
        """Return the features of some of the texts."""
        place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        rows = self.rows(place)
        return type(self)(place, self.vectors[rows], self.years[rows])


def read_texts(texts: Iterable[str], encoder: Encoder) -> TextFeatures:
    """Read each distinct text once."""
    place: dict[str, int] = {}
    for text in texts:
        place.setdefault(text, len(place))
    vectors = np.asarray(encoder([plain_title(text) for text in place]), np.float64)
    return TextFeatures(place, vectors, np.array([year(text) for text in place], np.float64))


@dataclass(frozen=True)
class FeatureScale:
    """What is usual among the texts that the ranker learned from: everything is seen relative to it.

    Attributes:
        vector: (d,) their mean vector; zeros where there are none.
        year: their mean year; NaN where none names one.
    """

    vector: Values
    year: float

    @classmethod
    def of(cls, features: TextFeatures) -> Self:
        """Take the means over distinct texts."""
        has_text = np.any(features.vectors != 0.0, axis=1)
        vector = (
            features.vectors[has_text].mean(axis=0) if has_text.any() else np.zeros(features.vectors.shape[1])
        )
        dated = np.isfinite(features.years)
        return cls(vector, float(features.years[dated].mean()) if dated.any() else float("nan"))

    def unit_vectors(self, vectors: Values) -> Values:
        """Return (m, d) unit vectors after the usual one was taken off; a zero row stays zero."""
        has_text = np.any(vectors != 0.0, axis=1)
        shifted = np.where(has_text[:, None], vectors - self.vector, 0.0)
        norms = np.linalg.norm(shifted, axis=1, keepdims=True)
        return np.asarray(np.where(norms > 1e-6, shifted / np.maximum(norms, 1e-6), 0.0))

    def decades(self, years: Values) -> Values:
        """Return (m,) decades after the usual year, at most 5 either way; 0 where no year is named."""
        return np.asarray(
            np.nan_to_num(np.clip((years - self.year) / 10.0, -MAX_DECADES, MAX_DECADES), nan=0.0)
        )
