"""Texts as the middle of a language model sees them.

The last layer of an encoder that was trained to compare meanings has let go of how a thing is said. What
makes people click is said on the way there.
"""

from __future__ import annotations

from collections.abc import Sequence

from polyscene.core.progress import Progress
from polyscene.core.types import FloatArray
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.cache import EncodingCache, pool_cached
from polyscene.language.text.encoding import distinct_texts
from polyscene.language.text.normalisation import normalise


class LayerReader:
    """Reads texts with one language model or several, two layers of each.

    Args:
        models: as they were loaded.
        cache: of what they read.
        progress: told of the reading.
    """

    def __init__(
        self, models: Sequence[LanguageModel], cache: EncodingCache, progress: Progress | None = None
    ) -> None:
        self.models, self.cache, self.progress = list(models), cache, progress

    def __call__(self, texts: Sequence[str]) -> list[FloatArray]:
        """Return (n, width) pooled hidden states, one block for each layer of each model."""
        return [block for model in self.models for block in self._blocks(model, texts)]

    def _blocks(self, model: LanguageModel, texts: Sequence[str]) -> list[FloatArray]:
        distinct, rows = distinct_texts([normalise(text) for text in texts])
        depth = len(stack(model.module))
        pooled = pool_cached(
            model, distinct, (depth, *middle_layers(depth)), self.cache, progress=self.progress
        )  # (m, 1 + L, width)
        return [pooled[rows, place] for place in range(1, pooled.shape[1])]


def middle_layers(depth: int) -> list[int]:
    """Return the layer two thirds of the way up, and the last but one; of one layer, that one."""
    return sorted({max(1, round(2 * depth / 3)), max(1, depth - 1)})
