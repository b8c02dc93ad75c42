"""The loss of one task on a batch: what was met in the first column, what was drawn against it beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.recommenders.multitask.tasks import Task
from polyscene.training.losses import binary_loss, choice_loss, squared_loss

HUBER_REACH = 1.0
"""Standard deviations beyond which an error counts in proportion and not squared."""


@dataclass(frozen=True)
class Drawn:
    """Items that stand against those met.

    Attributes:
        items: (m,) codes.
        log_share: (m,) `log(m q)`: how many of each are expected among them.
        log_alike: (m,) `log(n q)`: how much more often each is drawn than all alike would be.
    """

    items: LongArray
    log_share: FloatArray
    log_alike: FloatArray

    @classmethod
    def by(cls, chances: FloatArray, count: int, generator: np.random.Generator) -> Self:
        """Draw with the (n,) chances, again and again."""
        ends = np.cumsum(chances.astype(np.float64))
        items = np.searchsorted(ends, generator.random(count) * ends[-1], side="right")
        items = np.minimum(items, len(chances) - 1)
        q = np.log(chances[items].astype(np.float64))
        return cls(
            items.astype(np.int64),
            (q + math.log(count)).astype(np.float32),
            (q + math.log(len(chances))).astype(np.float32),
        )


def task_loss(
    task: Task, out: Tensor, labels: FloatArray, met: IntArray, drawn: Drawn, refusals_drawn: bool
) -> Tensor | None:
    """Return the mean loss of a task; None where nothing in the batch says anything to it.

    Args:
        task: by whose loss.
        out: (B, 1 + m, K) what the network says.
        labels: (B,) see `Examples`; NaN is not asked.
        met: (B,) the items of the first column.
        drawn: those of the others.
        refusals_drawn: whether a yes or no learns its no from what was drawn.
    """
    rows = np.flatnonzero(np.isfinite(labels))
    if refusals_drawn:
        rows = np.flatnonzero(labels == 1)
    if not len(rows):
        return None
    place = torch.from_numpy(rows)
    outs = out[place]  # (b, 1 + m, K)
    answers = torch.from_numpy(np.ascontiguousarray(labels[rows]))
    if task.orders or refusals_drawn:
        same = torch.from_numpy(met[rows][:, None] == drawn.items)
        return _against_drawn(task, outs[:, :, 0], same, drawn)
    if task.loss == "classes":
        return functional.cross_entropy(outs[:, 0], answers.long())
    if task.loss == "mse":
        return squared_loss(outs[:, 0, 0], answers)
    if task.loss == "huber":
        return functional.huber_loss(outs[:, 0, 0], answers, delta=HUBER_REACH)
    return binary_loss(outs[:, 0, 0], answers)


def _against_drawn(task: Task, logits: Tensor, same: Tensor, drawn: Drawn) -> Tensor:
    """Return the loss of (b, 1 + m) logits, the first chosen; `same` (b, m) is where a draw is no rival.

    softmax: `log(e^z + Σ_j e^{z_j} / (m q_j)) - z`, the sum an unbiased estimate over the catalogue. bpr:
    `-Σ_j v_j log σ(z - z_j) / Σ_j v_j` with `v = 1 / q` (S. Rendle et al., UAI 2009, as if drawn alike). A
    yes or no: `softplus(-z) + Σ_j v_j softplus(z_j)`, `v_j = 1 / (n q_j)`.
    """
    chosen, others = logits[:, :1], logits[:, 1:]
    if task.loss == "softmax":
        corrected = (others - torch.from_numpy(drawn.log_share)).masked_fill(same, -torch.inf)
        return choice_loss(torch.cat([chosen, corrected], dim=1))
    alike = torch.exp(-torch.from_numpy(drawn.log_alike)) * ~same  # (b, m)
    if task.loss == "bpr":
        losses = functional.softplus(others - chosen)
        return (alike * losses).sum() / alike.sum().clamp(min=1e-6)
    refused = (alike * functional.softplus(others)).sum(dim=1)
    return (functional.softplus(-chosen[:, 0]) + refused).mean()
