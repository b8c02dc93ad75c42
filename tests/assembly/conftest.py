"""A small company that is big enough for the fusion to learn from, trained and judged once.

Beside it two language models that are small enough to be tuned in a moment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedModel
from transformers import PreTrainedTokenizerFast as Fast

from polyscene.assembly.project import Project
from polyscene.assembly.run import Run
from polyscene.data.sample.world import SampleWorld
from polyscene.language.quiet import quiet

RUNTIME = '\n[runtime]\nthreads = 1\ncache = "cache"\n'


def _write(folder: Path, users: int, items: int, days: int) -> Path:
    config = SampleWorld.generate(users=users, items_per_scenario=items, days=days).write(folder)
    with config.open("a", encoding="utf-8") as file:
        file.write(RUNTIME)
    return config


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of three scenarios; nobody may change its tables."""
    return _write(tmp_path_factory.mktemp("company"), users=400, items=50, days=40)


@pytest.fixture(scope="session")
def hamlet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a company that trains in a moment; nobody may change its tables."""
    return _write(tmp_path_factory.mktemp("hamlet"), users=120, items=40, days=20)


@pytest.fixture(scope="session")
def project(company: Path) -> Project:
    return Project.open(company)


@pytest.fixture(scope="session")
def run(project: Project) -> Run:
    """Return a run that has been judged."""
    trained = project.train()
    project.evaluate(trained)
    return trained


def _save_model(folder: Path, decoder: bool) -> Path:
    """Write a random language model of two layers over single bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["shop", "news"], trainer)
    fast = Fast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", mask_token="<mask>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": len(fast),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "pad_token_id": 2,
    }
    made: PreTrainedModel = LlamaModel(LlamaConfig(**sizes)) if decoder else BertModel(BertConfig(**sizes))
    with quiet():
        made.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a random encoder that nobody may change."""
    return _save_model(tmp_path_factory.mktemp("encoder"), decoder=False)


@pytest.fixture(scope="session")
def small_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a random decoder that nobody may change."""
    return _save_model(tmp_path_factory.mktemp("decoder"), decoder=True)
