from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from polyscene.core.errors import ModelError
from polyscene.core.types import FloatArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import encode, padded, token_batches, tokenised

if TYPE_CHECKING:
    from tests.language.conftest import CountReads, Listener

SENTENCES = [
    "red running shoes for women",
    "crimson jogging trainers for ladies",
    "income tax law of 1986, annotated edition, with a chapter on capital gains and another on estates",
    "a dog",
]


def _plain(model: LanguageModel, text: str) -> FloatArray:
    """One text on its own through transformers, pooled in numpy."""
    tokens = model.tokenizer(text, return_tensors="pt", truncation=True, max_length=model.max_tokens)
    with torch.no_grad():
        hidden = model.module(tokens["input_ids"]).last_hidden_state[0].numpy()  # (length, d)
    vector = hidden.mean(0) if model.kind == "encoder" else hidden[-1]
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def test_similar_sentences_lie_nearer_than_different_ones(minilm: LanguageModel) -> None:
    shoes, trainers, tax, _ = encode(minilm, SENTENCES)
    assert shoes @ trainers > shoes @ tax + 0.3
    assert trainers @ shoes > trainers @ tax + 0.3


def test_vectors_equal_a_plain_forward_pass(minilm: LanguageModel) -> None:
    expected = np.stack([_plain(minilm, text) for text in SENTENCES])
    vectors = encode(minilm, SENTENCES)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_padding_does_not_matter(name: str, request: pytest.FixtureRequest, texts: list[str]) -> None:
    model: LanguageModel = request.getfixturevalue(name)
    expected = np.stack([_plain(model, text) for text in texts])
    np.testing.assert_allclose(encode(model, texts), expected, atol=1e-5)
    assert len(np.unique(expected.round(4), axis=0)) == len(texts)


@pytest.mark.parametrize("side", ["left", "right"])
def test_decoder_reads_the_last_token_on_either_padding_side(
    llama: LanguageModel, texts: list[str], side: str
) -> None:
    llama.tokenizer.padding_side = side
    batch = llama.tokenizer(texts, return_tensors="pt", padding=True)
    with torch.inference_mode():
        vectors = llama.embed(batch["input_ids"], batch["attention_mask"]).numpy()
    np.testing.assert_allclose(vectors, encode(llama, texts), atol=1e-5)


def test_order_does_not_change_a_bit(minilm: LanguageModel) -> None:
    order = [3, 1, 0, 2]
    shuffled = encode(minilm, [SENTENCES[place] for place in order], batch_tokens=64)
    assert np.array_equal(shuffled, encode(minilm, SENTENCES, batch_tokens=64)[order])


@pytest.mark.parametrize("batch_tokens", [1, 64, 100_000])
def test_batch_size_does_not_matter(minilm: LanguageModel, batch_tokens: int) -> None:
    np.testing.assert_allclose(
        encode(minilm, SENTENCES, batch_tokens=batch_tokens), encode(minilm, SENTENCES), atol=1e-5
    )


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_text_without_words_has_no_direction(name: str, request: pytest.FixtureRequest) -> None:
    model: LanguageModel = request.getfixturevalue(name)
    vectors = encode(model, ["", "red shoe", " \u200b\n"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [0, 1, 0], atol=1e-6)
    assert encode(model, []).shape == (0, 16)


def test_equal_texts_are_read_once_and_progress_adds_up(
    bert: LanguageModel, texts: list[str], listener: Listener, count_reads: CountReads
) -> None:
    reads = count_reads(bert)
    vectors = encode(bert, [*texts, *texts, f"  {texts[0]}\u200b", ""], progress=listener)
    assert reads.texts == len(texts)
    assert np.array_equal(vectors[0], vectors[len(texts)])
    assert np.array_equal(vectors[0], vectors[-2])
    assert listener.steps == listener.total == len(texts) + 1
    assert "texts/s" in listener.lines[-1]


def test_long_texts_are_cut(bert: LanguageModel) -> None:
    short = replace(bert, max_tokens=8)
    assert [len(row) for row in tokenised(short, ["red " * 100, "red", ""])] == [8, 3, 0]
    assert np.array_equal(*encode(short, ["red " * 6, "red " * 100]))


def test_batches_stay_within_the_budget_and_miss_no_text() -> None:
    draw = random.Random(0)
    tokens = [np.zeros(draw.randrange(0, 50), dtype=np.int32) for _ in range(200)]
    texts = [f"text {place}" for place in range(200)]
    batches = list(token_batches(texts, tokens, 120))
    assert sorted(place for batch in batches for place in batch) == [p for p in range(200) if len(tokens[p])]
    assert all(max(len(tokens[p]) for p in batch) * len(batch) <= 120 for batch in batches)
    assert sum(len(batch) for batch in batches) / len(batches) > 3


def test_padding_is_on_the_right() -> None:
    ids, mask = padded([np.array([5, 6], dtype=np.int32), np.array([7], dtype=np.int32)], 9)
    assert ids.tolist() == [[5, 6], [7, 9]]
    assert mask.tolist() == [[1, 1], [1, 0]]


def test_bfloat16_stays_close(bert: LanguageModel, texts: list[str]) -> None:
    rough = encode(replace(bert, autocast=torch.bfloat16), texts)
    exact = encode(bert, texts)
    assert (rough * exact).sum(1).min() > 0.999
    assert not np.array_equal(rough, exact)


def test_numbers_that_are_not_finite_are_refused(bert: LanguageModel) -> None:
    with torch.no_grad():
        bert.module.get_input_embeddings().weight[5] = torch.nan  # type: ignore[operator]
    with pytest.raises(ModelError, match="not finite in float32"):
        encode(bert, [str(bert.tokenizer.convert_ids_to_tokens(5))])


def test_tokenizer_of_another_model_is_refused(bert: LanguageModel, minilm: LanguageModel) -> None:
    with pytest.raises(ModelError, match="do not belong together"):
        encode(replace(bert, tokenizer=minilm.tokenizer), ["running"])


def test_control_tokens_in_a_text_are_words(minilm: LanguageModel) -> None:
    for written in ("red shoe [SEP] blue dress", "[PAD] [PAD] red shoe", "[CLS] red [MASK] shoe"):
        ids = tokenised(minilm, [written])[0].tolist()
        assert not set(ids[1:-1]) & set(minilm.tokenizer.all_special_ids)
    plain, padded_out = encode(minilm, ["red shoe", "[PAD] [PAD] [PAD] [PAD] red shoe"])
    assert float(plain @ padded_out) < 0.999  # it is read, as words, and hides nothing
