"""One step of the weights from a few batches: passes forward and back, averaged, clipped, applied."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.contracts import Learner
from polyscene.core.errors import ModelError
from polyscene.training.optimisation import OptimisationSettings, build_optimiser
from polyscene.training.perturbation import Perturbable, shifted, shifts_of, watched


@dataclass(frozen=True)
class Step:
    """What one step saw: the mean weighted loss of its batches and its gradient's norm before clipping."""

    loss: float
    gradient_norm: float


class Stepper:
    """Gathers gradients over batches and takes steps.

    Args:
        learners: by name; they may share parameters.
        settings: how weights move.
    """

    def __init__(self, learners: Mapping[str, Learner[Any]], settings: OptimisationSettings) -> None:
        named = [
            (part, parameter)
            for learner in learners.values()
            for part, parameter in learner.named_parameters()
        ]
        self.settings = settings
        self.optimiser = build_optimiser(named, settings)
        self.optimiser.zero_grad()
        self.gathered = 0
        self._total = 0.0
        self._parameters: list[Parameter] = [
            p for group in self.optimiser.param_groups for p in group["params"]
        ]

    def gather(self, name: str, learner: Learner[Any], batch: object, share: float) -> float:
        """Add the gradient of `share · L(batch)` and return that value.

        Raises:
            ModelError: the loss is not finite, or the embeddings cannot be perturbed.
        """
        if self.settings.perturbation > 0:
            loss = self._perturbed(name, learner, batch, share)
        else:
            loss = self._backward(learner, batch, share)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ModelError(f"expected a finite loss of '{name}', found {value}; lower the learning rate")
        self.gathered, self._total = self.gathered + 1, self._total + value
        return value

    def step(self) -> Step:
        """Move the weights by the mean of what was gathered.

        Raises:
            ModelError: the gradient is not finite; the weights are as before.
        """
        if self.gathered > 1:
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.grad.div_(self.gathered)
        limit = math.inf if self.settings.clip is None else self.settings.clip
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, limit))
        if not math.isfinite(norm):
            raise ModelError(
                f"expected a finite gradient, found norm {norm}; lower the learning rate or clip"
            )
        self.optimiser.step()
        self.optimiser.zero_grad()
        done = Step(self._total / self.gathered, norm)
        self.gathered, self._total = 0, 0.0
        return done

    def cuda_devices(self) -> list[int]:
        """Return the CUDA devices on which the parameters lie."""
        return sorted({p.device.index for p in self._parameters if p.device.type == "cuda"})

    def _backward(self, learner: Learner[Any], batch: object, share: float) -> Tensor:
        with self._autocast():
            loss = share * learner.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _perturbed(self, name: str, learner: Learner[Any], batch: object, share: float) -> Tensor:
        """Gather at the embeddings and again at the worst point near them; return the loss at the first."""
        if not isinstance(learner, Perturbable):
            raise ModelError(
                f"expected a learner that names its embeddings, found '{name}'; set its perturbation to 0"
            )
        modules = list(learner.embeddings())
        with watched(modules) as outputs:
            loss = self._backward(learner, batch, share)
        with shifted(modules, shifts_of(outputs, self.settings.perturbation)):
            self._backward(learner, batch, share)
        return loss

    def _autocast(self) -> torch.autocast | nullcontext[None]:
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self._parameters[0].device.type, dtype=torch.bfloat16)
