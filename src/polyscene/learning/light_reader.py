"""Reads texts with the light language model as training would have read them. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from polyscene.core.errors import ModelError
from polyscene.core.settings.language import LIGHT, LanguageSettings
from polyscene.core.types import FloatArray
from polyscene.language.model.light import encode_lightly
from polyscene.language.model.sources import fingerprint, locate
from polyscene.language.text.keyword_stuffing import bounded_vectors
from polyscene.learning.item_views import ViewRecipe


class LightReader:
    """The light language model of a run. Any number of threads may read at once.

    Args:
        settings: how long texts may be.
        expected: the fingerprint of the model that the run was trained with.

    Raises:
        MissingExtraError: the package that carries it is not installed.
        ModelError: it is not the model that the run was trained with.
    """

    def __init__(self, settings: LanguageSettings, expected: str) -> None:
        self._encode = partial(encode_lightly, settings=settings)
        if fingerprint(locate(settings)) != expected:
            raise ModelError(
                f"this run was taught with another version of the language model '{LIGHT}' than the one that "
                "is installed now: put the former back, or train again"
            )

    def read(self, texts: Sequence[str], recipe: ViewRecipe) -> FloatArray:
        """Return (n, 512) float32 unit vectors of n texts, bounded as the recipe says; 0 for no text."""
        if recipe.reach is None:
            return self._encode(texts)
        bounded = bounded_vectors(texts, self._encode, reach=recipe.reach, lead_chars=recipe.lead_chars)
        return bounded.vectors
