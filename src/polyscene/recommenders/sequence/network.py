"""The network of the signal `sequence`.

It is here to be trained; fitted, it answers as `inference.SequenceWeights`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.core.types import FloatArray, LongArray
from polyscene.recommenders.sequence.beside import GAPS, Beside
from polyscene.recommenders.sequence.inference import SequenceWeights
from polyscene.representation.principal import principal_map

TEXT_SCALE = 0.5
"""How long an item's vector is at the start, where it has a text."""
PROFILE_DECAY = 0.7
"""What an event counts in the profile after each later one, at the start."""
SHARPNESS = 14.0
"""What a cosine is multiplied by, at the start."""
SILENT_SCALE = 0.05
"""How far apart items without text start, so that they can be told apart."""

OTHER_BIAS = -2.0
"""How much less an event of another scenario is looked at than the last one here, at the start."""


class Block(nn.Module):
    """`x + A(norm(x))`, then `x + F(norm(x))`: self-attention that looks back only, and a thin layer.

    The attention of place i to place j is `softmax_j(q_i · k_j / √(d / heads) + b[i - j])`: places are
    counted back from who asks.
    """

    def __init__(self, size: int, heads: int, length: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(size)
        self.into = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)
        self.distance_bias = nn.Parameter(torch.zeros(heads, length))
        self.thin_norm = nn.LayerNorm(size)
        self.widen = nn.Linear(size, 2 * size)
        self.narrow = nn.Linear(2 * size, size)
        self.dropout = nn.Dropout(dropout)
        distance = torch.arange(length)[:, None] - torch.arange(length)
        self.distance = nn.Buffer(distance.clamp(min=0), persistent=False)
        self.later = nn.Buffer(distance < 0, persistent=False)
        with torch.no_grad():  # heads begin with different reaches, from the last event to all of them
            slopes = torch.linspace(0.0, 1.0, heads + 1)[1:] ** 2
            self.distance_bias.copy_(-slopes[:, None] * torch.arange(length))

    def forward(self, x: Tensor, beside: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return (B, L, d) of (B, L, d).

        Args:
            beside: (B, C, d) that all places may look at too, and (B, heads, L, C) with which bias.
        """
        x = x + self.dropout(self._attended(x, beside))
        inner = functional.relu(self.widen(self.thin_norm(x)))
        after: Tensor = x + self.dropout(self.narrow(inner))
        return after

    def _attended(self, x: Tensor, beside: tuple[Tensor, Tensor] | None) -> Tensor:
        requests, length, size = x.shape
        bias = self.distance_bias[:, self.distance[:length, :length]]  # (H, L, L)
        bias = bias.masked_fill(self.later[:length, :length], -torch.inf)
        if beside is not None:
            tokens, beside_bias = beside
            x = torch.cat([tokens, x], dim=1)  # (B, C + L, d)
            bias = torch.cat([beside_bias, bias.expand(requests, -1, -1, -1)], dim=3)  # (B, H, L, C + L)
        parts = self.into(self.attention_norm(x)).view(requests, x.shape[1], 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # (B, H, C + L, d / H) each
        q = q[:, :, x.shape[1] - length :]
        looks = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(size // self.heads) + bias, dim=3)
        out: Tensor = self.out((looks @ v).transpose(1, 2).reshape(requests, length, size))
        return out


class SequenceNetwork(nn.Module):
    """Item vectors `w_i = unit(P v_i + δ_i)`, and the user's vector out of those of the history h.

    `x_u = e^g unit(m_1 unit(y) + m_2 unit(Σ_k e^(a_age(k)) w_{h_k}))`: y is what attention makes of the
    history, the other part a plain profile, in which what an event counts depends on how many came after it
    alone. It is good at once, so attention learns what it leaves open.

    Args:
        vectors: (n, t) v, the items' texts; a zero row has none.
        own: (n,) which items have a δ of their own.
        size: d, a multiple of `heads`.
        length: so many events of a history are looked at.
        forgetting: the share of items that are known by their text alone in a step, so that new ones, which
            always are, find their place among the others (Volkovs et al., DropoutNet, NIPS 2017).
        common: (n, t) the items' texts in the space that all scenarios share, where other ones are heard.
        others: how many scenarios these are.
    """

    def __init__(
        self,
        vectors: FloatArray,
        own: np.ndarray,
        size: int,
        layers: int,
        heads: int,
        length: int,
        dropout: float,
        forgetting: float,
        common: FloatArray | None = None,
        others: int = 0,
    ) -> None:
        super().__init__()
        self.vectors = nn.Buffer(torch.from_numpy(np.ascontiguousarray(vectors)), persistent=False)
        self.own = nn.Buffer(torch.from_numpy(np.where(own, np.cumsum(own), 0)), persistent=False)
        self.text = nn.Parameter(torch.from_numpy(principal_map(vectors, size, TEXT_SCALE)))  # (t, d)
        self.residual = nn.Parameter(torch.zeros(int(own.sum()) + 1, size))  # the first row is nobody's
        self.start_norm = nn.LayerNorm(size)
        self.blocks = nn.ModuleList(Block(size, heads, length, dropout) for _ in range(layers))
        self.end_norm = nn.LayerNorm(size)
        self.profile_ages = nn.Parameter(math.log(PROFILE_DECAY) * torch.arange(length))
        self.mix = nn.Parameter(torch.ones(2))
        self.sharpness = nn.Parameter(torch.tensor(math.log(SHARPNESS)))
        self.dropout = nn.Dropout(dropout)
        self.forgetting = forgetting
        self.silent = nn.Buffer(torch.from_numpy(~vectors.any(axis=1)), persistent=False)
        with torch.no_grad():
            of_silent = self.own[self.silent & (self.own > 0)]
            self.residual[of_silent] = SILENT_SCALE * torch.randn(len(of_silent), size)
        if common is not None:
            self.other_text = nn.Parameter(
                torch.from_numpy(principal_map(common, size, TEXT_SCALE))
            )  # (t, d)
            self.other_scenario = nn.Parameter(torch.zeros(others, size))
            self.other_weight = nn.Parameter(torch.zeros(size))
            self.scenario_bias = nn.Parameter(torch.full((heads, others), OTHER_BIAS))
            self.gap_bias = nn.Parameter(torch.zeros(heads, GAPS + 1))

    def items(self, rows: Tensor) -> Tensor:
        """Return (m, d) unit vectors of items; zero where nothing is known."""
        own = self.own[rows]
        kept = own > 0
        if self.training and self.forgetting:
            kept &= (torch.rand(len(own)) >= self.forgetting) | self.silent[rows]
        residual = functional.embedding(own, self.residual) * kept[:, None]
        return functional.normalize(self.vectors[rows] @ self.text + residual, dim=1)

    def beside(self, events: Beside, times: LongArray, until: LongArray) -> tuple[Tensor, Tensor] | None:
        """Return (B, C, d) events in other scenarios, and (B, H, L, C) the bias of places that look at them.

        Args:
            times, until: (B, L) of the places of windows: when each was, and the moment at which it is left.

        Returns:
            None where nobody has such an event.
        """
        if not events.there.any():
            return None
        scenario = torch.from_numpy(events.scenario)
        tokens = self.dropout(self.start_norm(torch.from_numpy(events.vectors) @ self.other_text))
        weight = torch.from_numpy(events.weight)[:, :, None]
        tokens = tokens + self.other_scenario[scenario] + weight * self.other_weight
        gaps = torch.from_numpy(events.gaps(times))
        near = self.scenario_bias[:, scenario][:, :, None] + self.gap_bias[:, gaps]  # (H, B, L, C)
        unseen = torch.from_numpy(~events.seen(until))[:, None]
        return tokens, near.transpose(0, 1).masked_fill(unseen, -torch.inf)

    def users(self, x: Tensor, at: Tensor, beside: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return (T, d) what a user is at places of windows.

        Args:
            x: (B, L, d) vectors of the windows' items.
            at: (T,) places in the flattened windows.
            beside: as `beside` returns it.
        """
        length = x.shape[1]
        distance = torch.arange(length)[:, None] - torch.arange(length)
        counts = self.profile_ages[distance.clamp(min=0)].exp() * (distance >= 0)  # (L, L)
        profile = functional.normalize((counts @ x).flatten(0, 1)[at], dim=1)
        x = self.dropout(self.start_norm(x))
        for block in self.blocks:
            x = block(x, beside)
        attended = functional.normalize(self.end_norm(x.flatten(0, 1)[at]), dim=1)
        users = functional.normalize(self.mix[0] * attended + self.mix[1] * profile, dim=1)
        return self.sharpness.exp() * users

    def fitted(self) -> SequenceWeights:
        """Return what was learned, for answering without torch."""
        arrays = {name: value.detach().numpy().copy() for name, value in self.state_dict().items()}
        residual = arrays.pop("residual")
        residual[0] = 0.0
        arrays["residual"] = residual[self.own.numpy()]
        return SequenceWeights(arrays)
