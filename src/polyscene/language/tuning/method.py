"""What every method of tuning says of itself; each is a file of its own beside this one.

Methods are known by name through the entry points `polyscene.tuning_methods`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from polyscene.core.settings.language import TUNING_METHODS
from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.language_model import LanguageModel

NOTHING_FROZEN = -1
"""In the count of frozen layers: not even the embedded tokens stay."""


class TuningMethod(ABC):
    """Which weights of a language model learn.

    Attributes:
        size: the key of `[tuning]` that says how much learns; "" where there is none.
        drops_out: whether `[tuning] dropout` reaches the method's own weights.
        starts_untuned: whether the model still says what it said when the method's weights have not moved.
    """

    size: ClassVar[str] = ""
    drops_out: ClassVar[bool] = False
    starts_untuned: ClassVar[bool] = True

    def refusal(self, module: nn.Module) -> str | None:
        """Return why a model cannot learn so, as the end of "a model, ..."; None where it can."""
        return None

    @abstractmethod
    def free(self, module: nn.Module, model: LanguageModel, settings: TuningDetails, steps: int) -> nn.Module:
        """Return the module with the weights that learn.

        Args:
            module: a copy of the model's with every weight frozen and shared; it may be changed.
            model: that it was copied from.
            settings: the method's sizes.
            steps: how many will be taken.

        Raises:
            ModelError: the method cannot be used with this architecture.
        """

    def frozen_layers(self, depth: int, settings: TuningDetails) -> int:
        """Return how many lower layers stay as they are: their activations can be kept."""
        return 0

    def max_tokens(self, model: LanguageModel, settings: TuningDetails) -> int:
        """Return how long a text may be."""
        return model.max_tokens


def method_of(name: str) -> TuningMethod:
    """Return the method of that name.

    Raises:
        UnknownIdError: there is none.
    """
    method: TuningMethod = TUNING_METHODS[name]()
    return method


def free_weights(module: nn.Module) -> None:
    """Give a part weights of its own, which learn."""
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            setattr(part, name, nn.Parameter(parameter.detach().clone()))
