"""The last layers learn, over kept activations of the frozen ones."""

from __future__ import annotations

from torch import nn

from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.tuning.method import TuningMethod, free_weights

FINAL_NORMS = ("norm", "ln_f", "final_layer_norm", "final_norm")
"""What architectures call the norm behind their last layer."""


class TopLayers(TuningMethod):
    """Frees the last `layers` layers, and the norm behind them where there is one."""

    size = "layers"

    def free(self, module: nn.Module, model: LanguageModel, settings: TuningDetails, steps: int) -> nn.Module:
        """Return the module with its last layers free."""
        layers = min(settings.layers, len(stack(module)))
        for layer in stack(module)[len(stack(module)) - layers :] if layers else ():
            free_weights(layer)
        for name in FINAL_NORMS:
            part = getattr(module, name, None)
            if layers and isinstance(part, nn.Module):
                free_weights(part)
        return module

    def frozen_layers(self, depth: int, settings: TuningDetails) -> int:
        """Return the layers below the ones that learn."""
        return max(depth - settings.layers, 0)
