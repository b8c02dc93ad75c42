"""Small backbones of every shape, and a few steps of gradient on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoTokenizer, BertConfig, BertModel, GPT2Config, GPT2Model

from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.quiet import quiet
from polyscene.language.model.token_embeddings import most_frequent
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.methods import dressed, frozen_layers, learn_words

SIZES = {"rank": 4, "bottleneck": 3, "prefix_tokens": 2, "dropout": 0.0, "words": False}
TEXTS = (
    "red shoe",
    "the blue dress for women",
    "",
    "a soft green dress for the women and the men in the red water",
    "phone case",
    "red shoe",
    "water proof boot for kids",
)
"""Of mixed lengths, one without words, one twice."""


def details(**changes: object) -> TuningDetails:
    return TuningDetails.model_validate(SIZES | changes)


def read(backbone: LanguageModel, method: str, texts: object = TEXTS, **changes: object) -> CachedEncoder:
    """Return a reader of a model that is dressed for a method."""
    torch.manual_seed(3)
    settings = details(**changes)
    model = dressed(backbone, method, settings, 8)
    reader = CachedEncoder(model, list(texts), frozen_layers(model, method, settings), 48)  # type: ignore[call-overload]
    if settings.words:
        learn_words(model, reader.vocabulary, most_frequent([reader.phrases], settings.phrases))
    return reader


def train(reader: CachedEncoder, steps: int = 4, rate: float = 0.02) -> list[float]:
    """Pull every text towards a direction of its own for a few steps; return the losses."""
    optimiser = torch.optim.Adam([p for _, p in reader.named_parameters()], rate)
    rows, losses = np.flatnonzero(reader.lengths > 0), []
    names = [sum(reader.texts[row].encode()) for row in rows]
    wanted = np.stack([np.random.default_rng(name).normal(size=reader.model.width) for name in names])
    directions = functional.normalize(torch.from_numpy(wanted.astype(np.float32)), dim=-1)  # (n, d)
    for _ in range(steps):
        reader.train(True)
        loss = (1.0 - (reader.embed(rows) * directions).sum(dim=1)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    reader.train(False)
    return losses


def save_masked(source: Path, folder: Path) -> Path:
    """Write an encoder of three layers that knows how to hide a word."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with quiet():
        BertModel(config).save_pretrained(folder)
    return folder


def save_gpt2(source: Path, folder: Path) -> Path:
    """Write a decoder that is built of other linear layers than most."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(2)
    sizes: dict[str, Any] = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    config = GPT2Config(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=1, **sizes)
    with quiet():
        GPT2Model(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def masked_folder(bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_masked(bert_folder, tmp_path_factory.mktemp("masked"))


@pytest.fixture(scope="session")
def encoder(masked_folder: Path, settings_for: Callable[..., LanguageSettings]) -> LanguageModel:
    return load_model(settings_for(masked_folder))


@pytest.fixture(scope="session")
def decoder(llama_folder: Path, settings_for: Callable[..., LanguageSettings]) -> LanguageModel:
    return load_model(settings_for(llama_folder))


@pytest.fixture(scope="session")
def gpt2(
    llama_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    settings_for: Callable[..., LanguageSettings],
) -> LanguageModel:
    return load_model(settings_for(save_gpt2(llama_folder, tmp_path_factory.mktemp("gpt2"))))


@pytest.fixture(params=["encoder", "decoder"])
def backbone(request: pytest.FixtureRequest) -> LanguageModel:
    """Both kinds of language model in turn; whoever tunes one must leave it as it was."""
    model: LanguageModel = request.getfixturevalue(request.param)
    return model


@pytest.fixture(scope="session")
def tuning_texts() -> list[str]:
    return list(TEXTS)


@pytest.fixture(scope="session")
def sized() -> Callable[..., TuningDetails]:
    return details


@pytest.fixture(scope="session")
def reading() -> Callable[..., CachedEncoder]:
    return read


@pytest.fixture(scope="session")
def trained() -> Callable[..., list[float]]:
    return train
