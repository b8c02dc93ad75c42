"""Low-rank additions whose ranks go where they help (Zhang et al., AdaLoRA, ICLR 2023)."""

from __future__ import annotations

from torch import nn

from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.tuning import adalora_budget
from polyscene.language.tuning.method import TuningMethod
from polyscene.language.tuning.through_peft import low_rank, wrapped


class AdaLoRA(TuningMethod):
    """Starts with half as many ranks again as `rank`, and prunes them over the steps."""

    size = "rank"
    drops_out = True

    def free(self, module: nn.Module, model: LanguageModel, settings: TuningDetails, steps: int) -> nn.Module:
        """Return the module with low-rank additions and the budget that prunes them."""
        from peft import AdaLoraConfig  # late: the other methods do without it

        worn = wrapped(
            module,
            model,
            "adalora",
            AdaLoraConfig,
            **low_rank(module, settings),
            init_r=settings.rank + settings.rank // 2,
            target_r=settings.rank,
            total_step=max(steps, 4),
            tinit=1,
            tfinal=1,
        )
        worn.add_module(adalora_budget.NAME, adalora_budget.RankBudget(worn, settings.rank, steps))
        return worn
