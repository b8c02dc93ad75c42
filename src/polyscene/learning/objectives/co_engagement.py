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
from polyscene.core.types import LongArray
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
        others = self._no_negatives(batch, items)
        rows, columns = np.concatenate([others, [history.rows, past]], axis=1)
        device = vectors.device
        return contrast_loss(
            self._profiles(history, vectors, past),
            vectors,
            torch.from_numpy(target).to(device),
            self._log_popularity[torch.from_numpy(items)].to(device),
            (torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)),
            self.settings.temperature,
        )

    def _no_negatives(self, batch: Choices, items: LongArray) -> LongArray:
        """Return (2, e) which of the (C,) items each person of the batch chose at any time: row, column."""
        column = np.full(self._chosen.shape[1], -1)
        column[items] = np.arange(len(items))
        user, offsets = batch.queries.user, self._chosen.indptr
        lengths = offsets[user + 1] - offsets[user]
        ends = np.cumsum(lengths)
        at = np.arange(lengths.sum()) + np.repeat(offsets[user] - ends + lengths, lengths)
        columns = column[self._chosen.indices[at]]
        present = columns >= 0
        return np.stack([np.repeat(np.arange(len(user)), lengths)[present], columns[present]])
