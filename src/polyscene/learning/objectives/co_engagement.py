"""What the same people choose near each other belongs together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.data.queries import Choices, Queries
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.learning.objectives.learner import TextLearner
from polyscene.learning.tuning_data import TuningData
from polyscene.training.losses import contrast_loss


class CoEngagement(TextLearner):
    """What the same people choose near each other belongs together.

    A person's latest events are the anchor, the next choice the positive, all other texts of the batch the
    negatives; what the person chose at any time is no negative, and popularity is corrected for.
    """

    @classmethod
    def of(
        cls, encoder: CachedEncoder, data: TuningData, scenario: ScenarioSettings, settings: TuningDetails
    ) -> Iterator[tuple[str, float, Self]]:
        """Yield the one learner."""
        yield "co_engagement", 1.0, cls(encoder, data, settings)

    def __init__(self, encoder: CachedEncoder, data: TuningData, settings: TuningDetails) -> None:
        super().__init__(encoder, data, settings)
        kept = np.flatnonzero(data.choices.queries.history.lengths > 0)
        self._choices = data.choices.pick(kept)
        counts = np.bincount(data.log.item, minlength=len(encoder)) + 1.0
        self._log_popularity = torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))
        known = (np.ones(len(data.log), np.float32), (data.log.user, data.log.item))
        self._chosen = sparse.csr_array(sparse.coo_array(known, shape=(data.n_users, len(encoder))))

    def __len__(self) -> int:
        return len(self._choices)

    def batches(self, generator: np.random.Generator) -> Iterator[Choices]:
        """Yield one epoch of choices."""
        for rows in self._rows(len(self._choices), generator):
            picked = self._choices.pick(rows)
            histories = self._resampled(picked.queries.history, generator)
            yield Choices(Queries(picked.queries.user, picked.queries.time, histories), picked.target)

    def loss(self, batch: Choices) -> Tensor:
        """Return the contrast of each choice against the texts of the batch."""
        history = batch.queries.history
        vectors, items, (past, target) = self._read(history.items, batch.target)
        others = self._chosen[batch.queries.user][:, items].toarray() > 0  # (B, C)
        others[history.rows, past] = True
        device = vectors.device
        return contrast_loss(
            self._profiles(history, vectors, past),
            vectors,
            torch.from_numpy(target).to(device),
            self._log_popularity[torch.from_numpy(items)].to(device),
            torch.from_numpy(others).to(device),
            self.settings.temperature,
        )
