"""What the methods of the package peft share: it wraps a module, and its errors become ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from polyscene.core.errors import ModelError
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.text import shown
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel


def wrapped(
    module: nn.Module, model: LanguageModel, method: str, configure: Callable[..., Any], **sizes: object
) -> nn.Module:
    """Return the module as peft wraps it.

    Args:
        configure: makes peft's configuration from the sizes and the task.

    Raises:
        ModelError: peft does not know how to with this architecture.
    """
    import peft  # late: the other methods do without it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it advises on training that is not ours
            configuration = configure(task_type=peft.TaskType.FEATURE_EXTRACTION, **sizes)
            worn: nn.Module = peft.get_peft_model(module, configuration)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ModelError(
            f"expected a language model that can be tuned by {method}, found {shown(model.name)}: "
            f"{shown(str(error), 200)}; choose another method in [language] tuning"
        ) from error
    return worn


def low_rank(module: nn.Module, settings: TuningDetails) -> dict[str, Any]:
    """Return what every low-rank method sets: an addition to each linear map of the layers."""
    return {
        "target_modules": linear_parts(module),
        "lora_alpha": 2 * settings.rank,
        "lora_dropout": settings.dropout,
    }


def linear_parts(module: nn.Module) -> list[str]:
    """Return the paths of all layers' linear parts, GPT-2's turned ones among them."""
    within = {id(part) for layer in stack(module) for part in layer.modules()}
    return [
        path
        for path, part in module.named_modules()
        if isinstance(part, nn.Linear | Conv1D) and id(part) in within
    ]
