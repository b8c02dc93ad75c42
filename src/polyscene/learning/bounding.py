"""How far a text may carry its item, where the project bounds it: see `language.text.keyword_stuffing`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from polyscene.core.progress import Progress
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.types import FloatArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.packed_bert import packed
from polyscene.language.text.cache import EncodingCache, encode_cached
from polyscene.language.text.keyword_stuffing import BoundedVectors, bounded_vectors

BoundedCatalogue = tuple[FloatArray, BoundedVectors | None]
"""(n, d) vectors of a catalogue, within reach where the project bounds it, and the bound."""


def wanted_reach(language: LanguageSettings) -> float | None:
    """Return the reach in radians; None where the catalogue itself says what is usual."""
    return None if isinstance(language.reach, str) else math.radians(language.reach)


def read_catalogue(
    model: LanguageModel,
    texts: Sequence[str],
    language: LanguageSettings,
    cache: EncodingCache,
    progress: Progress,
) -> BoundedCatalogue:
    """Read n texts with a model that is not tuned.

    Returns:
        (n, d) vectors, within reach where the project bounds it, and the bound.
    """
    encode = partial(
        encode_cached, packed(model), cache=cache, batch_tokens=language.batch_tokens, progress=progress
    )
    if language.reach == "unbounded":
        return encode(texts), None
    bounded = bounded_vectors(texts, encode, reach=wanted_reach(language))
    return bounded.vectors, bounded


def facts_of(bounded: BoundedVectors) -> dict[str, Any]:
    """Return what a run's manifest says of a bound; what new items need to be held by the same one."""
    return {
        "reach_degrees": float(np.degrees(bounded.reach)),
        "lead_chars": bounded.lead_chars,
        "held_back": len(bounded.held_back),
    }
