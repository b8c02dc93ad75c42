"""Linear layers for reading only, in the precision asked for and as fast as the processor takes them.

In bfloat16 the weights are laid out once the way oneDNN multiplies them (torch would do so in every call),
and GELU is computed while a product's numbers are still in the processor.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation

LAYOUT_ROWS = 512
"""Rows per product that the layout is chosen for; others give the same numbers."""


class FusedLinear(nn.Module):
    """A linear layer in bfloat16 whose weights lie as oneDNN reads them.

    Args:
        linear: from d to e; not changed.
        gelu: whether the exact GELU of the product is wanted.
    """

    def __init__(self, linear: nn.Linear, gelu: bool) -> None:
        super().__init__()
        weight = linear.weight.detach().to(torch.bfloat16)  # (e, d)
        self.weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, LAYOUT_ROWS)
        self.bias = linear.bias.detach().to(torch.bfloat16)  # (e,)
        self.after: tuple[Any, ...] = ("gelu", [], "none") if gelu else ("none", [], "")

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (n, e) of (n, d), both bfloat16."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, self.weight, self.bias, *self.after)
        return product


def linear_for_reading(
    linear: nn.Linear, precision: torch.dtype | None, activation: nn.Module | None = None
) -> nn.Module:
    """Return what computes activation(linear(x)) for x in `precision`, with its result in `precision`.

    Args:
        linear: the layer; it is not changed, and shared where nothing has to be.
        precision: None means float32.
        activation: what follows; None means nothing.
    """
    exact_gelu = _is_exact_gelu(activation)
    if precision == torch.bfloat16 and prepacking_works():
        product: nn.Module = FusedLinear(linear, exact_gelu)
        activation = None if exact_gelu else activation
    else:
        product = linear if precision is None else _cast(linear, precision)
    return product if activation is None else nn.Sequential(product, activation)


def _is_exact_gelu(activation: nn.Module | None) -> bool:
    if isinstance(activation, nn.GELU):
        return activation.approximate == "none"
    return isinstance(activation, GELUActivation) and activation.act is nn.functional.gelu


@cache
def prepacking_works() -> bool:
    """Return whether torch lays out weights here, and computes with them what it computes without."""
    try:
        plain = nn.Linear(32, 64).to(torch.bfloat16)
        rows = torch.linspace(-1, 1, 96, dtype=torch.bfloat16).view(3, 32)
        with torch.inference_mode():
            return torch.allclose(FusedLinear(plain, gelu=False)(rows), plain(rows), rtol=0.02, atol=0.02)
    except (AttributeError, RuntimeError):  # another build of torch, or a processor without bfloat16
        return False


def _cast(linear: nn.Linear, precision: torch.dtype) -> nn.Linear:
    cast = nn.Linear(linear.in_features, linear.out_features, device="meta")
    cast.weight = nn.Parameter(linear.weight.detach().to(precision), requires_grad=False)
    cast.bias = nn.Parameter(linear.bias.detach().to(precision), requires_grad=False)
    return cast
