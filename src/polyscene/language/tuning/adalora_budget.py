"""AdaLoRA's budget: which singular values of the low-rank updates stand, as training finds out.

A triplet is one singular value λ with its two vectors. Its importance is `S = s(λ) + mean s(left) + mean
s(right)` with `s = I · U`, I the running mean of |w · ∂L/∂w| and U that of its deviation; after every step
all but the most important triplets of the whole model are set to 0, and their number falls from the initial
to the final budget along a cubic (Zhang et al., AdaLoRA, ICLR 2023, equations 5 to 12). What is remembered
lies in buffers, so that a training that was interrupted can go on with it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

NAME = "rank_budget"
"""Under which it hangs on the model."""

SMOOTHING = 0.85
WARMING, SETTLING = 0.1, 0.25
"""Shares of the steps before the first triplet falls, and after the last one has."""


class RankBudget(nn.Module):
    """Watches the gradients of a model that wears AdaLoRA, and prunes its ranks.

    Args:
        worn: the model; nothing is registered in it but hooks.
        rank: mean number of triplets of a linear part that are left in the end.
        steps: optimiser steps over which to prune.
    """

    def __init__(self, worn: nn.Module, rank: int, steps: int) -> None:
        super().__init__()
        self._triplets: list[tuple[Tensor, Tensor, Tensor]] = []  # (r, 1), (r, in), (out, r)
        for part in worn.modules():
            linear: Any = part
            if hasattr(part, "lora_E"):
                self._triplets += [
                    (linear.lora_E[key], linear.lora_A[key], linear.lora_B[key]) for key in linear.lora_E
                ]
        self._weights = [weight for triplet in self._triplets for weight in triplet]
        self._sizes = [weight.numel() for weight in self._weights]
        self._first = sum(len(values) for values, _, _ in self._triplets)
        self._last, self._all_steps = rank * len(self._triplets), max(steps, 4)
        device = self._weights[0].device
        self.mean = nn.Buffer(torch.zeros(sum(self._sizes), device=device))
        self.spread = nn.Buffer(torch.zeros(sum(self._sizes), device=device))
        self.standing = nn.Buffer(torch.ones(self._first, device=device))  # 1 where a triplet stands
        self.steps = nn.Buffer(torch.zeros((), device=device))
        self._fresh = False
        self._waiting: set[int] = set()
        worn.register_forward_pre_hook(self._begin)
        for weight in self._weights:
            weight.register_post_accumulate_grad_hook(self._arrived)  # type: ignore[no-untyped-call]

    def budget(self, step: int) -> int:
        """Return how many triplets stand after a step."""
        begin, end = self._all_steps * WARMING, self._all_steps * (1 - SETTLING)
        left = min(max((end - step) / (end - begin), 0.0), 1.0)
        return round(self._last + (self._first - self._last) * left**3)

    def importance(self) -> Tensor:
        """Return (T,) of every triplet."""
        parts = iter(torch.split(self.mean * self.spread, self._sizes))
        importances = []
        for values, right, left in self._triplets:
            scores = [next(parts).view_as(weight) for weight in (values, right, left)]
            importances.append(scores[0][:, 0] + scores[1].mean(dim=1) + scores[2].mean(dim=0))  # (r,)
        return torch.cat(importances)

    def _begin(self, worn: nn.Module, inputs: object) -> None:
        """See whether another step begins; prune what the last one moved."""
        if worn.training and self._weights[0].grad is None:
            self._fresh, self._waiting = True, {id(weight) for weight in self._weights}
        self.prune()

    def prune(self) -> None:
        """Set the triplets that do not stand to 0; the step after their fall has moved them."""
        stands = torch.split(self.standing, [len(values) for values, _, _ in self._triplets])
        with torch.no_grad():
            for (values, _, _), some in zip(self._triplets, stands, strict=True):
                fallen = some[:, None] <= 0  # (r, 1)
                if bool((values[fallen] != 0).any()):  # else left alone: a pass back may still need it
                    values.masked_fill_(fallen, 0.0)

    def _arrived(self, weight: Tensor) -> None:
        """Take a step's first gradients down once all of them are there."""
        self._waiting.discard(id(weight))
        if not self._fresh or self._waiting:
            return
        self._fresh = False
        with torch.no_grad():
            sensitivity = torch.cat(
                [(w * w.grad).abs().flatten() for w in self._weights if w.grad is not None]
            )
            self.mean.lerp_(sensitivity, 1 - SMOOTHING)
            self.spread.lerp_((sensitivity - self.mean).abs(), 1 - SMOOTHING)
            self.steps.add_(1)
            many = self.budget(int(self.steps))
            self.standing.zero_()
            self.standing[self.importance().topk(many).indices] = 1.0
