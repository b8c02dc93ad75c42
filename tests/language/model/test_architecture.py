"""Layers, heads and neurons are found where the architecture keeps them, or it is said that they are not."""

from __future__ import annotations

import pytest
import torch

from polyscene.core.errors import ModelError
from polyscene.language.compression.heads import drop_heads
from polyscene.language.model.architecture import (
    attention,
    feed_forward,
    lacks_heads,
    linears,
    stack,
    width_key,
)
from polyscene.language.model.language_model import LanguageModel


@pytest.mark.parametrize(("name", "linear_parts", "gates"), [("bert", 6, 1), ("llama", 7, 2)])
def test_parts_are_found(name: str, linear_parts: int, gates: int, request: pytest.FixtureRequest) -> None:
    module = request.getfixturevalue(name).module
    layers = stack(module)
    assert len(layers) == module.config.num_hidden_layers
    assert len(linears(module)) == linear_parts * len(layers)
    assert all(module.get_submodule(path) is part for path, part in linears(module).items())
    part = feed_forward(layers[0])
    assert len(part.sources) == gates
    assert part.out.in_features == getattr(module.config, width_key(module.config)) == 32


def test_heads_are_counted(bert: LanguageModel, llama: LanguageModel, texts: list[str]) -> None:
    heads = attention(stack(bert.module)[0])
    assert (heads.heads, heads.size) == (2, 8)
    assert not lacks_heads(bert.module)
    assert not lacks_heads(llama.module)
    assert lacks_heads(drop_heads(bert, texts, 0.75).model.module)


def test_what_is_not_there_is_said(llama: LanguageModel) -> None:
    with pytest.raises(ModelError, match="cannot be cut"):
        stack(torch.nn.Linear(2, 2))
    with pytest.raises(ModelError, match="feed-forward part"):
        feed_forward(torch.nn.Linear(2, 2))
    with pytest.raises(ModelError, match="in the configuration"):
        width_key(object())
    with pytest.raises(ModelError, match="only set to zero save nothing"):
        attention(stack(llama.module)[0])
