"""Virtual tokens before every layer's keys and values (Li and Liang, Prefix-tuning, ACL 2021)."""

from __future__ import annotations

from torch import nn

from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.architecture import lacks_heads
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.tuning.method import TuningMethod
from polyscene.language.tuning.through_peft import wrapped


class PrefixTuning(TuningMethod):
    """Lets `prefix_tokens` virtual tokens learn; with them even an untrained model reads differently."""

    size = "prefix_tokens"
    starts_untuned = False

    def refusal(self, module: nn.Module) -> str | None:
        """Refuse a model without some of its heads: a prefix is for as many as its configuration says."""
        taken_out = "some of whose heads were taken out, so that a prefix does not fit"
        return taken_out if lacks_heads(module) else None

    def free(self, module: nn.Module, model: LanguageModel, settings: TuningDetails, steps: int) -> nn.Module:
        """Return the module with a prefix."""
        from peft import PrefixTuningConfig  # late: the other methods do without it

        return wrapped(module, model, "prefix", PrefixTuningConfig, num_virtual_tokens=settings.prefix_tokens)

    def max_tokens(self, model: LanguageModel, settings: TuningDetails) -> int:
        """Return how long a text may be behind the prefix, where the model has only so many positions."""
        positions = getattr(model.module.config, "max_position_embeddings", None)
        if positions is None:
            return model.max_tokens
        return min(model.max_tokens, max(int(positions) - settings.prefix_tokens, 1))
