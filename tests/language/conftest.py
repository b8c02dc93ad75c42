"""Language models for the tests: the bundled one, and tiny random ones that are made here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from polyscene.core.progress import Advance
from polyscene.core.settings.language import LanguageSettings
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.quiet import quiet

WORDS = ["a", "an", "the", "red", "blue", "green", "shoe", "shoes", "boot", "dress", "phone", "case", "for"]
WORDS += ["women", "men", "kids", "soft", "water", "proof"]
TEXTS = [
    "red shoe",
    "the blue dress for women",
    "phone case",
    "water proof boot for kids",
    "a soft green dress for the women",
    "an soft phone",
]


class SettingsFor(Protocol):
    def __call__(self, model: str | Path = "minilm", **values: object) -> LanguageSettings: ...


@dataclass
class Listener:
    """Remembers what it was told."""

    lines: list[str] = field(default_factory=list)
    steps: int = 0
    total: int = 0

    @contextmanager
    def track(self, label: str, total: int, unit: str = "") -> Iterator[Advance]:
        self.total += total
        yield self._advance

    def say(self, text: str) -> None:
        self.lines.append(text)

    def _advance(self, steps: int) -> None:
        self.steps += steps


@dataclass
class Reads:
    """Counts the texts that a module has read."""

    texts: int = 0

    def __call__(self, module: torch.nn.Module, args: object, kwargs: dict[str, torch.Tensor]) -> None:
        self.texts += len(kwargs["input_ids"])


CountReads = Callable[[LanguageModel], Reads]


def settings(model: str | Path = "minilm", **values: object) -> LanguageSettings:
    return LanguageSettings.model_validate(
        {"model": str(model), "precision": "float32", "device": "cpu", **values}
    )


def save_bert(folder: Path, seed: int = 0, more: Sequence[str] = ()) -> Path:
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *"abcdefghijklmnopqrstuvwxyz"[1:], *more]
    tokenizer = Tokenizer(models.WordPiece({w: n for n, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
    )
    return _saved(BertModel(config), folder)


def save_llama(folder: Path) -> Path:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*TEXTS, *WORDS], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    return _saved(LlamaModel(config), folder)


def _saved(module: PreTrainedModel, folder: Path) -> Path:
    with quiet():
        module.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def minilm() -> LanguageModel:
    return load_model(settings())


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def bert(bert_folder: Path) -> LanguageModel:
    return load_model(settings(bert_folder))


@pytest.fixture(scope="session")
def prompted_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an encoder that knows the words of prompts too."""
    return save_bert(tmp_path_factory.mktemp("prompted"), more=("liked", "disliked", ".", ":"))


@pytest.fixture
def prompted(prompted_folder: Path) -> LanguageModel:
    return load_model(settings(prompted_folder))


@pytest.fixture
def llama(llama_folder: Path) -> LanguageModel:
    return load_model(settings(llama_folder))


@pytest.fixture(scope="session")
def settings_for() -> SettingsFor:
    return settings


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return list(TEXTS)


@pytest.fixture(scope="session")
def save_bert_in() -> Callable[[Path, int], Path]:
    return save_bert


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def count_reads() -> CountReads:
    def count(model: LanguageModel) -> Reads:
        reads = Reads()
        model.module.register_forward_pre_hook(reads, with_kwargs=True)
        return reads

    return count
