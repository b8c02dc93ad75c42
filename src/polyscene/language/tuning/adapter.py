"""Bottleneck adapters: a narrow detour after each layer, the only thing that learns.

`h ← h + U · gelu(D · h)` with D (b, d) and U (d, b), U zero at the start, so that an untrained adapter
changes nothing (Houlsby et al., Parameter-efficient transfer learning for NLP, ICML 2019; one per layer,
after its feed-forward part, as Pfeiffer et al., AdapterFusion, EACL 2021).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.tuning.method import TuningMethod

NAME = "bottleneck_adapters"
"""Under which the adapters hang on the model, and what their parameters are called after."""


class Bottleneck(nn.Module):
    """One adapter.

    Args:
        width: of the hidden states.
        size: of the bottleneck.
        dropout: on what goes through it, in [0, 1).
    """

    def __init__(self, width: int, size: int, dropout: float) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, size), nn.Linear(size, width)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            self.up.weight.zero_()
            self.up.bias.zero_()

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (n, length, d) hidden states with the detour added."""
        detour: Tensor = self.up(self.dropout(functional.gelu(self.down(hidden))))
        return hidden + detour


class AdapterTuning(TuningMethod):
    """Hangs an adapter of `bottleneck` numbers on every layer; nothing else learns."""

    size = "bottleneck"
    drops_out = True

    def free(self, module: nn.Module, model: LanguageModel, settings: TuningDetails, steps: int) -> nn.Module:
        """Return the module with adapters, which change nothing yet."""
        insert_adapters(module, model.width, settings.bottleneck, settings.dropout)
        return module


def insert_adapters(module: nn.Module, width: int, size: int, dropout: float) -> None:
    """Hang an adapter on every layer of a model."""
    layers = stack(module)
    adapters = nn.ModuleList(Bottleneck(width, size, dropout) for _ in layers)
    module.add_module(NAME, adapters.to(next(module.parameters()).device))
    for layer, adapter in zip(layers, adapters, strict=True):
        layer.register_forward_hook(_Detour(adapter))


class _Detour:
    """Sends a layer's output through its adapter."""

    def __init__(self, adapter: nn.Module) -> None:
        self._adapter = adapter

    def __call__(self, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401 - a layer's
        if isinstance(output, tuple):
            return (self._adapter(output[0]), *output[1:])
        return self._adapter(output)
