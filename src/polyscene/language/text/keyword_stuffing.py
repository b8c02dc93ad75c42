"""How far an item's text may carry it from its own beginning: what keyword stuffing can gain is bounded.

A seller who wants to be seen by other items' buyers writes those items' words behind his own. His own come
first, because they tell buyers what they get, and a text is as long as texts of the catalogue usually are. So
the beginning of that length is read, and the whole text, which may turn the item's vector only so far from
the beginning's as is usual. No words are looked for, and nothing is learned from labels. A text that is
somebody else's from its first word on cannot be told from an honest one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from polyscene.core.types import FloatArray, LongArray
from polyscene.language.text.normalisation import normalise

Encode = Callable[[Sequence[str]], FloatArray]
"""n texts to (n, d) unit vectors; a text without words has a zero row."""

LEAD_QUANTILE = 0.5
"""A beginning is as long as this quantile of the catalogue's texts."""

REACH_QUANTILE = 0.6
"""The reach is this quantile of the angles in the catalogue: so many items keep their vector to the bit."""

MAX_REACH = math.pi / 4
"""No catalogue, however loosely written, has a wider reach than this."""

_MIN_LEAD_CHARS = 12  # characters; less is no beginning
_MIN_SINE = 1e-9  # the sine below which two directions span no plane


@dataclass(frozen=True)
class BoundedVectors:
    """Item vectors that the rest of the text has turned only so far from the beginning's.

    Attributes:
        vectors: (n, d) float32 unit vectors; zero rows where the text, or its beginning, has no words.
        leads: (n, d) float32 unit vectors of the beginnings.
        angles: (n,) radians between beginning and whole text, before the bound; 0 for a zero row.
        reach: the largest angle in radians that was let through.
        lead_chars: how many characters a beginning has at most.
    """

    vectors: FloatArray
    leads: FloatArray
    angles: FloatArray
    reach: float
    lead_chars: int

    @property
    def held_back(self) -> LongArray:
        """Return the rows whose text wanted to turn further than the reach."""
        return np.flatnonzero(self.angles > self.reach)


def bounded_vectors(
    texts: Sequence[str],
    encode: Encode,
    *,
    reach: float | None = None,
    lead_chars: int | None = None,
) -> BoundedVectors:
    """Encode the items of a catalogue so that stuffing gains no more than a stated amount.

    The bound: `vectors[i] · leads[i] >= cos(reach)`, and for any unit profile p, `p · vectors[i]` is at most
    `2 sin(reach / 2)` above `p · leads[i]`, whatever stands behind the beginning. Proof: `within_reach` turns
    by no more than the reach; unit vectors at an angle t are `2 sin(t / 2)` apart, and by Cauchy-Schwarz a
    unit profile's scores of them are no further apart than they are.

    Args:
        texts: n texts, as the language model reads them, what buyers see first coming first.
        encode: for instance `partial(encode_cached, model, cache=cache)`; called for texts and beginnings.
        reach: radians, 0 to pi. Default: the `REACH_QUANTILE` over the items with text, at most `MAX_REACH`.
            Hostile items shift it only as outliers shift a quantile: a share h of them can make it no wider
            than the quantile REACH_QUANTILE / (1 - h) of the honest ones. Pass a fitted one for new items.
        lead_chars: length of a beginning. Default: `usual_length`. Pass a fitted one for new items.

    Returns:
        Vectors as `encode` would give them, to the bit, for items within reach.

    Raises:
        ValueError: reach or lead_chars out of range.
    """
    _check(reach, lead_chars)
    lines = [normalise(text) for text in texts]
    leads, chars = beginnings(lines, lead_chars)
    whole = encode(lines)  # (n, d)
    return bounded_by(encode(leads), whole, chars, reach)


def bounded_by(
    leads: FloatArray, whole: FloatArray, lead_chars: int, reach: float | None = None
) -> BoundedVectors:
    """Bound vectors that are read already.

    Args:
        leads: (n, d) unit or zero rows, of beginnings of at most `lead_chars` characters.
        whole: (n, d) unit or zero rows, of the whole texts.
        reach: radians, 0 to pi; default: the usual one of these items.
    """
    between = angles(leads, whole)  # (n,)
    allowed = _usual_reach(between, whole) if reach is None else reach
    return BoundedVectors(within_reach(leads, whole, allowed), leads, between, allowed, lead_chars)


