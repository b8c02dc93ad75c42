"""A catalogue while only the projection above it learns: what training does not change is prepared once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from polyscene.core.types import FloatArray, LongArray
from polyscene.language.model.projection import PreparedTexts, Projection

TEXTS_AT_ONCE = 1024


class RestingTexts:
    """The pooled layers of n texts, read through a projection again and again.

    Args:
        pooled: (n, L, width); looked at when first asked.
        tokens: (m,) the token ids of all texts, one after the other.
        offsets: (n + 1,) where each text begins in them, and the end.
    """

    def __init__(self, pooled: FloatArray, tokens: LongArray, offsets: LongArray) -> None:
        self._pooled, self._tokens, self._offsets = pooled, tokens, offsets
        self._prepared: PreparedTexts | None = None
        self._of: tuple[object, ...] = ()

    def read(self, projection: Projection, rows: LongArray) -> Tensor:
        """Return (b, d) unit vectors of the named texts, with gradients where the projection learns."""
        at, starts = tokens_at(self._offsets, rows)
        prepared = self._of_projection(projection)
        return projection.project(prepared.pick(torch.from_numpy(rows), torch.from_numpy(at)), starts)

    def prepared_by(self, projection: Projection) -> bool:
        """Return whether what this projection does not learn is at hand."""
        return self._prepared is not None and self._of == _parts(projection)

    def _of_projection(self, projection: Projection) -> PreparedTexts:
        """Return the texts as prepared by a projection; anew where another one is given, or another mean."""
        if self._prepared is None or self._of != _parts(projection):
            self._prepared, self._of = None, _parts(projection)
            with torch.inference_mode(False), torch.no_grad():
                self._prepared = self._joined(projection)
        return self._prepared

    def _joined(self, projection: Projection) -> PreparedTexts:
        features = torch.empty(len(self._pooled), projection.linear.in_features)
        words: list[Tensor] = []
        phrases: list[Tensor] = []
        for texts in self._slices():
            first, last = int(self._offsets[texts.start]), int(self._offsets[texts.stop])
            tokens = torch.from_numpy(self._tokens[first:last])
            starts = torch.from_numpy(self._offsets[texts.start : texts.stop] - first)
            some = projection.prepare(torch.from_numpy(self._pooled[texts]), tokens, starts)
            features[texts] = some.features
            words += [] if some.words is None else [some.words]
            phrases += [] if some.phrases is None else [some.phrases]
        return PreparedTexts(
            features, torch.cat(words) if words else None, torch.cat(phrases) if phrases else None
        )

    def _slices(self) -> Iterator[slice]:
        for start in range(0, len(self._pooled), TEXTS_AT_ONCE):
            yield slice(start, min(start + TEXTS_AT_ONCE, len(self._pooled)))


def _parts(projection: Projection) -> tuple[object, ...]:
    """Return what decides how a projection prepares texts; the mean by how often it was written."""
    return projection, projection.mean._version, projection.words, projection.phrases


def tokens_at(offsets: LongArray, rows: LongArray) -> tuple[LongArray, Tensor]:
    """Return (t,) the places of the named texts' tokens, and (b,) where each text begins in them."""
    lengths = offsets[rows + 1] - offsets[rows]
    starts = np.cumsum(lengths) - lengths
    at = np.arange(lengths.sum()) + np.repeat(offsets[rows] - starts, lengths)
    return at, torch.from_numpy(starts)
