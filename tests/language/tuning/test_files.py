"""What tuning leaves behind is small, whole, and meets no other backbone than its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from polyscene.core.errors import ModelError
from polyscene.core.settings.language import TUNING_METHODS, LanguageSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.text.encoding import encode
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.files import FACTS, WEIGHTS, load_tuned, save_tuned
from polyscene.language.tuning.methods import marked

Reading = Callable[..., CachedEncoder]
Trained = Callable[..., list[float]]
Sized = Callable[..., TuningDetails]


@pytest.fixture
def saved(encoder: LanguageModel, reading: Reading, trained: Trained, sized: Sized, tmp_path: Path) -> Path:
    """Return a folder that a damage can be done to."""
    reader = reading(encoder, "adapter")
    trained(reader, steps=1)
    save_tuned(reader.model, encoder, "adapter", sized(), tmp_path / "tuned")
    return tmp_path / "tuned"


@pytest.mark.parametrize("method", tuple(TUNING_METHODS))
def test_a_model_comes_back_over_a_backbone_that_was_loaded_anew(
    backbone: LanguageModel,
    method: str,
    reading: Reading,
    trained: Trained,
    sized: Sized,
    settings_for: Callable[..., LanguageSettings],
    tuning_texts: list[str],
    tmp_path: Path,
) -> None:
    reader = reading(backbone, method, dropout=0.5, words=True)
    trained(reader)
    tuned = marked(reader.model)
    save_tuned(tuned, backbone, method, sized(dropout=0.5), tmp_path / "shop")
    again = load_tuned(load_model(settings_for(backbone.name)), tmp_path / "shop")
    assert again.fingerprint == tuned.fingerprint
    vectors = encode(again, tuning_texts)
    np.testing.assert_array_equal(vectors, encode(tuned, tuning_texts))
    np.testing.assert_array_equal(vectors, encode(again, tuning_texts))  # nothing is left out at random


def test_the_file_is_smaller_than_the_backbone(saved: Path, encoder: LanguageModel) -> None:
    weights = (Path(encoder.name) / "model.safetensors").stat().st_size
    assert (saved / WEIGHTS).stat().st_size < weights / 2
    assert sum(tensor.numel() for tensor in load_file(saved / WEIGHTS).values()) == 3 * 115 + 2 * 16 * 17


def test_what_did_not_learn_lies_in_the_backbones_memory(saved: Path, encoder: LanguageModel) -> None:
    places = {p.data_ptr() for p in encoder.module.parameters()}
    shared = [p for p in load_tuned(encoder, saved).module.parameters() if p.data_ptr() in places]
    assert len(shared) == len(places)


def test_another_backbone_is_refused(saved: Path, decoder: LanguageModel) -> None:
    with pytest.raises(ModelError, match=r"tuned over the language model .* found others .*tune again"):
        load_tuned(decoder, saved)


def _cut(folder: Path) -> None:
    file = folder / WEIGHTS
    file.write_bytes(file.read_bytes()[:-7])


def _retell(key: str, value: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        (folder / FACTS).write_text(json.dumps(facts | {key: value}), encoding="utf-8")

    return damage


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        shutil.rmtree,
        _cut,
        _write(WEIGHTS, b""),
        _write(WEIGHTS, b"\xff" * 64),
        _write(FACTS, b""),
        _write(FACTS, b"[]"),
        _write(FACTS, b'"adapter"'),
        _write(FACTS, b"\xff\xfe"),
        _write(FACTS, b"{}"),
        _retell("method", "magic"),
        _retell("method", ["adapter"]),
        _retell("settings", None),
        _retell("settings", {"rank": 0}),
        _retell("settings", {"rank": 8, "unheard": 1}),
    ],
)
def test_damaged_folders_are_refused(
    saved: Path, encoder: LanguageModel, damage: Callable[[Path], None]
) -> None:
    damage(saved)
    with pytest.raises(ModelError, match=r"expected tuned weights in .*found .*; tune again"):
        load_tuned(encoder, saved)


@pytest.mark.parametrize(
    "damage", [_retell("method", "lora"), _retell("settings", {"bottleneck": 9}), _retell("method", "none")]
)
def test_weights_of_other_sizes_are_refused(
    saved: Path, encoder: LanguageModel, damage: Callable[[Path], None]
) -> None:
    damage(saved)
    with pytest.raises(ModelError, match="expected the tuned weights of a model of this method and size"):
        load_tuned(encoder, saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("table.weight", torch.zeros(())),
        ("words.table.weight", torch.zeros(0, 16)),
        ("words.table.weight", torch.zeros(3, 5)),
        ("words.places", torch.full((49,), 99, dtype=torch.int32)),
        ("words.places", torch.full((49,), -1, dtype=torch.int32)),
        ("words.places", torch.zeros(49)),
        ("words.places", None),
        ("phrases.table.weight", torch.zeros(2, 16)),
        ("phrases.table.weight", None),
        ("phrases.keys", torch.tensor([7, 7])),
        ("phrases.keys", None),
    ],
)
def test_words_that_do_not_fit_are_refused(
    encoder: LanguageModel,
    reading: Reading,
    sized: Sized,
    tmp_path: Path,
    key: str,
    value: torch.Tensor | None,
) -> None:
    reader = reading(encoder, "none", words=True)
    save_tuned(reader.model, encoder, "none", sized(), tmp_path)
    load_tuned(encoder, tmp_path)
    weights = load_file(tmp_path / WEIGHTS)
    name = f"projection.{key}"
    assert len(encoder.tokenizer) == len(weights["projection.words.places"]) == 49
    others = {other: tensor for other, tensor in weights.items() if other != name}
    save_file(others if value is None else others | {name: value}, tmp_path / WEIGHTS)
    with pytest.raises(ModelError, match="expected the tuned weights of a model of this method and size"):
        load_tuned(encoder, tmp_path)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(saved: Path, encoder: LanguageModel, broken: float) -> None:
    weights = load_file(saved / WEIGHTS)
    name = sorted(weights)[0]
    save_file(weights | {name: torch.full_like(weights[name], broken)}, saved / WEIGHTS)
    with pytest.raises(ModelError, match="not finite"):
        load_tuned(encoder, saved)