def within_reach(leads: FloatArray, whole: FloatArray, reach: float) -> FloatArray:
    """Return (n, d) unit vectors: `whole`, turned back in the plane of both where it is beyond reach.

    `cos(reach) l + sin(reach) u`, with u the unit vector of what of `whole` is at right angles to l. Where
    both lie opposite each other there is no such plane, and l itself is returned; a zero row of either stays
    zero.

    Args:
        leads: (n, d) unit or zero rows.
        whole: (n, d) unit or zero rows.
        reach: radians, 0 to pi.
    """
    lead, far = leads.astype(np.float64), angles(leads, whole) > reach  # (n, d), (n,)
    lead /= np.maximum(np.linalg.norm(lead, axis=1, keepdims=True), _MIN_SINE)  # single precision is short
    across = whole - np.einsum("nd,nd->n", lead, whole.astype(np.float64))[:, None] * lead  # (n, d)
    sine = np.linalg.norm(across, axis=1, keepdims=True)  # (n, 1)
    turned = math.cos(reach) * lead + math.sin(reach) * across / np.maximum(sine, _MIN_SINE)  # (n, d)
    turned = np.where(sine > _MIN_SINE, turned, lead)
    kept = np.where(far[:, None], turned, whole)  # (n, d)
    empty = ~(np.any(leads != 0, axis=1) & np.any(whole != 0, axis=1))  # (n,)
    return np.where(empty[:, None], 0.0, kept).astype(np.float32)


def angles(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return (n,) radians, 0 to pi, between the rows of two (n, d) arrays; 0 where a row is zero.

    `2 atan2(|a - b|, |a + b|)` for unit vectors, which is exact for small angles too. Source: Kahan, How
    Futile are Mindless Assessments of Roundoff, 2006, section 12.
    """
    apart = np.linalg.norm(one.astype(np.float64) - other, axis=1)
    along = np.linalg.norm(one.astype(np.float64) + other, axis=1)
    has_text = np.any(one != 0, axis=1) & np.any(other != 0, axis=1)
    return np.where(has_text, 2.0 * np.arctan2(apart, along), 0.0).astype(np.float32)


def beginnings(texts: Sequence[str], chars: int | None = None) -> tuple[list[str], int]:
    """Return what n normalised texts begin with, and of how many characters that is at most.

    Args:
        texts: of a catalogue.
        chars: default: `usual_length`.
    """
    limit = usual_length(texts) if chars is None else chars
    return [beginning(text, limit) for text in texts], limit


def usual_length(texts: Sequence[str]) -> int:
    """Return the `LEAD_QUANTILE` of the lengths of n normalised texts in characters, at least 12."""
    lengths = [len(text) for text in texts if text]
    return max(_MIN_LEAD_CHARS, int(np.quantile(lengths, LEAD_QUANTILE))) if lengths else _MIN_LEAD_CHARS


def beginning(text: str, chars: int) -> str:
    """Return the first `chars` characters of a normalised text, cut between words where there are several."""
    if len(text) <= chars:
        return text
    before, _, _ = text[: chars + 1].rpartition(" ")
    return before or text[:chars]


def _usual_reach(between: FloatArray, whole: FloatArray) -> float:
    has_text = np.any(whole != 0, axis=1)
    return min(float(np.quantile(between[has_text], REACH_QUANTILE)), MAX_REACH) if has_text.any() else 0.0


def _check(reach: float | None, lead_chars: int | None) -> None:
    if reach is not None and not 0.0 <= reach <= math.pi:
        raise ValueError(
            f"expected a reach of 0 to pi radians, found {reach}; leave it out for the usual one"
        )
    if lead_chars is not None and lead_chars < 1:
        raise ValueError(f"expected at least 1 character, found lead_chars = {lead_chars}; leave it out")
