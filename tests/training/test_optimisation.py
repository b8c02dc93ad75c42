from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import Parameter

from polyscene.core.settings.tuning import OptimiserName, OptimiserSettings
from polyscene.training.optimisation import build_optimiser, rate, set_rate

shares = st.floats(0, 1)


@given(shares)
def test_without_warm_up_the_rate_falls_from_one_to_zero(spent: float) -> None:
    assert rate(OptimiserSettings(schedule="linear", warmup=0.0), spent) == pytest.approx(1 - spent)
    cosine = rate(OptimiserSettings(schedule="cosine", warmup=0.0), spent)
    assert cosine == pytest.approx(math.cos(math.pi * spent / 2) ** 2)
    assert rate(OptimiserSettings(schedule="constant", warmup=0.0), spent) == 1.0


@given(shares, st.floats(0.01, 0.9), st.sampled_from(["linear", "cosine", "constant"]))
def test_the_rate_rises_in_the_warm_up_and_never_after(spent: float, warmup: float, name: Any) -> None:
    settings = OptimiserSettings(schedule=name, warmup=warmup)
    now, later = rate(settings, spent), rate(settings, min(spent + 0.01, 1.0))
    if spent + 0.01 < warmup:
        assert now == pytest.approx(spent / warmup)
    elif spent >= warmup:
        assert later <= now <= 1.0


def test_the_first_step_of_a_warm_up_moves() -> None:
    settings = OptimiserSettings(schedule="linear", warmup=0.4)
    rates = [rate(settings, step / 10, grain=0.1) for step in range(10)]
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


def test_beyond_the_budget_the_rate_stays_where_it_ended() -> None:
    assert rate(OptimiserSettings(schedule="linear", warmup=0.0), 1.7) == 0.0
    assert rate(OptimiserSettings(schedule="constant", warmup=0.0), 1.7) == 1.0


def test_every_group_gets_its_share_of_the_rate() -> None:
    optimiser = build_optimiser(nn.Linear(2, 2).named_parameters(), OptimiserSettings(learning_rate=0.2))
    assert set_rate(optimiser, 0.5) == 0.1
    assert set_rate(optimiser, 0.25) == 0.05
    assert [group["lr"] for group in optimiser.param_groups] == [0.05, 0.05]


def stepped(settings: OptimiserSettings, steps: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return a weight and a bias that started at (1, 2) after steps with gradients (3, -4)."""
    weight, bias = Parameter(torch.tensor([[1.0, 2.0]])), Parameter(torch.tensor([1.0, 2.0]))
    optimiser = build_optimiser([("layer.weight", weight), ("layer.bias", bias)], settings)
    for _ in range(steps):
        weight.grad, bias.grad = torch.tensor([[3.0, -4.0]]), torch.tensor([3.0, -4.0])
        optimiser.step()
    return weight.detach().numpy()[0], bias.detach().numpy()


def test_one_step_of_adamw_is_the_sign_of_the_slope_and_decays_weights_only() -> None:
    weight, bias = stepped(OptimiserSettings(learning_rate=0.1, weight_decay=0.5))
    np.testing.assert_allclose(weight, np.array([1.0, 2.0]) * 0.95 - [0.1, -0.1], rtol=1e-6)
    np.testing.assert_allclose(bias, np.array([1.0, 2.0]) - [0.1, -0.1], rtol=1e-6)


def test_many_weights_move_as_few_do() -> None:
    settings = OptimiserSettings(learning_rate=0.1, weight_decay=0.5)
    many, few = Parameter(torch.ones(1001, 1000)), Parameter(torch.ones(1, 1000))
    for parameter in (many, few):
        optimiser = build_optimiser([("weight", parameter)], settings)
        for slope in (3.0, -1.0, 0.5):
            parameter.grad = torch.full_like(parameter, slope)
            optimiser.step()
    torch.testing.assert_close(many[:1], few)


def test_two_steps_of_sgd_gather_momentum() -> None:
    settings = OptimiserSettings(optimiser="sgd", learning_rate=0.1, weight_decay=0.0, momentum=0.5)
    weight, bias = stepped(settings, steps=2)
    expected = np.array([1.0, 2.0]) - 0.1 * (1 + 1.5) * np.array([3.0, -4.0])
    np.testing.assert_allclose(weight, expected, rtol=1e-6)
    np.testing.assert_allclose(bias, expected, rtol=1e-6)


def test_adafactor_remembers_rows_and_columns_instead_of_the_matrix() -> None:
    matrix = Parameter(torch.ones(30, 20))
    optimiser = build_optimiser(
        [("weight", matrix)], OptimiserSettings(optimiser="adafactor", weight_decay=0.0)
    )
    matrix.grad = torch.ones_like(matrix)
    optimiser.step()
    assert bool((matrix < 1.0).all())
    remembered = sum(value.numel() for value in optimiser.state[matrix].values() if torch.is_tensor(value))
    assert remembered <= 30 + 20 + 1


@pytest.mark.parametrize(
    ("name", "decayed"),
    [
        ("encoder.layer.0.output.dense.weight", True),
        ("encoder.layer.0.output.dense.bias", False),
        ("encoder.layer.0.output.LayerNorm.weight", False),
        ("model.layers.1.post_attention_layernorm.weight", False),
        ("model.norm.weight", False),
        ("transformer.h.0.ln_1.weight", False),
        ("transformer.ln_f.weight", False),
        ("attention.q_bias", False),
        ("transformer.wte.weight", True),
        ("0", True),
        ("base", True),
    ],
)
def test_biases_and_norms_are_told_by_their_names(name: str, decayed: bool) -> None:
    optimiser = build_optimiser([(name, Parameter(torch.ones(2, 2)))], OptimiserSettings(weight_decay=0.3))
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.3 if decayed else 0.0]


@pytest.mark.parametrize("name", ["adamw", "sgd", "adafactor"])
def test_what_is_frozen_or_shared_is_not_there_or_there_once(name: OptimiserName) -> None:
    shared, frozen = Parameter(torch.ones(2, 2)), Parameter(torch.ones(2, 2), requires_grad=False)
    named = [("a.weight", shared), ("b.weight", shared), ("c.weight", frozen)]
    optimiser = build_optimiser(named, OptimiserSettings(optimiser=name))
    assert [group["params"] for group in optimiser.param_groups] == [[shared]]
    with pytest.raises(ValueError, match="unfreeze"):
        build_optimiser(named[2:], OptimiserSettings(optimiser=name))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimiser", "adam"),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("weight_decay", -0.1),
        ("momentum", 1.0),
        ("schedule", "step"),
        ("warmup", 1.0),
        ("clip", 0.0),
        ("accumulation", 0),
        ("precision", "float16"),
        ("perturbation", -1.0),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    chosen: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=name):
        OptimiserSettings(**chosen)
