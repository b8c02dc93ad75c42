"""Every weight learns."""

from __future__ import annotations

from torch import nn

from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.tuning.method import NOTHING_FROZEN, TuningMethod, free_weights


class FullTuning(TuningMethod):
    """Frees every weight, the embedded tokens too."""

    def free(self, module: nn.Module, model: LanguageModel, settings: TuningDetails, steps: int) -> nn.Module:
        """Return the module with weights of its own."""
        free_weights(module)
        return module

    def frozen_layers(self, depth: int, settings: TuningDetails) -> int:
        """Return that not even the embedded tokens stay."""
        return NOTHING_FROZEN
