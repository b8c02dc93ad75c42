"""One step of the weights from a few batches: passes forward and back, averaged, transformed, applied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Sized
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.contracts import Learner
from polyscene.core.errors import ModelError
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.backend import Backend, OneProcess
from polyscene.training.optimisation import build_optimiser
from polyscene.training.perturbation import Perturbable, shifted, shifts_of, watched
from polyscene.training.transforms import Clipping, GradientTransform


@dataclass(frozen=True)
class Step:
    """What one step saw: the mean weighted loss of its batches, its gradient's norm just before clipping."""

    loss: float
    gradient_norm: float


class Stepper:
    """Gathers gradients over batches and takes steps.

    Args:
        learners: by name; they may share parameters.
        settings: how weights move.
        transforms: change a step's gradients before they are clipped.
        backend: averages them over several processes.
    """

    def __init__(
        self,
        learners: Mapping[str, Learner[Any]],
        settings: OptimiserSettings,
        transforms: Sequence[GradientTransform] = (),
        backend: Backend | None = None,
    ) -> None:
        named = [
            (part, parameter)
            for learner in learners.values()
            for part, parameter in learner.named_parameters()
        ]
        self.settings, self.backend = settings, backend or OneProcess()
        self._clipping = Clipping(settings.clip)
        self._transforms = (*transforms, self._clipping)
        self.optimiser = build_optimiser(named, settings)
        self.optimiser.zero_grad()
        self.gathered = self._examples = 0
        self._total = 0.0
        self._parameters: list[Parameter] = [
            p for group in self.optimiser.param_groups for p in group["params"]
        ]

    def gather(self, name: str, learner: Learner[Any], batch: Sized, share: float) -> float:
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
        self._examples += len(batch)
        return value

    def step(self) -> Step:
        """Move the weights by the mean of what was gathered.

        Raises:
            ModelError: the gradient is not finite; the weights are as before.
        """
        gradients = self._gradients()
        for transform in self._transforms:
            transform(gradients, self._examples)
        norm = self._clipping.norm
        if not math.isfinite(norm):
            raise ModelError(
                f"expected a finite gradient, found norm {norm}; lower the learning rate or clip"
            )
        self.optimiser.step()
        self.optimiser.zero_grad()
        done = Step(self._total / self.gathered, norm)
        self.gathered, self._examples, self._total = 0, 0, 0.0
        return done

    def _gradients(self) -> list[Tensor]:
        """Return the mean gradient over batches and processes of every weight that has one."""
        if self.backend.world_size > 1:  # all processes bring the same tensors
            for parameter in self._parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if self.gathered > 1:
            for gradient in gradients:
                gradient.div_(self.gathered)
        self.backend.all_reduce(gradients)
        return gradients

    def cuda_devices(self) -> list[int]:
        """Return the CUDA devices on which the parameters lie."""
        return sorted({p.device.index for p in self._parameters if p.device.type == "cuda"})

    def _backward(self, learner: Learner[Any], batch: Sized, share: float) -> Tensor:
        with self._autocast():
            loss = share * learner.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _perturbed(self, name: str, learner: Learner[Any], batch: Sized, share: float) -> Tensor:
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
