"""What all objectives share: texts on the one side, losses on the other, joined here.

Every objective is a `polyscene.core.contracts.Learner` over the texts of one scenario. Objectives of one
model share its encoder, so that their weighted sum is what the trainer makes of several learners anyway.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import Parameter, functional

from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tuning import OBJECTIVES, TuningDetails
from polyscene.core.types import IntArray, LongArray
from polyscene.data.queries import Histories
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.learning.objectives.profiles import weighted_sums
from polyscene.learning.tuning_data import TuningData

MIN_BATCH, BATCHES_PER_EPOCH = 32, 20
"""Small batches where there is little, so that an epoch still has this many steps."""


class TextLearner(ABC):
    """What all objectives share: the encoder's weights, and early stopping by what the vectors are worth."""

    def __init__(self, encoder: CachedEncoder, data: TuningData, settings: TuningDetails) -> None:
        self.encoder, self.data, self.settings = encoder, data, settings
        self.head: nn.Module = nn.Identity()

    @classmethod
    @abstractmethod
    def of(
        cls, encoder: CachedEncoder, data: TuningData, scenario: ScenarioSettings, settings: TuningDetails
    ) -> Iterator[tuple[str, float, Self]]:
        """Yield name, weight among its own and learner of everything the objective can learn there."""

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield the encoder's weights and the objective's own."""
        yield from self.encoder.named_parameters()
        for name, parameter in self.head.named_parameters():
            yield f"head.{name}", parameter

    def embeddings(self) -> Iterable[nn.Module]:
        """Return where an adversary may push."""
        return self.encoder.embeddings()

    def validate(self) -> float:
        """Return minus the worth of the present vectors; NaN where nothing is held out."""
        return math.nan if self.data.judge is None else -self.data.judge(self.encoder.all())

    def weights(self) -> Mapping[str, Tensor]:
        """Return copies of what learns, and of what its training remembers."""
        return {name: tensor.detach().clone() for name, tensor in self._kept()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put weights back."""
        with torch.no_grad():
            for name, tensor in self._kept():
                tensor.copy_(weights[name])

    def _kept(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.named_parameters()
        yield from self.encoder.memory()

    @abstractmethod
    def __len__(self) -> int:
        """Return how many cases there are."""

    @abstractmethod
    def batches(self, generator: np.random.Generator) -> Iterator[Any]:
        """Yield one epoch of batches."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:  # noqa: ANN401 - each objective's own
        """Return the scalar to descend."""

    @property
    def batch_size(self) -> int:
        """How many cases a step takes: many while the projection alone learns, fewer where there are few."""
        most = self.settings.projection_batch if self.encoder.resting else self.settings.batch
        return min(most, max(MIN_BATCH, len(self) // BATCHES_PER_EPOCH))

    def _rows(self, n: int, generator: np.random.Generator) -> Iterator[LongArray]:
        """Yield the rows 0 to n in a fresh order; a last batch below half the size is left out."""
        order = generator.permutation(n)
        for start in range(0, n, self.batch_size):
            rows = order[start : start + self.batch_size]
            if start == 0 or 2 * len(rows) >= self.batch_size:
                yield rows

    def _resampled(self, histories: Histories, generator: np.random.Generator) -> Histories:
        """Leave out a random share of the past events, never a person's last one."""
        share = self.settings.history_dropout
        if not share:
            return histories
        kept = (generator.random(len(histories.items)) >= share) | (histories.ages == 0)
        counts = np.bincount(histories.rows[kept], minlength=len(histories))
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return Histories(offsets, histories.items[kept], histories.times[kept], histories.weights[kept])

    def _profiles(self, histories: Histories, vectors: Tensor, columns: LongArray) -> Tensor:
        """Return (B, d) decayed sums of the (C, d) vectors of what people did; `columns` (m,) says which."""
        weights = (histories.weights * self.data.decay**histories.ages).astype(np.float32)  # (m,)
        return functional.normalize(weighted_sums(vectors, columns, weights, histories.offsets), dim=-1)

    def _read(self, *items: LongArray | IntArray) -> tuple[Tensor, LongArray, list[LongArray]]:
        """Return (C, d) vectors of the distinct items, the items (C,), and each argument's columns."""
        flat = np.concatenate([np.asarray(part, np.int64).ravel() for part in items])
        distinct, columns = np.unique(flat, return_inverse=True)
        self.encoder.train(True)
        ends = np.cumsum([part.size for part in items])[:-1]
        return self.encoder.embed(distinct), distinct, np.split(columns, ends)


def objectives_of(
    encoder: CachedEncoder, data: TuningData, scenario: ScenarioSettings, settings: TuningDetails
) -> Iterator[tuple[str, float, TextLearner]]:
    """Yield name, weight and learner of every objective that is asked for and has something to learn from."""
    for objective, share in settings.objectives.shares.items():
        kind: type[TextLearner] | None = OBJECTIVES[objective] if share else None
        for name, weight, learner in () if kind is None else kind.of(encoder, data, scenario, settings):
            if len(learner):
                yield name, share * weight, learner
