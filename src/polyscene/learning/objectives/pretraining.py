"""The company's words themselves: hidden ones for an encoder, the next one for a decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor, nn

from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import LongArray
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.pretraining import WordHead, hidden_words
from polyscene.learning.objectives.learner import TextLearner
from polyscene.learning.tuning_data import TuningData
from polyscene.training.losses import token_loss


@dataclass(frozen=True)
class HiddenRows:
    """Texts of which words are hidden.

    Attributes:
        rows: (B,) which texts.
        seed: of what is hidden.
    """

    rows: LongArray
    seed: int

    def __len__(self) -> int:
        return len(self.rows)


class Pretraining(TextLearner):
    """The company's words themselves: hidden ones for an encoder, the next one for a decoder."""

    @classmethod
    def of(
        cls, encoder: CachedEncoder, data: TuningData, scenario: ScenarioSettings, settings: TuningDetails
    ) -> Iterator[tuple[str, float, Self]]:
        """Yield the one learner, once weights of the model itself learn."""
        if not encoder.resting:
            yield "pretraining", 1.0, cls(encoder, data, settings)

    def __init__(self, encoder: CachedEncoder, data: TuningData, settings: TuningDetails) -> None:
        super().__init__(encoder, data, settings)
        self.head = WordHead(encoder.model)
        self._nonempty = np.flatnonzero(encoder.lengths > 2)

    def embeddings(self) -> Iterable[nn.Module]:
        """Return the embedded tokens: words are read anew each time, through every layer."""
        return [self.encoder.model.words]

    def __len__(self) -> int:
        return len(self._nonempty)

    def batches(self, generator: np.random.Generator) -> Iterator[HiddenRows]:
        """Yield one epoch of rows, and the seed that says which words are hidden."""
        for rows in self._rows(len(self._nonempty), generator):
            yield HiddenRows(self._nonempty[rows], int(generator.integers(2**31)))

    def loss(self, batch: HiddenRows) -> Tensor:
        """Return the cross-entropy of the words that the model has to find."""
        self.encoder.train(True)
        case = hidden_words(self.encoder.model, [self.encoder.tokens[row] for row in batch.rows], batch.seed)
        logits = self.head(case.states(self.encoder.model))
        return token_loss(logits, case.labels)
