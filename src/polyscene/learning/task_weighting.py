"""How the losses of many tasks become one: by fixed weights, by uncertainty, by GradNorm, by PCGrad.

Each takes the weighted losses of a step and gives a scalar whose gradient is the step's, so that any training
loop can take it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.settings.multitask import TaskWeighting

GRADNORM_ALPHA, GRADNORM_RATE = 1.5, 0.025
TINY = 1e-12


@dataclass(frozen=True)
class TaskLosses:
    """The losses of one step.

    Attributes:
        losses: by the task's number in the network.
        weights: `λ_s μ_t`, the same.
    """

    losses: Mapping[int, Tensor]
    weights: Mapping[int, float]

    def total(self) -> Tensor:
        """Return `Σ λ_s μ_t L`."""
        return torch.stack([self.weights[task] * loss for task, loss in self.losses.items()]).sum()


class FixedWeights:
    """`Σ_t w_t L_t`.

    Args:
        tasks: how many there are in the network.
        measured: numbers of those that predict a value.
        shared: the parameters that all tasks share.
        top: the last of these.
        seed: of chance.
    """

    def __init__(
        self,
        tasks: int,
        measured: Sequence[int] = (),
        shared: Sequence[Parameter] = (),
        top: Sequence[Parameter] = (),
        seed: int = 0,
    ) -> None:
        self.tasks, self.measured, self.shared, self.top = tasks, frozenset(measured), list(shared), list(top)
        self._chance = np.random.default_rng(seed)
        self._begin()

    def _begin(self) -> None:
        """Set up what it keeps from step to step."""

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield what it learns itself."""
        yield from ()

    def __call__(self, step: TaskLosses) -> Tensor:
        """Return the scalar to descend."""
        return step.total()


class Uncertainty(FixedWeights):
    """`Σ_t w_t (c_t e^{-s_t} L_t + s_t / 2)`, s_t a task's learned log variance; c is ½ for values, else 1.

    Source: A. Kendall et al., Multi-task learning using uncertainty to weigh losses, CVPR 2018, equation 10.
    """

    def _begin(self) -> None:
        self.log_variance = Parameter(torch.zeros(self.tasks))

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield the log variances; they are not decayed."""
        yield "log_variance.bias", self.log_variance

    def __call__(self, step: TaskLosses) -> Tensor:
        """Return the scalar to descend."""
        terms = []
        for task, loss in step.losses.items():
            log_variance = self.log_variance[task]
            factor = 0.5 if task in self.measured else 1.0
            terms.append(step.weights[task] * (factor * torch.exp(-log_variance) * loss + 0.5 * log_variance))
        return torch.stack(terms).sum()


class GradNorm(FixedWeights):
    """`Σ_t v_t L_t`, where the v_t move so that no task pulls the shared layer harder than it should.

    With `G_t = v_t ‖∇ L_t‖` at the last shared layer and `r_t` the share of its first loss that a task still
    has, over the mean of these, v descends `Σ_t |G_t - Ḡ r_t^α|`; the sum of the v is kept. They start as w.

    Source: Z. Chen et al., GradNorm, ICML 2018, equations 1 and 2, with plain steps.
    """

    def _begin(self) -> None:
        self.weights = np.zeros(self.tasks)
        self._first = np.zeros(self.tasks)

    def __call__(self, step: TaskLosses) -> Tensor:
        """Move the weights, and return the scalar to descend."""
        tasks = np.array(list(step.losses))
        values = np.array([float(loss.detach()) for loss in step.losses.values()])
        new = self._first[tasks] == 0
        self._first[tasks[new]] = np.maximum(values[new], TINY)
        self.weights[tasks[new]] = [step.weights[int(task)] for task in tasks[new]]
        weights = {int(task): float(self.weights[task]) for task in tasks}
        if len(tasks) > 1 and self.top:
            self._move(tasks, values, step)
        return TaskLosses(step.losses, weights).total()

    def _move(self, tasks: np.ndarray, values: np.ndarray, step: TaskLosses) -> None:
        slopes = np.array([_norm(_gradients(step.losses[int(task)], self.top)) for task in tasks])
        pull = self.weights[tasks] * slopes
        left = values / self._first[tasks]
        wanted = pull.mean() * (left / left.mean()) ** GRADNORM_ALPHA
        before = self.weights[tasks]
        scale = before.sum() / max(float(slopes.mean()), TINY)  # so that a step does not depend on units
        moved = before - GRADNORM_RATE * np.sign(pull - wanted) * slopes * scale / len(tasks)
        moved = np.maximum(moved, 0.01 * before.mean())
        self.weights[tasks] = moved * before.sum() / moved.sum()


class ProjectedGradients(FixedWeights):
    """The sum of the tasks' gradients, each first freed of what it takes back from another.

    For every other task j, by chance in order: where `g_t · g_j < 0`, `g_t ← g_t - (g_t · g_j / ‖g_j‖²) g_j`.
    So it is for what all share; the rest has the plain gradient.

    Source: T. Yu et al., Gradient surgery for multi-task learning, NeurIPS 2020, algorithm 1.
    """

    def __call__(self, step: TaskLosses) -> Tensor:
        """Return a scalar with the value of the weighted sum and the gradient of the projections' sum."""
        total = step.total()
        if len(step.losses) < 2 or not self.shared:
            return total
        gradients = torch.stack(
            [
                _flat(_gradients(step.weights[task] * loss, self.shared), self.shared)
                for task, loss in step.losses.items()
            ]
        )  # (T, p)
        change = projected(gradients, self._chance).sum(0) - gradients.sum(0)
        flat = torch.cat([parameter.reshape(-1) for parameter in self.shared])
        turned = (change * flat).sum()
        return total + turned - turned.detach()


WEIGHTINGS: Mapping[TaskWeighting, type[FixedWeights]] = {
    "fixed": FixedWeights,
    "uncertainty": Uncertainty,
    "gradnorm": GradNorm,
    "pcgrad": ProjectedGradients,
}
"""By the names of `[multitask] weighting`."""


def projected(gradients: Tensor, chance: np.random.Generator) -> Tensor:
    """Return (T, p) gradients, each freed of its conflicts with the others as they were."""
    freed = gradients.clone()
    squares = (gradients * gradients).sum(dim=1)
    for task in range(len(gradients)):
        for other in chance.permutation(len(gradients)).tolist():
            along = float(freed[task] @ gradients[other])
            if other != task and along < 0:
                freed[task] -= along / max(float(squares[other]), TINY) * gradients[other]
    return freed


def _gradients(loss: Tensor, parameters: Sequence[Parameter]) -> Sequence[Tensor | None]:
    return torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)


def _norm(gradients: Sequence[Tensor | None]) -> float:
    squares = sum(float((part * part).sum()) for part in gradients if part is not None)
    return math.sqrt(squares)


def _flat(gradients: Sequence[Tensor | None], parameters: Sequence[Parameter]) -> Tensor:
    return torch.cat(
        [
            torch.zeros(parameter.numel()) if part is None else part.reshape(-1)
            for part, parameter in zip(gradients, parameters, strict=True)
        ]
    )
