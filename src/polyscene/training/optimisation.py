"""How weights move: optimiser, rate over time, decay, clipping, accumulation, precision. Knows no loss."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from polyscene.core.settings.tuning import OptimiserSettings

_FUSED_ABOVE = 1_000_000
"""Weights above which AdamW goes through memory once per step: 4 times as fast for a language model."""

_UNDECAYED = re.compile(r"(^|[._])bias$|norm|(^|\.)ln(_\w+)?\.", re.IGNORECASE)


def build_optimiser(
    named: Iterable[tuple[str, Parameter]], settings: OptimiserSettings
) -> torch.optim.Optimizer:
    """Return the optimiser of the parameters that may change, each once; biases and norms are not decayed.

    Args:
        named: parameters with names that tell biases and norms, as `torch.nn.Module.named_parameters` does.

    Raises:
        ValueError: there is nothing to change.
    """
    decayed: list[Parameter] = []
    spared: list[Parameter] = []
    known: set[int] = set()
    for name, parameter in named:
        if parameter.requires_grad and id(parameter) not in known:
            known.add(id(parameter))
            (spared if _UNDECAYED.search(name) else decayed).append(parameter)
    if not known:
        raise ValueError("expected at least one parameter that may change, found none; unfreeze some")
    groups: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": decay, "initial_lr": settings.learning_rate}
        for parameters, decay in ((decayed, settings.weight_decay), (spared, 0.0))
    ]
    return _optimiser([group for group in groups if group["params"]], settings)


def set_rate(optimiser: Optimizer, factor: float) -> float:
    """Set the learning rate of every group to a share of its highest; return the first group's."""
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor
    return float(optimiser.param_groups[0]["lr"])


def rate(settings: OptimiserSettings, spent: float, grain: float = 0.0) -> float:
    """Return the factor of the learning rate in [0, 1] when the share `spent` of the budget is used up.

    With `p = spent` and the warm-up's end w: `min(1, (p + grain) / w)` up to w; after it, with
    `q = (p - w) / (1 - w)`, `1 - q` for "linear" and `(1 + cos πq) / 2` for "cosine" (Loshchilov and Hutter,
    SGDR, ICLR 2017, equation 5, without restarts).

    Args:
        settings: name of the schedule, and w.
        spent: p; what lies outside of [0, 1] is cut off.
        grain: the share that one step takes, so that the first one already moves.
    """
    place = min(max(spent, 0.0), 1.0)
    if place < settings.warmup:
        return min(1.0, (place + grain) / settings.warmup)
    fallen = (place - settings.warmup) / (1.0 - settings.warmup)
    if settings.schedule == "linear":
        return 1.0 - fallen
    if settings.schedule == "cosine":
        return (1.0 + math.cos(math.pi * fallen)) / 2.0
    return 1.0


def _optimiser(groups: list[dict[str, Any]], settings: OptimiserSettings) -> torch.optim.Optimizer:
    highest = settings.learning_rate
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=highest, momentum=settings.momentum)
    if settings.optimiser == "adafactor":
        return torch.optim.Adafactor(groups, lr=highest)
    many = sum(parameter.numel() for group in groups for parameter in group["params"]) > _FUSED_ABOVE
    return torch.optim.AdamW(groups, lr=highest, fused=many)
