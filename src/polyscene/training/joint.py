"""The joint trainer: all scenarios together, `L = Σ_s λ_s L_s`, then each scenario on its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch

from polyscene.core.contracts import Trainable
from polyscene.core.progress import Progress
from polyscene.training.losses import choice_loss

PATIENCE = 4

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn: AdamW with cosine decay to zero."""

    epochs: int
    learning_rate: float = 5e-3
    weight_decay: float = 1e-3


@dataclass
class Curve:
    """What a training looked like: one entry per epoch."""

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


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
        The curve of the weighted training and validation losses.
    """
    parameters = list({id(p): p for learner in learners.values() for p in learner.parameters()}.values())
    optimiser = torch.optim.AdamW(parameters, lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(schedule.epochs, 1))
    curve = Curve()
    best = {name: learner.weights() for name, learner in learners.items()}
    lowest, waited = _validated(learners, shares), 0
    with progress.track(label, schedule.epochs, "epochs") as advance:
        for _ in range(schedule.epochs):
            curve.training.append(_epoch(learners, shares, optimiser, parameters, generator))
            curve.validation.append(_validated(learners, shares))
            decay.step()
            advance(1)
            waited += 1
            if curve.validation[-1] < lowest:
                lowest, waited = curve.validation[-1], 0
                best = {name: learner.weights() for name, learner in learners.items()}
            if waited >= PATIENCE:
                break
    for name, learner in learners.items():
        learner.load(best[name])
    return curve


def _epoch(
    learners: Mapping[str, Trainable[Batch]],
    shares: Mapping[str, float],
    optimiser: torch.optim.Optimizer,
    parameters: list[torch.nn.Parameter],
    generator: np.random.Generator,
) -> float:
    """Take one step per batch, scenarios in turn; return the mean weighted loss."""
    total, steps = 0.0, 0
    for name, batch in _mixed(learners, generator):
        loss = shares[name] * choice_loss(learners[name].logits(batch))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        total, steps = total + float(loss.detach()), steps + 1
    return total / max(steps, 1)


def _mixed(
    learners: Mapping[str, Trainable[Batch]], generator: np.random.Generator
) -> Iterator[tuple[str, Batch]]:
    """Yield every learner's batches once, in turn."""
    waiting = {name: learner.batches(generator) for name, learner in learners.items()}
    while waiting:
        for name in list(waiting):
            batch = next(waiting[name], None)
            if batch is None:
                del waiting[name]
            else:
                yield name, batch


def _validated(learners: Mapping[str, Trainable[Batch]], shares: Mapping[str, float]) -> float:
    return sum(shares[name] * learner.validate() for name, learner in learners.items())
