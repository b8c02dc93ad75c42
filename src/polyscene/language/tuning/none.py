"""No weight of the model learns: it is used as it came, or a projection learns alone."""

from __future__ import annotations

from torch import nn

from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.tuning.method import TuningMethod


class NoTuning(TuningMethod):
    """Leaves every weight as it is."""

    def free(self, module: nn.Module, model: LanguageModel, settings: TuningDetails, steps: int) -> nn.Module:
        """Return the module, all of it frozen."""
        return module

    def frozen_layers(self, depth: int, settings: TuningDetails) -> int:
        """Return all of them."""
        return depth
