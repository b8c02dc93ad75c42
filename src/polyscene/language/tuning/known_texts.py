"""What earlier trainings kept of texts: their pooled layers, and the hidden states after the frozen ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from polyscene.core.types import FloatArray, LongArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.activation_cache import ActivationCache, States
from polyscene.language.text.cache import EncodingCache, encoding_keys
from polyscene.language.text.encoding import unit_vectors

TEXTS_PER_TRANSACTION = 512
"""Their states lie in memory anyway."""


class KnownTexts:
    """Distinct texts in the cache, read and written as a catalogue is.

    Args:
        cache: where they are kept.
        model: as it came: it has learned nothing beyond its fingerprint.
        texts: n distinct, normalised texts.
        layers: numbers of the hidden states that are pooled.
        frozen: number of those that are kept whole.
    """

    def __init__(
        self,
        cache: EncodingCache,
        model: LanguageModel,
        texts: Sequence[str],
        layers: Sequence[int],
        frozen: int,
    ) -> None:
        self._cache, self._fingerprint, self._n_layers = cache, model.fingerprint, len(layers)
        self._width = model.width
        self._keys = encoding_keys(model, texts, layers)
        self._plain = encoding_keys(model, texts)
        self._states = ActivationCache(cache, model.fingerprint, frozen, model.width)
        self._waiting: list[tuple[int, FloatArray, States]] = []

    def read(self, take: Callable[[int, FloatArray, States], None]) -> None:
        """Hand over place, (L, width) pooled layers and (length, width) states of every known text."""
        flat, pooled = self._cache.read(self._fingerprint, self._keys, self._n_layers * self._width)
        places = np.flatnonzero(pooled)

        def both(number: int, states: States) -> None:
            place = int(places[number])
            take(place, flat[place].reshape(self._n_layers, self._width), states)

        self._states.read([self._plain[place] for place in places], both)

    def add(self, places: LongArray, pooled: FloatArray, states: Sequence[States]) -> None:
        """Keep what was read of some texts, hundreds of them in a transaction.

        Args:
            places: (b,) of the texts.
            pooled: (b, L, width).
            states: b of them, (length, width) each.
        """
        self._waiting += zip(places.tolist(), pooled, states, strict=True)
        if len(self._waiting) >= TEXTS_PER_TRANSACTION:
            self.store()

    def store(self) -> None:
        """Write what waits."""
        if self._waiting:
            places, pooled, states = zip(*self._waiting, strict=True)
            layers, plain = np.stack(pooled), [self._plain[place] for place in places]
            flat = layers.reshape(len(places), -1)
            self._cache.write(self._fingerprint, [self._keys[place] for place in places], flat)
            self._cache.write(self._fingerprint, plain, unit_vectors(layers[:, 0]))
            self._states.write(plain, states)
            self._waiting = []
