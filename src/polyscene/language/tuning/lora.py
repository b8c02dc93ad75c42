"""Low-rank additions to every linear map (Hu et al., LoRA, ICLR 2022)."""

from __future__ import annotations

from torch import nn

from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.tuning.method import TuningMethod
from polyscene.language.tuning.through_peft import low_rank, wrapped


class LoRA(TuningMethod):
    """Adds `B · A` of rank `rank` to every linear map; B starts at zero."""

    size = "rank"
    drops_out = True

    def free(self, module: nn.Module, model: LanguageModel, settings: TuningDetails, steps: int) -> nn.Module:
        """Return the module with low-rank additions, which change nothing yet."""
        from peft import LoraConfig  # late: the other methods do without it

        return wrapped(module, model, "lora", LoraConfig, **low_rank(module, settings), r=settings.rank)
