"""The scenario's own objectives, clicks and values, told from text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from polyscene.core.settings.scenarios import VALUE_LOSSES, Objective, ScenarioSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.queries import Choices
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.learning.objectives.learner import TextLearner
from polyscene.learning.tuning_data import TuningData, choices_before
from polyscene.training.losses import binary_loss, squared_loss


class Feedback(TextLearner):
    """What people thought of an item, told from its text and theirs: a yes or no, or a value.

    Args:
        cases: events with their histories; `labels` (n,) in [0, 1] for "bce", standardised for "mse".
        kind: "bce" a click or a like, "mse" a rating or dwell time.
    """

    @classmethod
    def of(
        cls, encoder: CachedEncoder, data: TuningData, scenario: ScenarioSettings, settings: TuningDetails
    ) -> Iterator[tuple[str, float, Self]]:
        """Yield a learner for each objective of the scenario, with the weight it has there."""
        for objective in scenario.objectives:
            cases, labels = _labelled(data, objective, settings.history)
            kind = "mse" if objective.loss in VALUE_LOSSES else "bce"
            learner = cls(encoder, data, settings, cases, labels, kind)
            yield f"{objective.action} by {objective.loss}", objective.weight, learner

    def __init__(
        self,
        encoder: CachedEncoder,
        data: TuningData,
        settings: TuningDetails,
        cases: Choices,
        labels: FloatArray,
        kind: str,
    ) -> None:
        super().__init__(encoder, data, settings)
        self._cases, self._labels, self._kind = cases, torch.from_numpy(labels), kind
        self.head = nn.Linear(1, 1)
        with torch.no_grad():
            self.head.weight.fill_(1.0 / settings.temperature if kind == "bce" else 1.0)
            self.head.bias.zero_()

    def __len__(self) -> int:
        return len(self._cases)

    def batches(self, generator: np.random.Generator) -> Iterator[LongArray]:
        """Yield one epoch of rows."""
        yield from self._rows(len(self._cases), generator)

    def loss(self, batch: LongArray) -> Tensor:
        """Return the cross-entropy or the squared error of what text and history predict."""
        cases = self._cases.pick(batch)
        vectors, _, (past, target) = self._read(cases.queries.history.items, cases.target)
        profiles = self._profiles(cases.queries.history, vectors, past)
        cosine = (profiles * vectors[torch.from_numpy(target)]).sum(dim=1, keepdim=True)  # (B, 1)
        predictions: Tensor = self.head(cosine)[:, 0]
        labels = self._labels[torch.from_numpy(batch)].to(predictions.device)
        return (binary_loss if self._kind == "bce" else squared_loss)(predictions, labels)


def _labelled(data: TuningData, objective: Objective, length: int) -> tuple[Choices, FloatArray]:
    """Return cases and labels of one objective.

    A yes or no: 1 where the action happened and was liked, 0 for the user's other events; so do classes and
    orders teach texts. A value: the action's, standardised.
    """
    log, action = data.log, objective.action
    happened = log.action == (log.actions.index(action) if action in log.actions else -1)
    if objective.loss in VALUE_LOSSES:
        rows = happened & np.isfinite(log.value)
        value = log.value[rows]
        labels = (value - value.mean()) / max(float(value.std()), 1e-6) if rows.any() else value
    else:
        liked = happened & (log.weight > 0)
        if objective.at_least is not None:
            liked &= log.value >= objective.at_least
        rows = np.full(len(log), bool(liked.any() and not liked.all()))
        labels = liked.astype(np.float32)
    cases = choices_before(log.take(rows), log, data.n_users, length)
    kept = np.flatnonzero(cases.queries.history.lengths > 0)
    return cases.pick(kept), labels[kept].astype(np.float32)
