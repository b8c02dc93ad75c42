"""Zeros and eight bits: closed forms, bounds, and what comes back from disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from polyscene.core.errors import ModelError
from polyscene.language.compression import int8
from polyscene.language.compression.folders import WEIGHTS
from polyscene.language.compression.int8 import Int8Embedding, Int8Linear, per_channel, to_int8
from polyscene.language.compression.opening import open_compressed
from polyscene.language.compression.sparsity import (
    pack_nonzero,
    sparsify,
    unpack_nonzero,
    zero_least_important,
)
from polyscene.language.model.architecture import linears
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.sources import NOTE
from polyscene.language.text.encoding import encode


def test_the_smallest_weights_of_each_row_go() -> None:
    linear = nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, -2.0, 3.0, -4.0], [8.0, 7.0, 6.0, 5.0]]))
    zero_least_important(linear, 0.5, torch.tensor([1.0, 1.0, 1.0, 0.1]))
    assert linear.weight.tolist() == [[0, -2, 3, 0], [8, 7, 0, 0]]


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_zeros_are_stored_as_bits(
    name: str, request: pytest.FixtureRequest, texts: list[str], tmp_path: Path
) -> None:
    model: LanguageModel = request.getfixturevalue(name)
    for share in (0.0, 0.5):
        smaller = sparsify(model, share, texts)
        smaller.save(tmp_path)
        again = open_compressed(tmp_path, "float32")
        assert np.array_equal(encode(again, texts), encode(smaller.model, texts))
        zeros = [float((part.weight == 0).float().mean()) for part in linears(again.module).values()]
        np.testing.assert_allclose(zeros, share, atol=1e-6)
    assert smaller.stored_mb < sparsify(model, 0.0).stored_mb
    assert "takes as long" in smaller.note


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=30)
def test_packing_loses_nothing(out: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    linear = nn.Linear(width, out)
    with torch.no_grad():
        linear.weight[torch.rand_like(linear.weight) < 0.5] = 0.0
    module = nn.Sequential(linear)
    back = unpack_nonzero(pack_nonzero(module, {"0": linear}), {"0.weight": linear.weight.shape})
    assert torch.equal(back["0.weight"], linear.weight)
    assert torch.equal(back["0.bias"], linear.bias)


def test_bits_and_values_must_belong_together(bert: LanguageModel, tmp_path: Path) -> None:
    sparsify(bert, 0.5).save(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    name = next(name for name in tensors if name.endswith(".values"))
    save_file(tensors | {name: tensors[name][1:].clone()}, tmp_path / WEIGHTS)
    with pytest.raises(ModelError, match=r"expected .* values of the weight"):
        open_compressed(tmp_path)


@given(st.integers(1, 12), st.integers(1, 12), st.floats(1e-3, 1e3), st.integers(0, 99))
@settings(max_examples=40)
def test_weights_are_off_by_half_a_step_at_most(out: int, width: int, size: float, seed: int) -> None:
    torch.manual_seed(seed)
    weight = torch.randn(out, width) * size
    small, scale = per_channel(weight)
    assert small.abs().max() <= 127
    assert ((small * scale[:, None] - weight).abs() <= scale[:, None] * 0.5001).all()


@pytest.mark.parametrize("bias", [True, False])
def test_an_eight_bit_layer_stays_close_to_the_exact_one(bias: bool) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(64, 32, bias=bias)
    rows = torch.randn(500, 64) * torch.logspace(-1, 1, 64) + torch.linspace(-5, 5, 64)
    layer = Int8Linear.of(linear, rows)
    exact, rounded = linear(rows).detach(), layer(rows.view(5, 100, 64)).view(500, 32)
    error = (rounded - exact).square().mean() / exact.var()
    assert 0 < error < 1e-3


def test_products_of_whole_numbers_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, top = Int8Linear(3, 8), (int8.activation_levels() - (int8.activation_levels() + 1) // 2)
    torch.manual_seed(0)
    weight = torch.randint(-127, 128, (3, 8), dtype=torch.int8)
    weight[:, :2] = 127  # two of the largest side by side: sixteen bits would overflow
    rows = torch.randint(-top, top + 1, (5, 8)).float()
    rows[:, :2] = top
    layer.weight.copy_(weight)
    layer.reach.copy_(torch.tensor(float(top)))
    torch.testing.assert_close(layer(rows), rows @ weight.float().T)


@pytest.mark.parametrize("name", ["bert", "llama", "minilm"])
def test_eight_bits_keep_directions_and_come_back(
    name: str, request: pytest.FixtureRequest, texts: list[str], tmp_path: Path
) -> None:
    model: LanguageModel = request.getfixturevalue(name)
    smaller = to_int8(model, texts)
    vectors = encode(smaller.model, texts)
    cosines = (vectors * encode(model, texts)).sum(1)
    assert 1e-7 < 1 - cosines.mean() < 0.02
    smaller.save(tmp_path)
    again = open_compressed(tmp_path)
    assert np.array_equal(encode(again, texts), vectors)
    assert smaller.stored_mb < 0.45 * sparsify(model, 0.0).stored_mb
    assert not any(
        isinstance(part, nn.Linear) for path, part in again.module.named_modules() if "pooler" not in path
    )


def test_words_are_looked_up_by_their_scale() -> None:
    torch.manual_seed(0)
    words = nn.Embedding(10, 6, padding_idx=0)
    table = Int8Embedding.of(words)
    assert table.num_embeddings == 10
    ids = torch.tensor([[1, 2], [0, 9]])
    torch.testing.assert_close(table(ids), words(ids).detach(), atol=0.02, rtol=0)


def test_calibration_wants_words_and_a_processor(bert: LanguageModel) -> None:
    from dataclasses import replace

    with pytest.raises(ModelError, match="without a visible character"):
        to_int8(bert, ["", "\u200b"])
    with pytest.raises(ModelError, match="on a processor with oneDNN"):
        to_int8(replace(bert, device=torch.device("meta")), ["red"])


def test_processors_that_sum_in_sixteen_bits_get_half_the_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "cpu_flags", lambda: frozenset({"avx2"}))
    assert int8.activation_levels() == 127
    monkeypatch.setattr(int8, "cpu_flags", lambda: frozenset({"avx2", "avx_vnni"}))
    assert int8.activation_levels() == 255


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"format": 99}, "of format 1, found 99"),
        ({"way": "magic"}, "as the way"),
        ({"heads": [1]}, "heads for 2 layers, found 1"),
        ({"kind": None}, None),
    ],
)
def test_damaged_folders_are_told(
    bert: LanguageModel, texts: list[str], tmp_path: Path, damage: dict[str, object], message: str | None
) -> None:
    from polyscene.language.compression.heads import drop_heads

    drop_heads(bert, texts, 0.75).save(tmp_path)
    note = json.loads((tmp_path / NOTE).read_text(encoding="utf-8")) | damage
    if message is None:
        del note["kind"]
    (tmp_path / NOTE).write_text(json.dumps(note), encoding="utf-8")
    with pytest.raises(ModelError, match=message or "cannot be loaded"):
        open_compressed(tmp_path)


def test_a_folder_without_a_note_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected a compressed language model with its"):
        open_compressed(tmp_path)
