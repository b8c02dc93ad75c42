"""Language models dressed for tuning: weights that learn over weights that are shared with all others.

A dressed model is a light copy: what does not learn lies in the same memory as in the model it was made from,
so that the models of many scenarios live over one backbone and none has to be switched.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from polyscene.core.errors import ModelError
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.text import shown
from polyscene.language.compression.int8 import Int8Linear
from polyscene.language.compression.runtimes import GraphModule
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.light_module import LightModule
from polyscene.language.model.projection import Projection
from polyscene.language.model.token_embeddings import PhraseEmbeddings, TokenEmbeddings
from polyscene.language.tuning import adalora_budget
from polyscene.language.tuning.method import method_of

PROJECTION = "projection."
WORDS, PLACES = "projection.words.table.weight", "projection.words.places"
PHRASES, KEYS = "projection.phrases.table.weight", "projection.phrases.keys"


def must_be_tunable(
    model: LanguageModel, method: str, remedy: str = "set [language] tuning = 'none'"
) -> None:
    """Refuse a model that cannot learn by a method.

    An exported graph does not show its layers, weights in eight bits do not move, and a method may have
    reasons of its own.

    Args:
        model: as it was loaded.
        method: of tuning; "none" where a projection learns alone.
        remedy: what to do instead, in the words of whoever asks.

    Raises:
        ModelError: it is one of these.
    """
    parts = list(model.module.modules())
    if any(isinstance(part, GraphModule) for part in parts):
        reason = "an exported graph, which does not show its layers"
    elif any(isinstance(part, LightModule) for part in parts):
        reason = "which is read as it came"
    elif any(isinstance(part, Int8Linear) for part in parts):
        reason = "whose weights are in eight bits, which do not move in small steps"
    else:
        refusal = method_of(method).refusal(model.module)
        if refusal is None:
            return
        reason = refusal
    raise ModelError(
        f"expected a language model that can be tuned, found {shown(model.name, 200)}, {reason}; {remedy}, "
        "or name the model that it was made from"
    )


def dressed(model: LanguageModel, method: str, settings: TuningDetails, steps: int = 1) -> LanguageModel:
    """Return a copy of a language model with the weights that the method tunes free to learn.

    Args:
        model: as it was loaded; it is not changed.
        method: of tuning; "none" leaves the projection alone to learn.
        settings: its sizes.
        steps: how many will be taken; AdaLoRA spreads its pruning over them.

    Raises:
        ModelError: the method cannot be used with this architecture.
    """
    must_be_tunable(model, method)
    way = method_of(method)
    module = way.free(shared_copy(model.module), model, settings, steps)
    projection = None
    if settings.projection:
        layers = (len(stack(module)), 0)  # what a text means, and its words themselves
        projection = Projection(layers, model.width, settings.dropout)
        projection.to(model.device).eval()
    longest = way.max_tokens(model, settings)
    return replace(model, module=module.eval(), projection=projection, max_tokens=longest)


def frozen_layers(model: LanguageModel, method: str, settings: TuningDetails) -> int:
    """Return how many lower layers the method leaves as they are: their activations can be kept."""
    return method_of(method).frozen_layers(len(stack(model.module)), settings)


def shared_copy(module: nn.Module) -> nn.Module:
    """Return a copy whose weights lie in the same memory, all of them frozen."""
    memo: dict[int, Any] = {id(p): Parameter(p.detach(), requires_grad=False) for p in module.parameters()}
    memo |= {id(buffer): buffer for buffer in module.buffers()}
    return copy.deepcopy(module, memo).eval()


def tuned_weights(model: LanguageModel) -> dict[str, Tensor]:
    """Return copies of the weights that learn, and of the projection, by name."""
    budget = getattr(model.module, adalora_budget.NAME, None)
    if isinstance(budget, adalora_budget.RankBudget):
        budget.prune()
    weights = {name: p.detach().clone() for name, p in _learning(model.module).items()}
    if model.projection is not None:
        weights |= {
            PROJECTION + name: t.detach().clone() for name, t in model.projection.state_dict().items()
        }
    return weights


def load_weights(model: LanguageModel, weights: Mapping[str, Tensor]) -> None:
    """Put tuned weights into a model that is dressed alike.

    Raises:
        ModelError: they belong to another method, size or architecture.
    """
    slots: dict[str, Tensor] = dict(_learning(model.module))
    table, phrases = (_of_rows(weights.get(name)) for name in (WORDS, PHRASES))
    if table is not None:
        learn_words(model, len(table) - 1, None if phrases is None else len(phrases) - 1)
    if model.projection is not None:
        slots |= {PROJECTION + name: tensor for name, tensor in model.projection.state_dict().items()}
    wrong = sorted(slots.keys() ^ weights.keys()) or [
        name
        for name, slot in slots.items()
        if slot.shape != weights[name].shape or slot.is_floating_point() != weights[name].is_floating_point()
    ]
    if not wrong and table is not None and not _within(weights[PLACES], len(table)):
        wrong = [PLACES]
    if not wrong and phrases is not None and bool((weights[KEYS].diff() <= 0).any()):
        wrong = [KEYS]
    if wrong:
        raise ModelError(
            f"expected the tuned weights of a model of this method and size, found that {len(wrong)} differ, "
            f"e.g. {shown(wrong[0])}; tune again, or use the settings that they were tuned with"
        )
    with torch.no_grad():
        for name, slot in slots.items():
            slot.copy_(weights[name])


def _within(places: Tensor, rows: int) -> bool:
    return bool(((places >= 0) & (places < rows)).all())


def _of_rows(table: Tensor | None) -> Tensor | None:
    return table if table is not None and table.ndim == 2 and len(table) else None


def learn_words(
    model: LanguageModel, known: Collection[int] | int, phrases: Collection[int] | int | None = None
) -> None:
    """Give words a vector of their own beside the projection: the ids `known`, or so many to be loaded.

    Args:
        phrases: of `token_embeddings.phrases_of`, or so many to be loaded; None: they have no vector.
    """
    if isinstance(model.projection, Projection):
        vocabulary = model.words.num_embeddings
        model.projection.words = TokenEmbeddings(vocabulary, known, model.width).to(model.device).eval()
        if phrases is not None:
            model.projection.phrases = (
                PhraseEmbeddings(vocabulary, phrases, model.width).to(model.device).eval()
            )


def marked(model: LanguageModel) -> LanguageModel:
    """Return the model under a fingerprint of its own, which follows from its tuned weights."""
    digest = sha256(model.fingerprint.encode())
    for name, tensor in sorted(tuned_weights(model).items()):
        digest.update(f"{name}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    dimension = model.dimension if model.projection is None else model.projection.dimension
    return replace(model, fingerprint=digest.hexdigest(), dimension=dimension)


def _learning(module: nn.Module) -> dict[str, Parameter]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}
