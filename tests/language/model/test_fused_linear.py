"""Products for reading against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.activations import ACT2FN

from polyscene.language.model import fused_linear
from polyscene.language.model.fused_linear import linear_for_reading, prepacking_works


def layer() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(24, 40)


@pytest.mark.parametrize("laid_out", [True, False])
@pytest.mark.parametrize("rows", [1, 7, 600])
@pytest.mark.parametrize("activation", [None, "gelu", "gelu_new", "relu"])
def test_bfloat16_is_the_product_beside_rounding(
    monkeypatch: pytest.MonkeyPatch, laid_out: bool, rows: int, activation: str | None
) -> None:
    if not laid_out:
        monkeypatch.setattr(fused_linear, "prepacking_works", lambda: False)
    follows = None if activation is None else ACT2FN[activation]
    hidden = torch.randn(rows, 24)
    with torch.inference_mode():
        expected = layer()(hidden) if follows is None else follows(layer()(hidden))
        product = linear_for_reading(layer(), torch.bfloat16, follows)(hidden.bfloat16())
    assert product.dtype == torch.bfloat16
    torch.testing.assert_close(product.float(), expected, atol=0.03, rtol=0.02)


def test_float32_is_the_layer_itself() -> None:
    plain = layer()
    assert linear_for_reading(plain, None) is plain
    hidden = torch.randn(5, 24)
    product = linear_for_reading(plain, None, nn.GELU(approximate="tanh"))(hidden)
    assert torch.equal(product, nn.functional.gelu(plain(hidden), approximate="tanh"))


def test_exact_gelu_is_told_from_its_approximations() -> None:
    exact = [nn.GELU(), ACT2FN["gelu"]]
    others = [
        nn.GELU(approximate="tanh"),
        ACT2FN["gelu_new"],
        ACT2FN["gelu_pytorch_tanh"],
        ACT2FN["quick_gelu"],
    ]
    assert all(fused_linear._is_exact_gelu(one) for one in exact)
    assert not any(fused_linear._is_exact_gelu(one) for one in others)


def test_a_torch_without_layouts_goes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(fused_linear, "FusedLinear", broken)
    prepacking_works.cache_clear()
    try:
        assert not prepacking_works()
        assert isinstance(linear_for_reading(layer(), torch.bfloat16), nn.Linear)
    finally:
        prepacking_works.cache_clear()
