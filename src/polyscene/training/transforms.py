"""What happens to a step's gradients before the weights move: clipping, and whatever else a caller brings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

_TINY = 1e-6
"""Added to the norm that is divided by, as torch does."""


class GradientTransform(Protocol):
    """Changes the gradients of one step in place: noise for privacy, a secure sum, clipping."""

    def __call__(self, gradients: Sequence[Tensor], examples: int) -> None:
        """Change the gradients.

        Args:
            gradients: of all weights that got one, averaged over the batches of the step, and over the
                processes where there are several.
            examples: how many examples this process' batches had.
        """
        ...


class Clipping:
    """Scales the gradients down where all of them together are longer than a limit.

    `g ← g · min(1, c / ‖g‖)` (Pascanu et al., On the difficulty of training recurrent neural networks,
    ICML 2013).

    Args:
        limit: c, the greatest norm; None: any.

    Attributes:
        norm: of the gradients last seen, before they were scaled.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = math.inf if limit is None else limit
        self.norm = 0.0

    def __call__(self, gradients: Sequence[Tensor], examples: int) -> None:
        """Measure the norm, and scale where it is above the limit; one that is not finite is left alone."""
        total = get_total_norm(gradients)
        self.norm = float(total)
        factor = self.limit / (total + _TINY)
        if math.isfinite(self.norm) and bool(factor < 1.0):
            torch._foreach_mul_(list(gradients), factor)
