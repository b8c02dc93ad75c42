"""The joint training of choices: all scenarios together, `L = Σ_s λ_s L_s`, then each scenario on its own.

A thin use of `polyscene.training.loop` for learners that give logits of choices instead of a loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.contracts import Trainable
from polyscene.core.progress import Progress
from polyscene.training.budget import Budget
from polyscene.training.loop import Curve, fit
from polyscene.training.losses import choice_loss
from polyscene.training.optimisation import OptimisationSettings

PATIENCE = 4

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn: AdamW with cosine decay to zero, epoch by epoch."""

    epochs: int
    learning_rate: float = 5e-3
    weight_decay: float = 1e-3


class ChoiceLearner(Generic[Batch]):
    """A `Trainable` as a `polyscene.core.contracts.Learner`: its loss is the softmax over the candidates."""

    def __init__(self, trainable: Trainable[Batch]) -> None:
        self._trainable = trainable

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Return what may be changed, by number: no name, so everything is decayed."""
        return ((str(number), found) for number, found in enumerate(self._trainable.parameters()))

    def batches(self, generator: np.random.Generator) -> Iterator[Batch]:
        """Yield one epoch of batches in a fresh order."""
        return self._trainable.batches(generator)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the choices."""
        return choice_loss(self._trainable.logits(batch))

    def validate(self) -> float:
        """Return the loss on choices held out."""
        return self._trainable.validate()

    def weights(self) -> Mapping[str, Tensor]:
        """Return a copy of the present parameters."""
        return self._trainable.weights()

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put parameters back."""
        self._trainable.load(weights)


def train(
    learners: Mapping[str, Trainable[Batch]],
    shares: Mapping[str, float],
    schedule: Schedule,
    generator: np.random.Generator,
    progress: Progress,
    label: str,
) -> Curve:
    """Improve the learners together and leave in them the weights that validated best.

    Args:
        learners: by scenario; they may share parameters.
        shares: λ_s by scenario.

    Returns:
        The curve of the weighted training and validation losses, one entry per epoch.

    Raises:
        DataError: no learner has a choice to learn from.
    """
    return fit(
        {name: ChoiceLearner(learner) for name, learner in learners.items()},
        shares,
        Budget(epochs=schedule.epochs),
        OptimisationSettings(
            learning_rate=schedule.learning_rate,
            weight_decay=schedule.weight_decay,
            stepping="epoch",
            clip=5.0,
        ),
        generator,
        progress,
        label,
        patience=PATIENCE,
    )


__all__ = ["PATIENCE", "ChoiceLearner", "Curve", "Schedule", "train"]
