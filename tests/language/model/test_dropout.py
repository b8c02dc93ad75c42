"""Dropout by the chunk gives what torch's own gives, and leaves the stream where that leaves it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from polyscene.language.model import dropout
from polyscene.language.model.dropout import CHUNK, Dropout

SHAPE = (CHUNK // 16 + 3, 17)
"""More than a chunk, and no whole number of them."""


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_is_torchs_to_the_bit_and_so_is_what_is_drawn_next(share: float) -> None:
    values = torch.randn(SHAPE)
    torch.manual_seed(5)
    expected, after = functional.dropout(values, share, True), torch.rand(3)
    torch.manual_seed(5)
    thinned = Dropout(share)(values)
    assert torch.equal(thinned, expected)
    assert torch.equal(torch.rand(3), after)
    assert bool((thinned == 0).any())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_and_all_are_torchs(share: float) -> None:
    values = torch.randn(4, 5)
    assert torch.equal(Dropout(share)(values), functional.dropout(values, share, True))


def test_gradients_flow_where_they_are_asked_for() -> None:
    values = torch.ones(100, requires_grad=True)
    thinned = Dropout(0.5)(values)
    thinned.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, thinned.detach())


def test_it_asks_torch_where_bits_are_used_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropout, "drawn_from_bits", lambda: False)
    monkeypatch.setattr(dropout, "_thinned", None)
    values = torch.randn(SHAPE)
    torch.manual_seed(5)
    expected = functional.dropout(values, 0.1, True)
    torch.manual_seed(5)
    assert torch.equal(Dropout(0.1)(values), expected)
