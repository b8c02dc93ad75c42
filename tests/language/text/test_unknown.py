"""Texts that a model does not know say nothing, so that none seems like another."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import encode
from polyscene.language.text.unknown import is_mostly_unknown

UNKNOWN, BEGIN, END = 1, 2, 3


@pytest.mark.parametrize(
    ("words", "lost"),
    [([1], True), ([1, 9], True), ([1, 9, 9], False), ([1, 1, 9], True), ([9, 9], False), ([], False)],
)
def test_half_of_the_words_is_most(words: list[int], lost: bool) -> None:
    row = [BEGIN, *words, END]
    for special in ({BEGIN, END}, {UNKNOWN, BEGIN, END}):
        assert is_mostly_unknown(row, UNKNOWN, special) is lost
    assert not is_mostly_unknown(row, None, {BEGIN, END})


def test_unrelated_chinese_titles_are_not_alike_to_an_english_model(minilm: LanguageModel) -> None:
    titles = ["红茶礼盒装", "绿萝盆栽", "蓝牙耳机", "red shoe", "shoe 红"]
    vectors = encode(minilm, titles)
    assert not vectors[:3].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[3:4], axis=1), 1.0, atol=1e-5)
    assert not vectors[4].any()  # half of it is unknown
