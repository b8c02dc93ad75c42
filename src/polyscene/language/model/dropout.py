"""Dropout on a processor at half the cost, with the numbers that torch's own draws."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CHUNK = 2**15
"""Numbers drawn at once: so many stay in the processor's cache."""
_BITS = 53
"""Of the random 64, those that torch makes a uniform number of."""
_PROBED = 64


class Dropout(nn.Dropout):
    """`y = x · k / (1 - p)` with k = 1 at the chance 1 - p, else 0, while it learns.

    On a processor torch draws k one number at a time. Here the same random bits are drawn, and compared,
    a chunk at a time. The input must not need a gradient for this; where it does, where the random bits
    are used differently (`drawn_from_bits`), and on a graphics card it is torch's own.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as torch calls it
        """Return what is left of a tensor of any shape."""
        usual = not self.training or input.requires_grad or input.dtype != torch.float32
        if usual or input.device.type != "cpu" or not 0.0 < self.p < 1.0 or not drawn_from_bits():
            return functional.dropout(input, self.p, self.training)
        return _thinned(input, 1.0 - self.p)


@cache
def drawn_from_bits() -> bool:
    """Return whether torch's dropout makes its choices from the low 53 of 64 random bits each, in order.

    It does, but where a processor's maker brings draws of its own. The stream of random numbers is left as
    it was.
    """
    probe = torch.ones(_PROBED)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        usual, after = functional.dropout(probe, 0.5, True), torch.get_rng_state()
        torch.manual_seed(0)
        return torch.equal(usual, _thinned(probe, 0.5)) and torch.equal(after, torch.get_rng_state())


def _thinned(values: Tensor, share: float) -> Tensor:
    """Keep a share of the values, each divided by it."""
    limit = math.ceil(share * 2**_BITS)  # a number below it is a uniform number below the share
    scale = np.float32(torch.ones(()).div_(share).item())
    bits = torch.empty(CHUNK, dtype=torch.int64)
    kept = np.empty(CHUNK, np.bool_)
    flat = values.detach().reshape(-1).numpy()
    thinned = np.empty_like(flat)
    for start in range(0, len(flat), CHUNK):
        part, result = flat[start : start + CHUNK], thinned[start : start + CHUNK]
        drawn = bits[: len(part)].random_(-(2**63), None).bitwise_and_(2**_BITS - 1).numpy()
        np.less(drawn, limit, out=kept[: len(part)])
        np.multiply(part, kept[: len(part)], out=result)
        result *= scale
    return torch.from_numpy(thinned).view(values.shape)
