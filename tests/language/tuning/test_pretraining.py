"""Words are hidden in the shares of the paper, and finding them again is learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

from polyscene.core.contracts import UNLABELLED
from polyscene.core.errors import ModelError
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import IntArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import tokenised
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.methods import dressed
from polyscene.language.tuning.pretraining import WordHead, hidden_words

SIMPLE = ["red shoe", "blue dress", "green boot", "soft phone"] * 4


@pytest.fixture(scope="module")
def many(encoder: LanguageModel) -> list[IntArray]:
    """Return texts of 4 to 28 random words, 20,000 words in all."""
    stream = np.random.default_rng(0)
    special = set(encoder.tokenizer.all_special_ids)
    words = np.array([code for code in range(len(encoder.tokenizer)) if code not in special])
    start, end = encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id
    lengths = stream.integers(4, 29, 1250)
    return [np.array([start, *stream.choice(words, n), end], np.int32) for n in lengths]


def test_shares_are_those_of_the_paper(encoder: LanguageModel, many: list[IntArray]) -> None:
    batch = hidden_words(encoder, many, 1)
    ids, labels = batch.ids.numpy(), batch.labels.numpy()
    original = np.full_like(ids, encoder.tokenizer.pad_token_id)
    for row, text in enumerate(many):
        original[row, : len(text)] = text
    asked = labels != UNLABELLED
    words = batch.mask.numpy() > 0
    words &= ~np.isin(original, list(encoder.tokenizer.all_special_ids))
    n = int(asked.sum())
    assert asked.sum() / words.sum() == pytest.approx(0.15, abs=0.01)
    masked = ids == encoder.tokenizer.mask_token_id
    assert (asked & masked).sum() / n == pytest.approx(0.8, abs=0.03)
    same = asked & (ids == original)
    assert same.sum() / n == pytest.approx(0.1 + 0.1 / len(encoder.tokenizer), abs=0.02)
    np.testing.assert_array_equal(labels[asked], original[asked])
    np.testing.assert_array_equal(ids[~asked], original[~asked])
    assert not (asked & ~words).any()  # special tokens and padding are never asked for


def test_every_text_with_a_word_has_one_to_find(encoder: LanguageModel) -> None:
    rows = tokenised(encoder, ["red", "soft red shoe", "blue"])
    for seed in range(20):
        labels = hidden_words(encoder, rows, seed).labels
        assert bool(((labels != UNLABELLED).sum(dim=1) >= 1).all())


def test_a_text_without_words_has_none_to_find(encoder: LanguageModel) -> None:
    start, end = encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id
    unknown = encoder.tokenizer.unk_token_id
    rows = [np.array([start, unknown, end], np.int32), np.array([start, end], np.int32)]
    batch = hidden_words(encoder, rows, 0)
    assert bool((batch.labels == UNLABELLED).all())
    assert batch.ids[0].tolist() == [start, unknown, end]


def test_the_seed_decides_what_is_hidden(encoder: LanguageModel, many: list[IntArray]) -> None:
    one, same, other = (hidden_words(encoder, many[:50], seed) for seed in (4, 4, 5))
    assert torch.equal(one.ids, same.ids)
    assert torch.equal(one.labels, same.labels)
    assert not torch.equal(one.labels, other.labels)


def test_a_decoder_is_asked_for_the_next_token(decoder: LanguageModel) -> None:
    rows = tokenised(decoder, ["red shoe", "a soft green dress"])
    batch = hidden_words(decoder, rows, 0)
    for row, text in enumerate(rows):
        assert batch.ids[row, : len(text)].tolist() == text.tolist()
        assert batch.labels[row, : len(text) - 1].tolist() == text[1:].tolist()
        assert bool((batch.labels[row, len(text) - 1 :] == UNLABELLED).all())


def test_an_encoder_without_a_mask_token_is_refused(bert: LanguageModel) -> None:
    with pytest.raises(ModelError, match=r"mask token.*leave pretraining out of \[tuning.objectives\]"):
        hidden_words(bert, tokenised(bert, ["red shoe"]), 0)


def test_the_head_begins_as_the_embedded_tokens(backbone: LanguageModel) -> None:
    head, hidden = WordHead(backbone), torch.randn(2, 3, 16)
    torch.testing.assert_close(head(hidden), hidden @ backbone.words.weight.T)


def test_the_heads_formula(backbone: LanguageModel) -> None:
    head, hidden = WordHead(backbone), torch.randn(2, 3, 16)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
        h, embedded = hidden.double().numpy(), backbone.words.weight.detach().double().numpy()
        mean, variance = h.mean(-1, keepdims=True), h.var(-1, keepdims=True)
        turn = {name: p.double().numpy() for name, p in head.named_parameters()}
        normed = (h - mean) / np.sqrt(variance + 1e-5) * turn["norm.weight"] + turn["norm.bias"]
        gelu = functional.gelu(torch.from_numpy(normed)).numpy()
        wanted = (h + gelu @ turn["turn.weight"].T + turn["turn.bias"]) @ embedded.T + turn["bias"]
        np.testing.assert_allclose(head(hidden).numpy(), wanted, atol=1e-4, rtol=1e-4)


def test_the_heads_weights_are_its_own(backbone: LanguageModel) -> None:
    names = [name for name, _ in WordHead(backbone).named_parameters()]
    assert names == ["bias", "norm.weight", "norm.bias", "turn.weight", "turn.bias"]


def test_words_are_learned(backbone: LanguageModel, reading: Callable[..., CachedEncoder]) -> None:
    reader = reading(backbone, "adapter", SIMPLE, bottleneck=8)
    head = WordHead(reader.model)
    weights = [p for _, p in reader.named_parameters() if p.requires_grad] + list(head.parameters())
    optimiser = torch.optim.Adam(weights, 0.03)
    losses = []
    for seed in range(30):
        case = hidden_words(reader.model, reader.tokens, seed)
        logits = head(case.states(reader.model))
        loss = functional.cross_entropy(logits.transpose(1, 2), case.labels, ignore_index=UNLABELLED)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.5


def test_words_are_read_by_the_model_that_is_tuned(encoder: LanguageModel) -> None:
    """Otherwise pretraining would teach the head alone."""
    model = dressed(encoder, "top", TuningDetails())
    case = hidden_words(model, tokenised(model, ["red shoe"]), 0)
    case.states(model).sum().backward()  # type: ignore[no-untyped-call]
    learned = [p for p in model.module.parameters() if p.requires_grad]
    assert learned
    assert any(p.grad is not None and bool(p.grad.any()) for p in learned)
