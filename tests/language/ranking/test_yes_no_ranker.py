from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from polyscene.core.errors import ModelError
from polyscene.core.settings.language import LanguageSettings
from polyscene.language.model.quiet import quiet
from polyscene.language.ranking.examples import Prompt
from polyscene.language.ranking.templates import PromptTemplate
from polyscene.language.ranking.yes_no_ranker import YesNoModel, YesNoRanker, load_yes_no_model

SettingsFor = Callable[..., LanguageSettings]


def _save(folder: Path, tokens: Path, kind: str) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(tokens)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    module: LlamaForCausalLM | GPT2LMHeadModel
    if kind == "llama":
        module = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
                intermediate_size=32,
                max_position_embeddings=64,
                initializer_range=0.5,
            )
        )
    else:
        module = GPT2LMHeadModel(
            GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=48)
        )
    with quiet():
        module.save_pretrained(folder)
    return folder


@pytest.fixture(params=["llama", "gpt2"])
def decoder(
    request: pytest.FixtureRequest, llama_folder: Path, tmp_path: Path, settings_for: SettingsFor
) -> YesNoModel:
    return load_yes_no_model(settings_for(_save(tmp_path / request.param, llama_folder, request.param)))


def _plain(model: YesNoModel, text: str, word: str) -> float:
    """One text, one word, one token after the other."""
    begin = [model.tokenizer.bos_token_id]
    ids = begin + model.tokenizer(text, add_special_tokens=False)["input_ids"]
    total = 0.0
    for token in model.tokenizer(word, add_special_tokens=False)["input_ids"]:
        with torch.inference_mode():
            logits = model.module(input_ids=torch.tensor([ids])).logits[0, -1]
        total += float(torch.log_softmax(logits.double(), -1)[token])
        ids = [*ids, token]
    return total


def test_log_odds_are_those_of_a_plain_loop(decoder: YesNoModel) -> None:
    texts = ["red shoe", "the blue dress for women", "phone"]
    log_odds = decoder.log_odds(texts, yes=(" Yes", "soft"), no=(" No",))
    for text, odds in zip(texts, log_odds, strict=True):
        yes = np.logaddexp(_plain(decoder, text, " Yes"), _plain(decoder, text, "soft"))
        assert odds == pytest.approx(yes - _plain(decoder, text, " No"), abs=1e-4)


def test_words_of_one_token_are_read_together(decoder: YesNoModel) -> None:
    read: list[int] = []
    decoder.module.register_forward_hook(
        lambda module, args, kwargs, output: read.append(output.logits.shape[1]), with_kwargs=True
    )
    texts = ["red shoe", "the blue dress for women", "phone"]
    log_odds = decoder.log_odds(texts, yes=("Y", "y"), no=("N",))
    assert read == [3], "one batch, and of its logits the last of each text"
    for text, odds in zip(texts, log_odds, strict=True):
        yes = np.logaddexp(_plain(decoder, text, "Y"), _plain(decoder, text, "y"))
        assert odds == pytest.approx(yes - _plain(decoder, text, "N"), abs=1e-4)


def test_an_empty_prompt_is_predicted_from_a_start_token(decoder: YesNoModel) -> None:
    decoder.tokenizer.bos_token = None
    assert np.isfinite(decoder.log_odds([""])).all()


def test_models_that_tell_all_their_logits_are_read_too(
    decoder: YesNoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["red shoe", "the blue dress for women", "phone"]
    wanted = decoder.log_odds(texts)
    monkeypatch.setattr(YesNoModel, "_keeps", False)
    np.testing.assert_allclose(decoder.log_odds(texts), wanted, atol=1e-5)


def test_the_order_of_the_texts_does_not_matter(decoder: YesNoModel) -> None:
    texts = ["red shoe", "the blue dress for women and kids", "phone", ""]
    np.testing.assert_allclose(decoder.log_odds(texts[::-1])[::-1], decoder.log_odds(texts), atol=1e-5)
    assert len(decoder.log_odds([])) == 0


def test_of_a_long_prompt_the_end_is_read(decoder: YesNoModel) -> None:
    end = "red shoe " * 200
    one, other = decoder.log_odds(["blue " + end, "phone " + end])
    assert one == other
    assert decoder.log_odds([end + "blue"])[0] != one


def test_a_reader_is_free_of_the_models_leaning(decoder: YesNoModel) -> None:
    reader = YesNoRanker(decoder, PromptTemplate.parse("{title}? {liked}"))
    log_odds = reader(
        [Prompt("N/A", ("shoe",)), Prompt("red shoe", ("boot",)), Prompt("red shoe", ("boot",))]
    )
    assert log_odds[0] == 0.0
    assert log_odds[1] == log_odds[2] != 0.0


def test_words_without_tokens_are_refused(decoder: YesNoModel) -> None:
    with pytest.raises(ModelError, match="without any token"):
        decoder.log_odds(["red"], yes=("",))


def test_numbers_that_are_not_finite_are_refused(decoder: YesNoModel) -> None:
    with torch.no_grad():
        next(iter(decoder.module.parameters())).fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        decoder.log_odds(["red shoe"])


def test_a_model_without_an_output_layer_is_refused(llama_folder: Path, settings_for: SettingsFor) -> None:
    with pytest.raises(ModelError, match="predicts no words"):
        load_yes_no_model(settings_for(llama_folder))


def test_a_broken_folder_is_named(tmp_path: Path, settings_for: SettingsFor) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="choose a causal model"):
        load_yes_no_model(settings_for(tmp_path))
