"""The small network that weighs signals in context: additive terms with gates, and a thin layer beside.

It is here to be trained; fitted, it answers as `inference.FusionWeights`.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from polyscene.recommenders.fusion.features import ITEM_FACTS, PAIR_FACTS, USER_FACTS, Block
from polyscene.recommenders.fusion.inference import (
    FACTS,
    LIFT,
    LOG_GAIN,
    MAX_DEVIATION,
    MAX_SCALED_SCORE,
    TEMPERATURES,
    VIEWS,
    FusionWeights,
)

GATE = 16


class FusionNetwork(nn.Module):
    """`logit(u, i) = Σ_f g_f(context) · φ_f(u, i) + MLP(φ(u, i), context)`.

    Each signal is seen in three views φ: in units of its scale, the logarithm of that, and as a share of the
    signal's best score for this user. The gates g depend on the user and the scenario, so a user without
    history is not judged by history; the thin layer also sees the item's count and age.

    Args:
        n_signals: K.
        n_scenarios: size of the scenario's one-hot code.
        hidden: width of the thin layer.
        user_facts, pair_facts: how many facts there are about a user beside the peaks, and about a pair.
    """

    def __init__(
        self,
        n_signals: int,
        n_scenarios: int,
        hidden: int,
        user_facts: int = USER_FACTS,
        pair_facts: int = PAIR_FACTS,
    ) -> None:
        super().__init__()
        additive = VIEWS * n_signals + ITEM_FACTS + pair_facts
        context = user_facts + n_signals + n_scenarios
        self.user_facts, self.pair_facts = user_facts, pair_facts
        self.n_signals, self.n_scenarios, self.hidden = n_signals, n_scenarios, hidden
        self.context_mean = nn.Buffer(torch.zeros(context))
        self.context_spread = nn.Buffer(torch.ones(context))
        self.base = nn.Parameter(torch.zeros(additive))
        self.gate_in = nn.Linear(context, GATE)
        self.gate_out = nn.Linear(GATE, additive)
        self.seen = nn.Linear(additive, hidden)
        self.around = nn.Linear(context, hidden)
        self.out = nn.Linear(hidden, 1, bias=False)
        with torch.no_grad():
            self.base[: VIEWS * n_signals] = 1.0 / n_signals
            for start in (self.gate_out.weight, self.gate_out.bias, self.out.weight):
                nn.init.zeros_(start)

    @classmethod
    def of(cls, weights: FusionWeights) -> Self:
        """Return a network with the weights, to learn on; how items are lifted is none of them."""
        facts = weights.arrays.get(FACTS, np.array([USER_FACTS, PAIR_FACTS])).tolist()
        network = cls(weights.n_signals, weights.n_scenarios, weights.hidden, *facts)
        learned = {
            name: one for name, one in weights.arrays.items() if name not in (FACTS, LIFT, TEMPERATURES)
        }
        network.load_state_dict({name: torch.from_numpy(one.copy()) for name, one in learned.items()})
        return network

    def forward(self, block: TorchBlock) -> Tensor:
        """Return (B, C) logits."""
        seen = self.views(block)  # (B, F, C)
        context = (block.context - self.context_mean) / self.context_spread  # (B, U)
        context = context.clamp(-MAX_DEVIATION, MAX_DEVIATION)
        gates = self.base + self.gate_out(torch.tanh(self.gate_in(context)))  # (B, F)
        additive = torch.einsum("bf,bfc->bc", gates, seen)
        around = (self.seen.bias + self.around(context))[:, :, None]  # (B, H, 1)
        inner = (torch.einsum("hf,bfc->bhc", self.seen.weight, seen) + around).relu_()  # (B, H, C)
        return additive + torch.einsum("h,bhc->bc", self.out.weight[0], inner)

    def fitted(self) -> FusionWeights:
        """Return what was learned, for answering without torch."""
        arrays = {name: value.detach().numpy().copy() for name, value in self.state_dict().items()}
        if (self.user_facts, self.pair_facts) != (USER_FACTS, PAIR_FACTS):
            arrays[FACTS] = np.array([self.user_facts, self.pair_facts])
        return FusionWeights.of(arrays)

    def views(self, block: TorchBlock) -> Tensor:
        """Return (B, F, C): three views of every signal, then the facts about items and pairs."""
        requests, n_signals, width = block.signals.shape
        facts = (block.item.expand(len(block.pair), -1, -1), block.pair)
        n_facts = sum(part.shape[2] for part in facts)
        seen = torch.empty(requests, VIEWS * n_signals + n_facts, width)
        scaled, logs, shares = torch.split(seen[:, : VIEWS * n_signals], n_signals, dim=1)
        torch.clamp(block.signals, -MAX_SCALED_SCORE, MAX_SCALED_SCORE, out=scaled)
        torch.clamp(block.signals, min=0.0, out=logs).mul_(LOG_GAIN).log1p_()
        torch.div(block.signals, block.peaks[:, :, None], out=shares).clamp_(-1.0, 1.0)
        torch.cat([part.transpose(1, 2) for part in facts], dim=1, out=seen[:, VIEWS * n_signals :])
        return seen


class TorchBlock:
    """A `Block` as tensors, with the scenario's one-hot code behind the user's context."""

    def __init__(self, block: Block, scenario: int, n_scenarios: int) -> None:
        self.signals = torch.from_numpy(block.signals)
        self.peaks = torch.from_numpy(block.peaks)
        self.item = torch.from_numpy(block.item)
        self.pair = torch.from_numpy(block.pair)
        where = torch.zeros(len(block.user), n_scenarios)
        where[:, scenario] = 1.0
        self.context = torch.cat([torch.from_numpy(block.user), where], dim=1)
