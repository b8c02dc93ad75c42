"""Every method changes what it says and nothing else; one that has learned nothing reads as the backbone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from polyscene.core.errors import ModelError
from polyscene.core.settings.language import TUNING_METHODS
from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import encode
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.method import NOTHING_FROZEN
from polyscene.language.tuning.methods import (
    PROJECTION,
    dressed,
    frozen_layers,
    load_weights,
    marked,
    shared_copy,
    tuned_weights,
)

METHODS: tuple[str, ...] = tuple(TUNING_METHODS)
Sized = Callable[..., TuningDetails]
Reading = Callable[..., CachedEncoder]
Trained = Callable[..., list[float]]


def state(model: LanguageModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.module.state_dict().items()}


def learning(model: LanguageModel) -> dict[str, Tensor]:
    return {name: p for name, p in model.module.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("method", [method for method in METHODS if method != "prefix"])
def test_a_dressed_model_that_has_learned_nothing_reads_as_the_backbone(
    backbone: LanguageModel, method: str, sized: Sized, tuning_texts: list[str]
) -> None:
    model = dressed(backbone, method, sized())
    vectors = encode(model, tuning_texts)
    np.testing.assert_allclose(vectors, encode(backbone, tuning_texts), atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_learning_moves_the_vectors_and_never_the_backbone(
    backbone: LanguageModel,
    method: str,
    reading: Reading,
    trained: Trained,
    tuning_texts: list[str],
) -> None:
    before, plain = state(backbone), encode(backbone, tuning_texts)
    reader = reading(backbone, method)
    start = reader.all()
    losses = trained(reader)
    assert losses[-1] < losses[0]
    assert np.abs(reader.all() - start).max() > 1e-3
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.module.state_dict().items())
    np.testing.assert_array_equal(encode(backbone, tuning_texts), plain)


@pytest.mark.parametrize("method", METHODS)
def test_what_does_not_learn_lies_in_the_backbones_memory(
    backbone: LanguageModel, method: str, sized: Sized
) -> None:
    places = {p.data_ptr() for p in backbone.module.parameters()}
    model = dressed(backbone, method, sized())
    frozen = {n: p for n, p in model.module.named_parameters() if not p.requires_grad and "ranknum" not in n}
    assert all(p.data_ptr() in places for p in frozen.values())
    assert not any(p.data_ptr() in places for p in learning(model).values())
    if method != "full":
        assert frozen
    if method not in ("top", "full"):
        assert len(frozen) == len(list(backbone.module.parameters()))


@pytest.mark.parametrize("layers", [0, 1, 2, 99])
def test_top_frees_the_last_layers_and_the_norm_behind_them(
    backbone: LanguageModel, layers: int, sized: Sized
) -> None:
    model = dressed(backbone, "top", sized(layers=layers))
    depth = len(stack(backbone.module))
    freed = stack(model.module)[max(depth - layers, 0) :]
    wanted = {id(p) for layer in freed for p in layer.parameters()}
    parameters = learning(model)
    beyond = [name for name, p in parameters.items() if id(p) not in wanted]
    assert wanted <= {id(p) for p in parameters.values()}
    assert all("norm" in name or "ln_f" in name for name in beyond)
    assert bool(beyond) == (backbone.kind == "decoder" and layers > 0)
    assert frozen_layers(model, "top", sized(layers=layers)) == max(depth - layers, 0)


def test_full_frees_everything(backbone: LanguageModel, sized: Sized) -> None:
    model = dressed(backbone, "full", sized())
    assert learning(model).keys() == dict(backbone.module.named_parameters()).keys()
    assert frozen_layers(model, "full", sized()) == NOTHING_FROZEN


def test_none_frees_the_projection_alone(backbone: LanguageModel, sized: Sized) -> None:
    model = dressed(backbone, "none", sized())
    assert not learning(model)
    assert tuned_weights(model).keys() == {PROJECTION + "mean", PROJECTION + "linear.weight"}
    assert frozen_layers(model, "none", sized()) == len(stack(backbone.module))


def test_adapters_cost_two_narrow_matrices_a_layer(backbone: LanguageModel, sized: Sized) -> None:
    parameters = learning(dressed(backbone, "adapter", sized(bottleneck=5)))
    assert all(".bottleneck_adapters." in f".{name}" for name in parameters)
    per_layer = 5 * 16 + 5 + 16 * 5 + 16
    assert sum(p.numel() for p in parameters.values()) == len(stack(backbone.module)) * per_layer


def test_lora_costs_its_rank_at_both_ends_of_every_linear_part(encoder: LanguageModel, sized: Sized) -> None:
    parameters = learning(dressed(encoder, "lora", sized(rank=3)))
    assert all("lora_A" in name or "lora_B" in name for name in parameters)
    ends = 4 * (16 + 16) + 2 * (16 + 32)  # query, key, value, output; up, down
    assert sum(p.numel() for p in parameters.values()) == 3 * 3 * ends


def test_lora_reaches_the_turned_layers_of_gpt2(gpt2: LanguageModel, sized: Sized) -> None:
    model = dressed(gpt2, "lora", sized(rank=3))
    np.testing.assert_allclose(encode(model, ["red shoe"]), encode(gpt2, ["red shoe"]), atol=1e-6)
    parameters = learning(model)
    ends = (16 + 48) + (16 + 16) + 2 * (16 + 64)  # query, key and value together, output; up, down
    assert sum(p.numel() for p in parameters.values()) == 3 * 2 * ends


def test_prefix_costs_keys_and_values_of_its_tokens(encoder: LanguageModel, sized: Sized) -> None:
    parameters = learning(dressed(encoder, "prefix", sized(prefix_tokens=5)))
    assert sum(p.numel() for p in parameters.values()) == 5 * 3 * 2 * 16


def test_a_prefix_leaves_room_for_itself(encoder: LanguageModel, sized: Sized) -> None:
    model = dressed(encoder, "prefix", sized(prefix_tokens=8))
    assert np.isfinite(encode(model, ["red shoe " * 40])).all()
    assert model.max_tokens == encoder.max_tokens - 8


def test_copies_of_tuned_weights_stay_as_they_are(
    encoder: LanguageModel, reading: Reading, trained: Trained
) -> None:
    reader = reading(encoder, "top")
    kept = tuned_weights(reader.model)
    before = {name: tensor.clone() for name, tensor in kept.items()}
    trained(reader)
    assert all(torch.equal(tensor, before[name]) for name, tensor in kept.items())


@pytest.mark.parametrize(
    ("method", "changes", "example"),
    [
        ("lora", {}, "base_model"),
        ("adapter", {"bottleneck": 7}, "bottleneck_adapters"),
        ("adapter", {"projection": False}, "projection.linear.weight"),
        ("top", {"layers": 2}, "encoder.layer"),
    ],
)
def test_weights_of_another_dress_are_refused(
    encoder: LanguageModel, sized: Sized, method: str, changes: dict[str, object], example: str
) -> None:
    there = dressed(encoder, "top" if method == "top" else "adapter", sized())
    before = tuned_weights(there)
    with pytest.raises(ModelError, match=f"expected the tuned weights .*{example}"):
        load_weights(there, tuned_weights(dressed(encoder, method, sized(**changes))))
    assert all(torch.equal(tensor, before[name]) for name, tensor in tuned_weights(there).items())


def test_a_mark_follows_from_weights_and_backbone(
    encoder: LanguageModel, decoder: LanguageModel, reading: Reading, trained: Trained, sized: Sized
) -> None:
    reader = reading(encoder, "adapter")
    fresh = marked(reader.model).fingerprint
    assert fresh == marked(dressed(encoder, "none", sized())).fingerprint or fresh != encoder.fingerprint
    trained(reader)
    assert len({fresh, marked(reader.model).fingerprint, encoder.fingerprint, decoder.fingerprint}) == 4


def test_a_shared_copy_can_be_changed_alone(encoder: LanguageModel) -> None:
    copy = shared_copy(encoder.module)
    assert not copy.training
    assert not any(p.requires_grad for p in copy.parameters())
    before = list(stack(encoder.module)[0]._forward_hooks)  # transformers leaves some behind
    stack(copy)[0].register_forward_hook(lambda *args: None)
    assert list(stack(encoder.module)[0]._forward_hooks) == before


def test_adalora_prunes_to_its_budget(encoder: LanguageModel, reading: Reading, trained: Trained) -> None:
    reader = reading(encoder, "adalora", rank=2)
    trained(reader, steps=12)
    reader.all()
    singular = [p for name, p in learning(reader.model).items() if "lora_E" in name]
    assert all(p.shape == (3, 1) for p in singular)  # it starts with half as many more
    standing = sum(int((p.abs() > 0).sum()) for p in singular)
    assert 0 < standing <= 2 * len(singular)
