"""The forward pass of our own against transformers'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import XLMRobertaConfig, XLMRobertaModel

from polyscene.language.model import packed_bert
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.packed_bert import packable, packed
from polyscene.language.text.encoding import encode

MANY = [f"red shoe {'for women ' * (number % 9)}{number}" for number in range(60)]


def test_vectors_are_those_of_transformers(minilm: LanguageModel, texts: list[str]) -> None:
    quick = packed(minilm)
    assert quick.module is not minilm.module
    np.testing.assert_allclose(encode(quick, MANY + texts), encode(minilm, MANY + texts), atol=2e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_pieces_and_threads_do_not_matter(
    bert: LanguageModel, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    expected, before = encode(bert, MANY), torch.get_num_threads()
    monkeypatch.setattr(packed_bert, "TOKENS_PER_PIECE", 16)
    torch.set_num_threads(threads)
    try:
        np.testing.assert_allclose(encode(packed(bert), MANY), expected, atol=1e-5)
    finally:
        torch.set_num_threads(before)


def test_padding_on_the_left_and_rows_in_any_order(bert: LanguageModel) -> None:
    ids = torch.tensor([[0, 0, 2, 5, 3], [2, 6, 7, 8, 3], [0, 2, 9, 5, 3], [0, 0, 2, 5, 3]])
    mask = (ids != 0).long()
    output = packed(bert).module(input_ids=ids, attention_mask=mask).last_hidden_state
    for row in range(len(ids)):
        alone = ids[row][mask[row].bool()][None]
        with torch.no_grad():
            expected = bert.module(input_ids=alone).last_hidden_state[0]
        torch.testing.assert_close(output[row][mask[row].bool()], expected, atol=1e-5, rtol=1e-4)
        assert not output[row][mask[row] == 0].any()


def test_positions_of_roberta_are_counted_from_behind_the_padding(bert: LanguageModel) -> None:
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=60,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=30,
        pad_token_id=1,
        type_vocab_size=1,
    )
    model = replace(bert, module=XLMRobertaModel(config).train(False))
    ids = torch.tensor([[0, 5, 6, 7, 2], [0, 8, 2, 1, 1]])
    mask = (ids != 1).long()
    with torch.no_grad():
        expected = model.module(input_ids=ids, attention_mask=mask).last_hidden_state
    output = packed(model).module(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(output, expected * mask[..., None], atol=1e-5, rtol=1e-4)


def test_bfloat16_stays_close(bert: LanguageModel, texts: list[str]) -> None:
    rough = encode(packed(replace(bert, autocast=torch.bfloat16)), texts)
    exact = encode(bert, texts)
    assert (rough * exact).sum(1).min() > 0.999
    assert not np.array_equal(rough, exact)


def test_all_layers_are_returned_where_they_are_wanted(bert: LanguageModel) -> None:
    ids, mask = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.no_grad():
        expected = bert.module(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    output = packed(bert).module(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    assert len(output.hidden_states) == len(expected) == 3
    for ours, theirs in zip(output.hidden_states, expected, strict=True):
        torch.testing.assert_close(ours, theirs * mask[..., None], atol=1e-5, rtol=1e-4)
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)


def test_what_was_put_into_a_model_is_not_lost(bert: LanguageModel) -> None:
    handle = bert.module.encoder.layer[0].register_forward_hook(lambda *args: None)  # type: ignore[union-attr, index]
    assert packed(bert) is bert
    handle.remove()
    assert packed(bert) is not bert
    bert.module.encoder.layer[0].output.dense = Doubled(16, 16)  # type: ignore[union-attr, index]
    assert packed(bert) is bert


class Doubled(torch.nn.Linear):
    """Stands for an adapter."""


def test_other_architectures_stay_as_they_are(llama: LanguageModel, bert: LanguageModel) -> None:
    assert packed(llama) is llama
    assert not packable(llama.module)
    assert packed(replace(bert, device=torch.device("meta"))).module is bert.module


def test_the_original_is_left_alone(bert: LanguageModel, texts: list[str]) -> None:
    before = encode(bert, texts)
    encode(packed(replace(bert, autocast=torch.bfloat16)), texts)
    assert np.array_equal(encode(bert, texts), before)
    assert all(part.requires_grad for part in bert.module.parameters())
