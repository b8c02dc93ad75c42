"""P, from the layers of a language model to an item vector: `v = P · LM(text)`.

The last layer alone says what a text means to the world; the layers below it keep more of the words
themselves, and companies' customers choose by words too. P starts as the last layer, freed of what all texts
share, so that an untrained projection changes nothing but that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST = 1e-6


class Layers(nn.Module):
    """No projection at all: the pooled layers side by side, for those who project later.

    Args:
        layers: numbers of hidden states, 0 being the embedded tokens.
        width: of one hidden state.
    """

    def __init__(self, layers: Sequence[int], width: int) -> None:
        super().__init__()
        self.layers, self.width = tuple(layers), width
        self.dimension = len(self.layers) * width

    def forward(self, pooled: Tensor) -> Tensor:
        """Return (n, L * width) of (n, L, width), unchanged."""
        return pooled.flatten(1)


class Projection(Layers):
    """A linear map over centred, normalised layers.

    `v = unit( Σ_l P_l · unit(h_l − m_l) )`, with h_l the pooled hidden state l and m_l its mean over the
    texts that it was measured on. `P` of the first layer named starts as the identity, the others as zero.

    Args:
        layers: numbers of hidden states, the one to start from first.
        width: of one hidden state.
        dropout: on the features while it learns, in [0, 1).
    """

    def __init__(self, layers: Sequence[int], width: int, dropout: float = 0.0) -> None:
        super().__init__(layers, width)
        self.dimension = width
        self.dropout = nn.Dropout(dropout)
        self.mean = nn.Buffer(torch.zeros(len(self.layers), width))
        self.linear = nn.Linear(len(self.layers) * width, width, bias=False)
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.weight[:, :width] = torch.eye(width)

    def forward(self, pooled: Tensor) -> Tensor:
        """Return (n, width) unit vectors of (n, L, width) pooled layers.

        What is the mean itself, as where every text is the same, has no direction and becomes 0.
        """
        shifted = pooled - self.mean  # (n, L, width)
        length = shifted.norm(dim=-1, keepdim=True)  # (n, L, 1)
        features = torch.where(length > _LEAST, shifted / length.clamp(min=_LEAST), 0.0)  # (n, L, width)
        return functional.normalize(self.linear(self.dropout(features.flatten(1))), dim=-1)  # (n, width)

    def measure(self, pooled: Tensor) -> None:
        """Take the mean of (n, L, width) pooled layers as what all texts share."""
        if len(pooled):
            self.mean.copy_(pooled.double().mean(dim=0))


def spread_layers(depth: int, many: int = 4) -> tuple[int, ...]:
    """Return `many` numbers of hidden states from the last one down to the embedded tokens, evenly spread."""
    steps = max(min(many, depth + 1) - 1, 1)
    return tuple(sorted({round(depth * step / steps) for step in range(steps + 1)}, reverse=True))


def restored(state: Mapping[str, Tensor], layers: Sequence[int]) -> Projection:
    """Build the projection whose `state_dict` this is."""
    made = Projection(layers, state["mean"].shape[1])
    made.load_state_dict(dict(state))
    return made.eval()
