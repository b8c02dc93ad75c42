"""The fusion meets the trainer: choices among candidates, learned by a softmax over them.

All scenarios learn together, `L = Σ_s λ_s L_s`, then each on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.metrics.ranking import Values
from polyscene.recommenders.fusion.network import FusionNetwork, TorchBlock
from polyscene.recommenders.fusion.training import Example, padded
from polyscene.training.budget import Budget
from polyscene.training.losses import choice_loss
from polyscene.training.plan import Plan

BATCH = 128
PATIENCE = 4
"""Epochs without a better validation after which to stop."""
LEARNING_RATE = 5e-3


def fusion_plan(
    epochs: int, label: str, learning_rate: float = LEARNING_RATE, minutes: float | None = None
) -> Plan:
    """Return how a fusion learns: AdamW with cosine decay to zero, epoch by epoch, at most so long."""
    optimiser = OptimiserSettings(learning_rate=learning_rate, weight_decay=1e-3, warmup=0.0, clip=5.0)
    return Plan(Budget(epochs=epochs, minutes=minutes), optimiser, label, stepping="epoch", patience=PATIENCE)


class FusionLearner:
    """One scenario's choices, and the fusion's network that learns to predict them.

    Args:
        network: several learners may share it.
        scenario: its number among the network's.
        training: choices to learn from.
        held_out: choices to validate on.
    """

    def __init__(
        self,
        network: FusionNetwork,
        scenario: int,
        training: Sequence[Example],
        held_out: Sequence[Example],
    ) -> None:
        self.network, self._scenario = network, scenario
        self._training, self._held_out = training, held_out

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield the network's parameters by number: without a name that spares it, each is decayed."""
        yield from ((str(number), parameter) for number, parameter in enumerate(self.network.parameters()))

    def batches(self, generator: np.random.Generator) -> Iterator[list[Example]]:
        """Yield all choices once in a fresh order."""
        order = generator.permutation(len(self._training))
        for start in range(0, len(order), BATCH):
            yield [self._training[row] for row in order[start : start + BATCH]]

    def logits(self, batch: list[Example]) -> Tensor:
        """Return (B, C) logits plus log-weights, the choice in column 0."""
        block, log_weights = padded(batch)
        tensors = TorchBlock(block, self._scenario, self.network.n_scenarios)
        logits: Tensor = self.network(tensors) + torch.from_numpy(log_weights)
        return logits

    def loss(self, batch: list[Example]) -> Tensor:
        """Return the mean cross-entropy of the choices among their candidates."""
        return choice_loss(self.logits(batch))

    def validate(self) -> float:
        """Return the mean loss over the choices held out."""
        return float(self.losses().sum()) / max(len(self._held_out), 1)

    def losses(self) -> Values:
        """Return (n,) the loss of every choice held out."""
        parts = [np.zeros(0)]
        with torch.inference_mode():
            for start in range(0, len(self._held_out), BATCH):
                logits = self.logits(list(self._held_out[start : start + BATCH]))
                parts.append((torch.logsumexp(logits, dim=1) - logits[:, 0]).double().numpy())
        return np.concatenate(parts)

    def weights(self) -> Mapping[str, Tensor]:
        """Return a copy of the network's state."""
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put a state back."""
        self.network.load_state_dict(dict(weights))
