"""Adversarial perturbation of embeddings as a regulariser: a second pass at the worst nearby input.

`r = ε · g / ‖g‖₂` with `g = ∂L/∂x` of each example's embedded text x, a step uphill; the loss at `x + r` is
learned from beside the one at x (Miyato et al., Adversarial training methods for semi-supervised text
classification, ICLR 2017, equations 4 and 5).

A learner names the modules whose outputs are the embeddings: a model's embedding layer, or, where the lower
layers are frozen and their activations are cached, a module those activations pass through (`nn.Identity`
will do). The learner's loss stays as it is: hooks watch the outputs and shift them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from polyscene.core.errors import ModelError


@runtime_checkable
class Perturbable(Protocol):
    """A learner that can be trained against perturbed embeddings."""

    def embeddings(self) -> Iterable[nn.Module]:
        """Return the modules whose outputs, (n, ...) floats with n examples, are to be perturbed."""
        ...


def worst_shift(gradient: Tensor, epsilon: float) -> Tensor:
    """Return (n, ...) the step of length ε along each example's gradient; zero where that is zero."""
    axes, least = tuple(range(1, gradient.ndim)), torch.finfo(torch.float32).tiny
    slope = gradient.float()
    # Divided by its peak first: the squares of a small gradient would underflow.
    slope = slope / slope.abs().amax(dim=axes, keepdim=True).clamp(min=least)  # (n, ...)
    length = torch.linalg.vector_norm(slope, dim=axes, keepdim=True).clamp(min=least)  # (n, 1, ...)
    step: Tensor = epsilon * slope / length  # (n, ...)
    return step.to(gradient.dtype)


@contextmanager
def watched(modules: Iterable[nn.Module]) -> Iterator[list[Tensor]]:
    """Yield a list that fills with the modules' outputs in the order of the calls; each gets a gradient."""
    outputs: list[Tensor] = []

    def watch(output: Tensor) -> Tensor:
        if output.requires_grad:
            output.retain_grad()
        else:
            output = output.detach().requires_grad_()
        outputs.append(output)
        return output

    with _hooked(modules, watch):
        yield outputs


@contextmanager
def shifted(modules: Iterable[nn.Module], shifts: Sequence[Tensor]) -> Iterator[None]:
    """Add the shifts to the modules' outputs, in the order of the calls.

    Raises:
        ModelError: there were more calls than shifts: the two passes over a batch differed.
    """
    waiting = iter(shifts)

    def shift(output: Tensor) -> Tensor:
        step = next(waiting, None)
        if step is None or step.shape != output.shape:
            raise ModelError(
                "expected the same embeddings in both passes over a batch, found others; "
                "let the loss of a batch embed the same texts in the same order, or perturb nothing"
            )
        return output + step

    with _hooked(modules, shift):
        yield


def shifts_of(outputs: Sequence[Tensor], epsilon: float) -> list[Tensor]:
    """Return the worst shift of every watched output, after the backward pass.

    Raises:
        ModelError: nothing was watched, or no gradient arrived.
    """
    if not outputs or all(output.grad is None for output in outputs):
        raise ModelError(
            "expected gradients at the perturbed embeddings, found none; "
            "name modules that the loss passes through outside of no_grad"
        )
    return [
        torch.zeros_like(output) if output.grad is None else worst_shift(output.grad, epsilon)
        for output in outputs
    ]


@contextmanager
def _hooked(modules: Iterable[nn.Module], change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    def hook(module: nn.Module, arguments: tuple[object, ...], output: Tensor) -> Tensor:
        return change(output)

    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(hook).remove)
        yield
