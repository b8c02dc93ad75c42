"""What is kept of the first reading changes nothing: vectors and gradients are those of the whole model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.language_model import LanguageModel, hidden_states
from polyscene.language.model.pooling import pool
from polyscene.language.text.cache import EncodingCache, encoding_keys
from polyscene.language.text.encoding import encode, padded, padded_batches
from polyscene.language.tuning import cached_encoder
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.methods import dressed, frozen_layers, marked

HALF = 2e-3
"""Kept activations have 11 bits."""

Reading = Callable[..., CachedEncoder]
Trained = Callable[..., list[float]]


@pytest.mark.parametrize("projection", [False, True])
@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_reader_says_what_the_whole_model_says(
    backbone: LanguageModel,
    layers: int,
    projection: bool,
    reading: Reading,
    trained: Trained,
    tuning_texts: list[str],
) -> None:
    reader = reading(backbone, "top", layers=layers, projection=projection, words=projection)
    if layers or projection:
        trained(reader)
    vectors = reader.all()
    np.testing.assert_allclose(vectors, encode(marked(reader.model), tuning_texts), atol=HALF)
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, [bool(text) for text in tuning_texts], atol=1e-5)


@pytest.mark.parametrize("method", ["none", "full", "lora", "adalora", "prefix", "adapter"])
def test_reader_of_a_model_that_keeps_nothing_is_exact(
    backbone: LanguageModel,
    method: str,
    reading: Reading,
    trained: Trained,
    tuning_texts: list[str],
) -> None:
    reader = reading(backbone, method, words=True)
    trained(reader, steps=1)
    np.testing.assert_allclose(reader.all(), encode(marked(reader.model), tuning_texts), atol=1e-5)


@pytest.mark.parametrize("resting", [False, True])
def test_rows_come_back_as_they_were_asked_for(
    backbone: LanguageModel, reading: Reading, resting: bool
) -> None:
    reader = reading(backbone, "top")
    reader.resting = resting
    every = reader.all()
    rows = np.array([6, 0, 2, 0, 3, 1])
    with torch.inference_mode():
        vectors = reader.embed(rows).numpy()
    np.testing.assert_allclose(vectors, every[rows], atol=1e-5)
    assert not vectors[2].any()  # the text without words
    np.testing.assert_allclose(vectors[1], vectors[3], atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_are_those_of_the_whole_model(
    backbone: LanguageModel, layers: int, reading: Reading, tuning_texts: list[str]
) -> None:
    reader = reading(backbone, "top", layers=layers, words=True)
    rows = np.flatnonzero(reader.lengths > 0)
    wanted = torch.from_numpy(np.random.default_rng(0).normal(size=(len(rows), 16)).astype(np.float32))
    (reader.embed(rows) * wanted).sum().backward()  # type: ignore[no-untyped-call]
    gradients = _gradients(reader)
    tokens, mask = padded([reader.tokens[row] for row in rows], 0)
    ids, there = torch.from_numpy(tokens), torch.from_numpy(mask)
    (reader.model.embed(ids, there) * wanted).sum().backward()  # type: ignore[no-untyped-call]
    plain = _gradients(reader)
    assert gradients.keys() == plain.keys()
    assert {"projection.linear.weight", "projection.words.table.weight"} < gradients.keys()
    for name, gradient in plain.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(gradients[name], gradient, atol=0.01 * scale + 1e-6, rtol=0.0)


def _gradients(reader: CachedEncoder) -> dict[str, Tensor]:
    gradients = {}
    for name, parameter in reader.named_parameters():
        assert parameter.grad is not None, name
        gradients[name], parameter.grad = parameter.grad, None
    return gradients


def test_lower_layers_are_read_once(encoder: LanguageModel, reading: Reading) -> None:
    reader = reading(encoder, "top")
    before = reader.all()
    for tensor in reader.model.module.get_input_embeddings().parameters():  # type: ignore[operator]
        assert not tensor.requires_grad
    reader.tokens = [np.zeros_like(row) for row in reader.tokens]  # nobody looks at them again
    np.testing.assert_array_equal(reader.all(), before)


def test_at_rest_the_projection_alone_learns(
    encoder: LanguageModel, reading: Reading, trained: Trained
) -> None:
    reader = reading(encoder, "top")
    reader.resting = True
    assert [name for name, _ in reader.named_parameters()] == ["projection.linear.weight"]
    awake = dict(reader.every_parameter())
    assert reader.resting
    before = {name: p.detach().clone() for name, p in awake.items()}
    trained(reader)
    moved = {name for name, p in awake.items() if not torch.equal(p, before[name])}
    assert moved == {"projection.linear.weight"}


def test_at_rest_layers_stay_as_first_read(
    encoder: LanguageModel, reading: Reading, trained: Trained
) -> None:
    reader = reading(encoder, "top")
    reader.resting = True
    before = reader.all()
    reader.resting = False
    top = [p for name, p in reader.named_parameters() if not name.startswith("projection")]
    with torch.no_grad():
        for parameter in top:
            parameter.normal_()
    assert np.abs(reader.all() - before).max() > 0.01
    reader.resting = True
    np.testing.assert_array_equal(reader.all(), before)


def test_first_reading_keeps_the_pooled_layers(encoder: LanguageModel, reading: Reading) -> None:
    reader = reading(encoder, "top")
    assert reader.layers == (3, 0)
    row = 3
    ids = torch.from_numpy(reader.tokens[row].astype(np.int64))[None]
    with torch.inference_mode():
        states = hidden_states(encoder.module, ids, torch.ones_like(ids), None)
        wanted = [pool(states[layer], torch.ones_like(ids), encoder.pooling)[0] for layer in reader.layers]
    np.testing.assert_allclose(reader.pooled[row], torch.stack(wanted).numpy(), atol=1e-5)
    assert not reader.pooled[2].any()


def test_the_vocabulary_is_what_the_texts_are_made_of(backbone: LanguageModel, reading: Reading) -> None:
    reader = reading(backbone, "none", ["red shoe", "", "shoe"])
    special = set(backbone.tokenizer.all_special_ids)
    assert reader.vocabulary == {int(token) for row in reader.tokens for token in row} - special
    assert reader.vocabulary


def test_activations_may_lie_in_a_file(
    encoder: LanguageModel, reading: Reading, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = reading(encoder, "top")
    monkeypatch.setattr(cached_encoder, "IN_MEMORY", 0)
    in_file = reading(encoder, "top")
    assert isinstance(in_file._activations, np.memmap)
    assert not isinstance(in_memory._activations, np.memmap)
    np.testing.assert_array_equal(in_file.all(), in_memory.all())
    assert trained(in_file) == trained(in_memory)
    np.testing.assert_array_equal(in_file.all(), in_memory.all())


@pytest.mark.parametrize("method", ["none", "top", "full"])
@pytest.mark.parametrize("texts", [[], ["", "\u200b"]])
def test_nothing_to_read_is_no_error(
    encoder: LanguageModel, reading: Reading, method: str, texts: list[str]
) -> None:
    reader = reading(encoder, method, texts)
    np.testing.assert_array_equal(reader.all(), np.zeros((len(texts), 16)))


def test_texts_are_normalised(encoder: LanguageModel, reading: Reading) -> None:
    plain, hostile = (reading(encoder, "top", [text]) for text in ("red shoe", "red\u200b  sh\u00adoe\n"))
    np.testing.assert_array_equal(hostile.all(), plain.all())


def test_dropout_is_for_learning_only(encoder: LanguageModel, reading: Reading) -> None:
    reader = reading(encoder, "top", dropout=0.5)
    rows = np.arange(2)
    np.testing.assert_array_equal(reader.all(), reader.all())
    reader.train(True)
    assert not torch.equal(reader.embed(rows), reader.embed(rows))


@pytest.mark.parametrize(("method", "inside"), [("top", False), ("lora", True), ("full", True)])
def test_an_adversary_pushes_where_the_first_layer_that_learns_begins(
    encoder: LanguageModel, reading: Reading, method: str, inside: bool
) -> None:
    reader = reading(encoder, method)
    modules = list(reader.embeddings())
    assert modules == [reader.model.words if inside else reader.entrance]
    passed: list[tuple[int, ...]] = []
    modules[0].register_forward_hook(lambda module, inputs, output: passed.append(tuple(output.shape)))
    reader.embed(np.array([0, 5]))
    assert passed == [(2, len(reader.tokens[0]), 16)]


def read_with(cache: EncodingCache, backbone: LanguageModel, texts: Sequence[str]) -> CachedEncoder:
    details = TuningDetails(layers=1, words=False)
    torch.manual_seed(3)
    model = dressed(backbone, "top", details, 8)
    return CachedEncoder(model, texts, frozen_layers(model, "top", details), 48, cache=cache)


def test_a_later_training_reads_only_texts_that_no_earlier_one_read(
    backbone: LanguageModel,
    tuning_texts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first catalogue has its texts in another order, and none of "a new one"."""
    read: list[str] = []

    def watched(model: LanguageModel, texts: Sequence[str], *others: object) -> Any:
        read.extend(texts)
        return padded_batches(model, texts, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(cached_encoder, "padded_batches", watched)
    cache = EncodingCache(tmp_path)
    read_with(cache, backbone, tuning_texts[::-1])
    assert sorted(read) == sorted(set(tuning_texts))
    read.clear()
    plain = read_with(EncodingCache(tmp_path / "other"), backbone, [*tuning_texts, "a new one"])
    read.clear()
    again = read_with(cache, backbone, [*tuning_texts, "a new one"])
    assert sorted(read) == ["", "a new one"]  # nothing is kept of a text without words
    np.testing.assert_allclose(again.pooled, plain.pooled, atol=1e-5)
    np.testing.assert_allclose(again.all(), plain.all(), atol=HALF)


def test_what_is_kept_serves_encoding_too(
    backbone: LanguageModel, tuning_texts: list[str], tmp_path: Path
) -> None:
    cache = EncodingCache(tmp_path)
    read_with(cache, backbone, tuning_texts)
    keys = encoding_keys(backbone, sorted(set(tuning_texts) - {""}))
    vectors, known = cache.read(backbone.fingerprint, keys, backbone.dimension)
    assert known.all()
    np.testing.assert_allclose(vectors, encode(backbone, sorted(set(tuning_texts) - {""})), atol=1e-5)
