"""The chosen above what was shown beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from torch import Tensor

from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.queries import Histories, Timeline
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.learning.objectives.learner import TextLearner
from polyscene.learning.tuning_data import TuningData
from polyscene.training.losses import slate_loss

MAX_SLATE = 20
"""At most so many items of one request are ordered."""


class Order(TextLearner):
    """The chosen above what was shown beside it.

    Args:
        slates: requests, (B, L) items shown, -1 where a slate is shorter, and (B, L) what each was worth.
    """

    @classmethod
    def of(
        cls, encoder: CachedEncoder, data: TuningData, scenario: ScenarioSettings, settings: TuningDetails
    ) -> Iterator[tuple[str, float, Self]]:
        """Yield the one learner."""
        yield "order", 1.0, cls(encoder, data, settings, _slates(data, settings.history))

    def __init__(
        self,
        encoder: CachedEncoder,
        data: TuningData,
        settings: TuningDetails,
        slates: tuple[Histories, LongArray, FloatArray],
    ) -> None:
        super().__init__(encoder, data, settings)
        self._histories, self._items, self._worth = slates

    def __len__(self) -> int:
        return len(self._items)

    def batches(self, generator: np.random.Generator) -> Iterator[LongArray]:
        """Yield one epoch of rows."""
        yield from self._rows(len(self._items), generator)

    def loss(self, batch: LongArray) -> Tensor:
        """Return the softmax loss over each slate."""
        histories, items = self._histories.pick(batch), self._items[batch]
        shown = items >= 0  # (B, L)
        vectors, _, (past, columns) = self._read(histories.items, np.where(shown, items, items[:, :1]))
        profiles = self._profiles(histories, vectors, past)  # (B, d)
        slate = vectors[torch.from_numpy(columns.reshape(items.shape))]  # (B, L, d)
        scores = (slate @ profiles[:, :, None])[:, :, 0] / self.settings.temperature  # (B, L)
        worth = torch.from_numpy(self._worth[batch]).to(scores.device)
        return slate_loss(scores, worth, torch.from_numpy(shown).to(scores.device))


def _slates(data: TuningData, length: int) -> tuple[Histories, LongArray, FloatArray]:
    """Return requests in which something was chosen and something was not: events of one user and moment."""
    log = data.log
    order = np.lexsort((log.time, log.user))
    user, time, item, worth = log.user[order], log.time[order], log.item[order], log.weight[order]
    starts = np.flatnonzero(np.diff(user, prepend=-1) | (np.diff(time, prepend=time[:1] - 1) != 0))
    sizes = np.diff(np.append(starts, len(order)))
    best, least = (
        (np.maximum.reduceat(worth, starts), np.minimum.reduceat(worth, starts))
        if len(starts)
        else (worth, worth)
    )
    mixed = (best > 0) & (least <= 0)
    starts, sizes = starts[mixed], np.minimum(sizes[mixed], MAX_SLATE)
    items = np.full((len(starts), MAX_SLATE), -1, np.int64)
    worths = np.zeros((len(starts), MAX_SLATE), np.float32)
    rows = np.repeat(np.arange(len(starts)), sizes)
    at = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    source = np.repeat(starts, sizes) + at
    items[rows, at], worths[rows, at] = item[source], np.maximum(worth[source], 0.0)
    history = Timeline(log, data.n_users).before(user[starts], time[starts], length)
    kept = np.flatnonzero((history.lengths > 0) & (worths.sum(axis=1) > 0))
    return history.pick(kept), items[kept], worths[kept]
