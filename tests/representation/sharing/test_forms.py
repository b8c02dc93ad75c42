"""Every form of sharing against sums done by hand, and the same text of it on numpy arrays and on tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from polyscene.core.settings.multitask import SHARING_FORMS
from polyscene.recommenders.multitask.network import TORCH
from polyscene.representation.sharing.arithmetic import NUMPY
from polyscene.representation.sharing.crossing import CROSSINGS
from polyscene.representation.sharing.form import SharingForm, Sizes

SIZES = Sizes(6, 4, 2, 8, ((0, 1), (2,)), experts=2, rank=3)
Values = NDArray[np.float64]
Weights = Mapping[str, Values]


def weights_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Values]:
    draws = np.random.default_rng(5)
    return {name: draws.normal(size=shape) for name, shape in shapes.items()}


def rows() -> Values:
    return np.random.default_rng(6).normal(size=(5, 6))


def relu(x: Values) -> Values:
    return np.maximum(x, 0.0)


def sigmoid(x: Values) -> Values:
    return 1.0 / (1.0 + np.exp(-x))


def dense(w: Weights, name: str, x: Values, number: int | None = None) -> Values:
    pick: slice | int = slice(None) if number is None else number
    return relu(x @ w[f"{name}.weight"][pick] + w[f"{name}.bias"][pick])


def share(w: Weights, name: object, x: Values) -> Values:
    e = np.exp(x @ w[f"own.gate.{name}.weight"] + w[f"own.gate.{name}.bias"])
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def weighed(gate: Values, experts: list[Values]) -> Values:
    return np.asarray(np.einsum("ne,enh->nh", gate, np.stack(experts)))


def shared_bottom(w: Weights, x: Values, scenario: int, head: int) -> Values:
    return dense(w, "trunk.top", dense(w, "trunk.1", x))


def separate(w: Weights, x: Values, scenario: int, head: int) -> Values:
    return dense(w, "own.2", dense(w, "own.1", x, scenario), scenario)


def mmoe(w: Weights, x: Values, scenario: int, head: int) -> Values:
    experts = [dense(w, f"trunk.top.{e}", dense(w, f"trunk.{e}", x)) for e in range(2)]
    return weighed(share(w, head, x), experts)


def ple(w: Weights, x: Values, scenario: int, head: int) -> Values:
    experts = [dense(w, f"trunk.{e}", x) for e in range(2)]
    own = {each: dense(w, f"own.1.{each}", x) for each in SIZES.heads[scenario]}
    common = weighed(share(w, f"shared{scenario}", x), [*experts, *own.values()])
    first = weighed(share(w, head, x), [*experts, own[head]])
    again = [dense(w, f"trunk.top.{e}", common) for e in range(2)]
    return weighed(share(w, f"top{head}", first), [*again, dense(w, f"own.2.{head}", first)])


def star(w: Weights, x: Values, scenario: int, head: int) -> Values:
    for name in ("trunk.1", "trunk.top"):
        weight = w[f"{name}.weight"] * (1 + w[f"own.{name}.zeros"][scenario])
        x = relu(x @ weight + w[f"{name}.bias"] + w[f"own.{name}.bias"][scenario])
    return x


def low_rank(w: Weights, x: Values, scenario: int, head: int) -> Values:
    for name in ("trunk.1", "trunk.top"):
        added = w[f"own.{name}.down.weight"][scenario] @ w[f"own.{name}.up.zeros"][scenario]
        x = relu(x @ (w[f"{name}.weight"] + added) + w[f"{name}.bias"])
    return x


def opened(w: Weights, name: str, z: Values) -> Values:
    return 2 * sigmoid(dense(w, name, z) @ w[f"{name}.out.zeros"] + w[f"{name}.out.bias"])


def pepnet(w: Weights, x: Values, scenario: int, head: int) -> Values:
    x = opened(w, "trunk.scenario", np.hstack([x[:, :2], x])) * x
    gate = opened(w, f"own.person.{head}", np.hstack([x[:, :4], x]))
    return gate[:, 8:] * dense(w, "trunk.top", gate[:, :8] * dense(w, "trunk.1", x))


BY_HAND: dict[str, Callable[[Weights, Values, int, int], Values]] = {
    "shared_bottom": shared_bottom,
    "mmoe": mmoe,
    "ple": ple,
    "star": star,
    "pepnet": pepnet,
    "low_rank": low_rank,
    "separate": separate,
}


def test_every_form_is_worked_out_by_hand() -> None:
    assert list(SHARING_FORMS) == list(BY_HAND)


@pytest.fixture(params=BY_HAND)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def form(name: str) -> SharingForm:
    sharing_form: SharingForm = SHARING_FORMS[name](SIZES)
    return sharing_form


@pytest.mark.parametrize("scenario", [0, 1])
def test_a_form_gives_what_its_formula_says(name: str, form: SharingForm, scenario: int) -> None:
    w, x = weights_of(form.shapes()), rows()
    outputs = form(w, x, scenario, NUMPY)
    assert len(outputs) == len(SIZES.heads[scenario])
    for head, actual in zip(SIZES.heads[scenario], outputs, strict=True):
        wanted = dense(w, f"tower.{head}", BY_HAND[name](w, x, scenario, head))
        np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-12)


def test_tensors_and_arrays_give_the_same(form: SharingForm) -> None:
    w = {key: value.astype(np.float32) for key, value in weights_of(form.shapes()).items()}
    x = rows().astype(np.float32)
    tensors = {key: torch.from_numpy(value) for key, value in w.items()}
    for array, tensor in zip(form(w, x, 0, NUMPY), form(tensors, torch.from_numpy(x), 0, TORCH), strict=True):
        np.testing.assert_allclose(array, tensor.numpy(), rtol=2e-4, atol=2e-4)


def test_only_what_scenarios_share_moves_for_another(name: str, form: SharingForm) -> None:
    w = {key: torch.from_numpy(value).requires_grad_() for key, value in weights_of(form.shapes()).items()}
    x = torch.from_numpy(rows())
    sum(output.square().sum() for output in form(w, x, 1, TORCH)).backward()
    touched = {key for key, value in w.items() if value.grad is not None and bool(value.grad.any())}
    assert not [key for key in touched if key.startswith(("tower.0", "tower.1"))]
    assert any(key.startswith("trunk.") for key in touched) == (name != "separate")
    stacked = [key for key in touched if key.startswith("own.") and w[key].ndim == 3]
    for key in stacked:
        gradient = w[key].grad
        assert gradient is not None
        assert not gradient[0].any(), key


def test_gates_of_persons_learn_nothing_through_the_features() -> None:
    form: SharingForm = SHARING_FORMS["pepnet"](SIZES)
    w = {key: torch.zeros(shape).double() for key, shape in form.shapes().items()}
    w |= {
        key: torch.from_numpy(value)
        for key, value in weights_of(form.shapes()).items()
        if "trunk.scenario" in key
    }
    x = torch.from_numpy(rows()).requires_grad_()
    gate = form._opened(w, "trunk.scenario.", torch.cat([x[:, :2] * 0, TORCH.fixed(x)], 1), TORCH)  # type: ignore[attr-defined]
    assert gate.std() > 0
    assert torch.autograd.grad(gate.sum(), x)[0].abs().sum() == 0


def test_factorisation_machines_sum_over_every_two_features() -> None:
    x = np.random.default_rng(1).normal(size=(3, 4, 2))
    crossed = CROSSINGS["fm"](4, 2, 1)({}, x, NUMPY)
    pairs = sum(x[:, i] * x[:, j] for i in range(4) for j in range(i))
    np.testing.assert_allclose(crossed, np.hstack([x.reshape(3, 8), pairs]), rtol=1e-9)


def test_the_cross_network_multiplies_by_its_start() -> None:
    crossing = CROSSINGS["dcn"](4, 2, 3)
    w, x = weights_of(crossing.shapes()), np.random.default_rng(1).normal(size=(3, 4, 2))
    start = wanted = x.reshape(3, 8)
    for layer in range(2):
        name = f"trunk.cross.{layer}."
        whole = w[f"{name}down.weight"] @ w[f"{name}up.weight"]
        wanted = start * (wanted @ whole + w[f"{name}bias"]) + wanted
    np.testing.assert_allclose(crossing(w, x, NUMPY), wanted, rtol=1e-9)


@pytest.mark.parametrize("kind", CROSSINGS)
def test_a_crossing_is_as_wide_as_it_says(kind: str) -> None:
    crossing = CROSSINGS[kind](4, 2, 3)
    x = np.random.default_rng(1).normal(size=(3, 4, 2))
    assert crossing(weights_of(crossing.shapes()), x, NUMPY).shape == (3, crossing.width)
