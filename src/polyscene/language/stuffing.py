"""How far the rest of an item's text may carry it from its beginning: what keyword stuffing can gain is bounded.

A seller who wants to be seen by everyone writes other items' words behind his own. What he cannot give up is
the beginning, which tells buyers what they get. Both are read; the whole text moves the item only so far
from its beginning as is usual in the catalogue. Nothing here looks for particular words, and a text that is
somebody else's from its first word on cannot be told from an honest one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from polyscene.core.types import FloatArray
from polyscene.language.hostile import normalise

Encode = Callable[[Sequence[str]], FloatArray]
"""n texts to (n, d) unit vectors; a text without words has a zero row."""

LEAD = 0.5
USUAL = 0.9
FEWEST_CHARS = 12


@dataclass(frozen=True)
class Bounded:
    """Item vectors that stuffing moves only so far.

    Attributes:
        vectors: (n, d) unit vectors; zero where the text says nothing.
        leads: (n, d) unit vectors of the texts' beginnings.
        angles: (n,) radians between beginning and whole text, before the bound.
        reach: the largest angle, in radians, that is left of them.
        lead_chars: how long a beginning may be.
    """

    vectors: FloatArray
    leads: FloatArray
    angles: FloatArray
    reach: float
    lead_chars: int


def bounded_vectors(
    titles: Sequence[str],
    texts: Sequence[str],
    encode: Encode,
    *,
    reach: float | None = None,
    lead: float = LEAD,
) -> Bounded:
    whole = encode(texts)  # (n, d)
    chars = usual_length(titles, texts, lead)
    leads = encode([beginning(title, text, chars) for title, text in zip(titles, texts, strict=True)])
    between = angles(leads, whole)  # (n,)
    spoken = np.any(whole != 0, axis=1)
    if reach is None:
        reach = float(np.quantile(between[spoken], USUAL)) if spoken.any() else 0.0
    return Bounded(held(leads, whole, reach), leads, between, reach, chars)


def usual_length(titles: Sequence[str], texts: Sequence[str], share: float = LEAD) -> int:
    lengths = [len(beginning(title, text)) for title, text in zip(titles, texts, strict=True)]
    spoken = [length for length in lengths if length]
    return max(FEWEST_CHARS, int(np.quantile(spoken, share))) if spoken else FEWEST_CHARS


def beginning(title: str, text: str, chars: int | None = None) -> str:
    words = (normalise(title) or normalise(text)) if text else ""
    if chars is None or len(words) <= chars:
        return words
    kept, _, rest = words[: chars + 1].rpartition(" ")
    return kept or words[:chars]


def angles(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return (n,) radians between (n, d) unit rows, exact for small angles too (Kahan)."""
    apart = np.linalg.norm(one - other, axis=1)
    along = np.linalg.norm(one + other, axis=1)
    return (2 * np.arctan2(apart, along)).astype(np.float32)


def held(leads: FloatArray, whole: FloatArray, reach: float) -> FloatArray:
    a = leads.astype(np.float64)
    b = whole.astype(np.float64)
    side = b - (a * b).sum(1, keepdims=True) * a
    n = np.linalg.norm(side, axis=1, keepdims=True)
    side = side / np.where(n > 0, n, 1)
    turned = np.cos(reach) * a + np.sin(reach) * side
    turned = np.where(n > 1e-9, turned, a)
    far = angles(leads, whole) > reach
    out = np.where(far[:, None], turned, b)
    out[~np.any(whole != 0, axis=1)] = 0
    return out.astype(np.float32)
