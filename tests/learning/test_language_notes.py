from __future__ import annotations

import numpy as np

from polyscene.learning.language_notes import differing_models, unread_texts


def test_one_model_needs_no_word() -> None:
    assert differing_models({"shop": "minilm", "news": "minilm"}) == []


def test_differing_models_are_named_with_what_falls_away() -> None:
    (note,) = differing_models({"shop": "minilm", "news": "multilingual"})
    assert "shop with 'minilm', news with 'multilingual'" in note
    assert "'cross_scenario' compares only scenarios of one model" in note


def test_only_texts_that_are_there_and_say_nothing_are_counted() -> None:
    vectors = {"shop": np.array([[1.0, 0], [0, 0], [0, 0]], np.float32), "news": np.eye(2, dtype=np.float32)}
    texts = {"shop": ["a shoe", "红茶", " "], "news": ["one", "two"]}
    (note,) = unread_texts(texts, vectors, {"shop": "minilm", "news": "minilm"})
    assert note.startswith("shop: 1 of 2 texts are mostly unknown to the language model 'minilm'")
