from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.coverage import _words, measure_coverage

ENGLISH = ["Red running shoes for women, waterproof", "iPhone 13 case with USB-C cable"]
CHINESE = ["我喜欢红色的衣服。新款女装", "手机壳"]


@pytest.fixture(scope="module")
def chinese_tokenizer() -> PreTrainedTokenizerBase:
    """Reads Chinese as Chinese BERT does: one token per character."""
    vocabulary = ["[UNK]", *(chr(code) for code in range(0x4E00, 0xA000, 2))]
    tokenizer = Tokenizer(models.WordPiece({w: n for n, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


def test_english_is_read_by_an_english_model(minilm: LanguageModel) -> None:
    coverage = measure_coverage(minilm.tokenizer, ENGLISH)
    assert coverage.words == 12
    assert coverage.readable
    assert coverage.advice == ""
    assert list(coverage.scripts) == ["Latin"]


def test_a_text_of_plain_letters_falls_into_the_words_that_it_has_beside_others() -> None:
    text = f"Don't stop_me42now, it's 100% OK {'x' * 70}"
    words = ["Don", "t", "stop", "me", "now", "it", "s", "OK", "x" * 64]
    assert [*_words(text)] == words
    assert [*_words(text + " é")] == [*words, "é"]


def test_chinese_is_not_and_the_advice_names_the_carried_model(minilm: LanguageModel) -> None:
    coverage = measure_coverage(minilm.tokenizer, CHINESE)
    assert coverage.words == 15
    assert coverage.unreadable == 1
    assert not coverage.readable
    assert '[language]\n  model = "multilingual"' in coverage.advice
    assert 'pip install "polyscene[languages]"' in coverage.advice


@pytest.mark.parametrize(
    "texts",
    [["привет дорогой мир"], ["ありがとうございます"], ["สวัสดีครับ"], ["नमस्ते दुनिया"], ["안녕하세요 여러분"]],
)
def test_other_scripts_are_advised_a_multilingual_model(minilm: LanguageModel, texts: list[str]) -> None:
    coverage = measure_coverage(minilm.tokenizer, texts)
    assert coverage.unreadable == 1
    assert 'model = "multilingual"' in coverage.advice


def test_mixed_texts_are_told_by_script(minilm: LanguageModel) -> None:
    coverage = measure_coverage(minilm.tokenizer, ["红色 dress for all women", "鞋 waterproof"])
    assert coverage.scripts["Latin"].unreadable == 0
    assert coverage.scripts["Han"].unreadable == 1
    assert (coverage.scripts["Latin"].words, coverage.scripts["Han"].words) == (5, 3)
    assert coverage.unreadable == pytest.approx(3 / 8)
    assert "multilingual" in coverage.advice
    assert measure_coverage(minilm.tokenizer, ["红色", *ENGLISH]).readable


def test_model_made_for_characters_reads_chinese(chinese_tokenizer: PreTrainedTokenizerBase) -> None:
    known = "".join(chr(code) for code in range(0x5000, 0x5040, 2))
    unknown = "".join(chr(code) for code in range(0x5001, 0x5011, 2))
    coverage = measure_coverage(chinese_tokenizer, [known + unknown])
    assert coverage.unreadable == pytest.approx(8 / 40)
    assert coverage.readable


def test_bytes_of_an_unknown_script_are_pieces(llama: LanguageModel) -> None:
    coverage = measure_coverage(llama.tokenizer, ["red shoe", "красный ботинок", "红色"])
    assert coverage.scripts["Latin"].unreadable == 0
    assert coverage.scripts["Cyrillic"].unreadable == 1
    assert coverage.scripts["Han"].unreadable == 1


def test_codes_are_recognised_as_such(bert: LanguageModel) -> None:
    advice = measure_coverage(bert.tokenizer, ["xkq zwv"]).advice
    assert "as codes do" in advice


def test_texts_without_words_need_no_advice(minilm: LanguageModel) -> None:
    for texts in ([], ["", "123 456", "👍 !!"]):
        coverage = measure_coverage(minilm.tokenizer, texts)
        assert coverage.words == 0
        assert coverage.readable


def test_sample_is_bounded_and_repeatable(minilm: LanguageModel) -> None:
    texts = [f"shoe {'dress ' * (number % 7)}" for number in range(500)]
    first = measure_coverage(minilm.tokenizer, texts, sample=50, seed=1)
    assert first == measure_coverage(minilm.tokenizer, texts, sample=50, seed=1)
    assert first.words < measure_coverage(minilm.tokenizer, texts).words
    assert first.words != measure_coverage(minilm.tokenizer, texts, sample=50, seed=2).words


def test_endless_word_is_bounded(minilm: LanguageModel, capfd: pytest.CaptureFixture[str]) -> None:
    assert measure_coverage(minilm.tokenizer, ["x" * 100_000]).words == 1
    assert capfd.readouterr() == ("", "")
