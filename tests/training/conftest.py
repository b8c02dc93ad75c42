"""A learner small enough to check by hand and real enough to need dropout, chance and several weights."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import Parameter, functional

from polyscene.core.types import IntArray


class Reader(nn.Module):
    """Counts, roughly: words are embedded, dropped out, averaged and weighed to a number."""

    def __init__(self, seed: int, words: int = 12, width: int = 6, dropout: float = 0.2) -> None:
        super().__init__()
        stream = torch.Generator().manual_seed(seed)
        self.embedding = nn.Embedding(words, width)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=stream) * 0.5)

    def forward(self, words: Tensor) -> Tensor:
        """Return (B,) values of (B, l) words."""
        read = self.dropout(self.embedding(words)).mean(dim=1)  # (B, d)
        values: Tensor = self.out(self.norm(read))[:, 0]  # (B,)
        return values


class ReadingLearner:
    """Teaches a reader the mean of the words; kills its process or interrupts at a chosen loss."""

    def __init__(
        self,
        model: nn.Module,
        n: int = 22,
        batch: int = 4,
        seed: int = 0,
        stop_at: int | None = None,
        kill: bool = False,
        validations: Sequence[float] = (),
    ) -> None:
        stream = np.random.default_rng(seed)
        self.words = torch.from_numpy(stream.integers(0, 12, (n, 5)))  # (n, l)
        self.values = self.words.float().mean(dim=1) / 6.0 - 1.0  # (n,)
        self.model, self.batch, self.stop_at, self.kill = model, batch, stop_at, kill
        self.validations = list(validations)
        self.losses = self.validated = 0
        self.shown: list[list[int]] = []

    def named_parameters(self) -> Iterable[tuple[str, Parameter]]:
        return self.model.named_parameters()

    def embeddings(self) -> Iterable[nn.Module]:
        return [module for module in self.model.modules() if isinstance(module, nn.Embedding)][:1]

    def batches(self, generator: np.random.Generator) -> Iterator[IntArray]:
        """Yield rows, each drawn only when it is asked for."""
        left = np.arange(len(self.words))
        while len(left):
            rows = generator.choice(left, min(self.batch, len(left)), replace=False)
            left = np.setdiff1d(left, rows)
            yield rows

    def loss(self, batch: IntArray) -> Tensor:
        self.losses += 1
        if self.losses == self.stop_at:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
        self.shown.append(batch.tolist())
        self.model.train()
        return functional.mse_loss(self.model(self.words[batch]), self.values[batch])

    def validate(self) -> float:
        self.validated += 1
        if self.validations:
            return self.validations.pop(0)
        self.model.eval()
        with torch.no_grad():
            return float(functional.mse_loss(self.model(self.words), self.values))

    def weights(self) -> Mapping[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        self.model.load_state_dict(dict(weights))


@pytest.fixture
def reader() -> type[Reader]:
    """Return the small model."""
    return Reader


@pytest.fixture
def reading() -> type[ReadingLearner]:
    """Return the learner that teaches it."""
    return ReadingLearner
