"""How weights move: optimiser, rate over time, decay, clipping, accumulation, precision. Knows no loss."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

OptimiserName = Literal["adamw", "sgd", "adafactor"]
ScheduleName = Literal["linear", "cosine", "constant"]
Precision = Literal["float32", "bfloat16"]

_FUSED_ABOVE = 1_000_000
"""Weights above which AdamW goes through memory once per step: 4 times as fast for a language model."""

_UNDECAYED = re.compile(r"(^|[._])bias$|norm|(^|\.)ln(_\w+)?\.", re.IGNORECASE)


@dataclass(frozen=True)
class OptimisationSettings:
    """How weights move.

    Attributes:
        optimiser: "adamw" (Loshchilov and Hutter, ICLR 2019), "sgd" with momentum, or "adafactor" (Shazeer
            and Stern, ICML 2018), whose memory grows with rows plus columns instead of with their product.
        learning_rate: the highest rate, above 0.
        weight_decay: at least 0, decoupled from the gradient (added to it by sgd); biases and norms are
            spared, told by their names.
        momentum: of sgd, in [0, 1).
        schedule: what the rate does after the warm-up: fall to zero in a line or a half cosine, or stay.
        warmup: share of the budget in [0, 1) over which the rate rises from near zero.
        stepping: whether the rate moves after every "step" or, where epochs bound the budget, every "epoch".
        clip: the greatest norm of the gradient of all weights together; None: any.
        accumulation: batches per step, at least 1; their gradients are averaged.
        precision: "bfloat16" computes the forward pass under autocast; weights stay float32.
        perturbation: ε of the adversarial pass of `polyscene.training.perturbation`; 0: none.
    """

    optimiser: OptimiserName = "adamw"
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    momentum: float = 0.9
    schedule: ScheduleName = "cosine"
    warmup: float = 0.0
    stepping: Literal["step", "epoch"] = "step"
    clip: float | None = 1.0
    accumulation: int = 1
    precision: Precision = "float32"
    perturbation: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: a number is out of its range, or a name is unknown.
        """
        for name, holds, wanted in (
            ("optimiser", self.optimiser in ("adamw", "sgd", "adafactor"), "adamw, sgd or adafactor"),
            ("learning_rate", 0 < self.learning_rate < math.inf, "a number above 0"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "a number of at least 0"),
            ("momentum", 0 <= self.momentum < 1, "a number in [0, 1)"),
            ("schedule", self.schedule in ("linear", "cosine", "constant"), "linear, cosine or constant"),
            ("warmup", 0 <= self.warmup < 1, "a share in [0, 1)"),
            ("stepping", self.stepping in ("step", "epoch"), "step or epoch"),
            ("clip", self.clip is None or self.clip > 0, "a norm above 0, or None"),
            ("accumulation", self.accumulation >= 1, "at least 1 batch"),
            ("precision", self.precision in ("float32", "bfloat16"), "float32 or bfloat16"),
            ("perturbation", 0 <= self.perturbation < math.inf, "a number of at least 0"),
        ):
            if not holds:
                raise ValueError(f"expected {wanted} as {name}, found {getattr(self, name)!r}")


def build_optimiser(
    named: Iterable[tuple[str, Parameter]], settings: OptimisationSettings
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


def rate(settings: OptimisationSettings, spent: float, grain: float = 0.0) -> float:
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


def _optimiser(groups: list[dict[str, Any]], settings: OptimisationSettings) -> torch.optim.Optimizer:
    highest = settings.learning_rate
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=highest, momentum=settings.momentum)
    if settings.optimiser == "adafactor":
        return torch.optim.Adafactor(groups, lr=highest)
    many = sum(parameter.numel() for group in groups for parameter in group["params"]) > _FUSED_ABOVE
    return torch.optim.AdamW(groups, lr=highest, fused=many)
