"""Layers, heads and neurons taken out: what is left, what it says, and that it can be loaded again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from polyscene.core.errors import ModelError
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.exporting import export
from polyscene.language.compression.heads import drop_heads, most_important
from polyscene.language.compression.layers import drop_layers, evenly_spread, every_other
from polyscene.language.compression.neurons import drop_neurons, rounded
from polyscene.language.compression.precision import halve
from polyscene.language.model.architecture import attention, feed_forward, stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.packed_bert import packed
from polyscene.language.model.projection import Projection
from polyscene.language.text.encoding import encode

if TYPE_CHECKING:
    from tests.language.conftest import SettingsFor


def _reloaded(candidate: Candidate, folder: Path, settings_for: SettingsFor) -> LanguageModel:
    candidate.save(folder)
    return load_model(settings_for(folder))


def _same(a: LanguageModel, b: LanguageModel, texts: list[str]) -> None:
    np.testing.assert_allclose(encode(a, texts), encode(b, texts), atol=1e-6)


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_layers_are_dropped_and_the_folder_is_an_ordinary_one(
    name: str, request: pytest.FixtureRequest, texts: list[str], tmp_path: Path, settings_for: SettingsFor
) -> None:
    model: LanguageModel = request.getfixturevalue(name)
    smaller = drop_layers(model, [0])
    assert len(stack(smaller.model.module)) == 1
    assert smaller.stored_mb < drop_layers(model, [0, 1]).stored_mb
    _same(_reloaded(smaller, tmp_path, settings_for), smaller.model, texts)
    _same(drop_layers(model, [0, 1]).model, model, texts)
    assert smaller.model.fingerprint != model.fingerprint
    assert len(stack(model.module)) == 2


def test_every_other_layer_keeps_the_last() -> None:
    assert every_other(6) == [1, 3, 5]
    assert every_other(1) == [0]


def test_layers_are_spread_over_the_whole_height() -> None:
    assert [evenly_spread(6, share) for share in (0.01, 0.34, 0.5, 0.84, 1.0)] == [
        [5],
        [0, 5],
        [0, 2, 5],
        [0, 1, 2, 4, 5],
        [0, 1, 2, 3, 4, 5],
    ]


@pytest.mark.parametrize("keep", [[], [1, 0], [0, 0], [2], [-1, 0]])
def test_layers_that_are_not_there_are_refused(bert: LanguageModel, keep: list[int]) -> None:
    with pytest.raises(ModelError, match="numbers of layers between 0 and 1"):
        drop_layers(bert, keep)


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_neurons_are_dropped_and_the_folder_is_an_ordinary_one(
    name: str, request: pytest.FixtureRequest, texts: list[str], tmp_path: Path, settings_for: SettingsFor
) -> None:
    model: LanguageModel = request.getfixturevalue(name)
    smaller = drop_neurons(model, texts, 0.5)
    config: Any = smaller.model.module.config
    assert config.intermediate_size == 16
    assert feed_forward(stack(smaller.model.module)[0]).out.in_features == 16
    again = _reloaded(smaller, tmp_path, settings_for)
    _same(again, smaller.model, texts)
    _same(drop_neurons(model, texts, 1.0).model, model, texts)


def test_neurons_that_say_nothing_are_dropped_without_loss(bert: LanguageModel, texts: list[str]) -> None:
    with torch.no_grad():
        for layer in stack(bert.module):
            feed_forward(layer).out.weight[:, 3:19] = 0.0
    np.testing.assert_allclose(
        encode(drop_neurons(bert, texts, 0.5).model, texts), encode(bert, texts), atol=1e-3
    )


def test_twins_take_over_for_each_other(bert: LanguageModel, texts: list[str]) -> None:
    with torch.no_grad():
        for layer in stack(bert.module):
            up = feed_forward(layer).sources[0]
            up.weight[16:], up.bias[16:] = up.weight[:16], up.bias[:16]
    smaller = drop_neurons(bert, texts, 0.5).model
    assert (encode(smaller, texts) * encode(bert, texts)).sum(1).min() > 0.9999


def test_widths_are_whole_vectors_where_they_can_be() -> None:
    assert (rounded(1536, 0.9), rounded(1536, 1.0), rounded(8, 0.5), rounded(8, 0.01)) == (1376, 1536, 4, 1)


def test_heads_are_taken_out_rows_and_columns(
    bert: LanguageModel, texts: list[str], tmp_path: Path, settings_for: SettingsFor
) -> None:
    smaller = drop_heads(bert, texts, 0.75)
    counts = [attention(layer).heads for layer in stack(smaller.model.module)]
    assert sorted(counts) == [1, 2]
    assert smaller.stored_mb < drop_heads(bert, texts, 1.0).stored_mb
    again = _reloaded(smaller, tmp_path, settings_for)
    _same(again, smaller.model, texts)
    _same(packed(again), smaller.model, texts)
    _same(drop_heads(bert, texts, 1.0).model, bert, texts)


def test_a_silent_head_goes_first_and_without_loss(bert: LanguageModel, texts: list[str]) -> None:
    with torch.no_grad():
        attention(stack(bert.module)[1]).out.weight[:, :8] = 0.0
    smaller = drop_heads(bert, texts, 0.75).model
    assert [attention(layer).heads for layer in stack(smaller.module)] == [2, 1]
    assert (encode(smaller, texts) * encode(bert, texts)).sum(1).min() > 0.99999


def test_every_layer_keeps_its_dearest_head() -> None:
    kept = most_important([torch.tensor([0.1, 0.2]), torch.tensor([5.0, 6.0])], 0.01)
    assert [row.tolist() for row in kept] == [[1], [1]]
    kept = most_important([torch.tensor([0.1, 0.2]), torch.tensor([5.0, 6.0])], 0.75)
    assert [row.tolist() for row in kept] == [[1], [0, 1]]


def test_what_cannot_be_cut_is_said(bert: LanguageModel, llama: LanguageModel, texts: list[str]) -> None:
    with pytest.raises(ModelError, match="only set to zero save nothing"):
        drop_heads(llama, texts, 0.5)
    with pytest.raises(ModelError, match="share of heads"):
        drop_heads(bert, texts, 0.0)
    with pytest.raises(ModelError, match="share of neurons"):
        drop_neurons(bert, texts, 1.5)
    with pytest.raises(ModelError, match="texts to calibrate on"):
        drop_neurons(bert, [" "], 0.5)


def test_layers_of_a_deep_model_keep_their_order(bert: LanguageModel, texts: list[str]) -> None:
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=5, num_attention_heads=2, intermediate_size=32
    )
    deep = replace(bert, module=BertModel(config).train(False))
    kept = drop_layers(deep).model.module
    for place, layer in zip([0, 2, 4], stack(kept), strict=True):
        same = stack(deep.module)[place]
        assert torch.equal(attention(layer).out.weight, attention(same).out.weight)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_stored_so(
    bert: LanguageModel, texts: list[str], tmp_path: Path, settings_for: SettingsFor, precision: Any
) -> None:
    smaller = halve(bert, precision)
    again = _reloaded(smaller, tmp_path, settings_for)
    assert np.array_equal(encode(again, texts), encode(smaller.model, texts))
    cosines = (encode(smaller.model, texts) * encode(bert, texts)).sum(1)
    assert cosines.min() > 0.999
    assert not np.array_equal(encode(smaller.model, texts), encode(bert, texts))
    stored = load_file(tmp_path / "model.safetensors")
    assert sum(2 * part.numel() for part in stored.values()) / 1e6 == pytest.approx(smaller.stored_mb)
    assert {str(part.dtype) for part in stored.values()} == {f"torch.{precision}"}


def test_a_projection_is_not_left_behind(bert: LanguageModel, tmp_path: Path) -> None:
    tuned = replace(bert, projection=Projection([2, 1], 16))
    with pytest.raises(ModelError, match="compress the model first"):
        drop_layers(tuned)
    with pytest.raises(ModelError, match="compress the model first"):
        export(tuned, tmp_path, "onnx")
