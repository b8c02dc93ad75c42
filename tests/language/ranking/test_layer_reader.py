from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from polyscene.core.settings.language import LanguageSettings
from polyscene.language.model.loading import load_model
from polyscene.language.ranking.layer_reader import LayerReader, middle_layers
from polyscene.language.text.cache import EncodingCache


@pytest.mark.parametrize(("depth", "layers"), [(6, [4, 5]), (12, [8, 11]), (2, [1]), (1, [1]), (3, [2])])
def test_the_middle_is_two_thirds_up_and_the_last_but_one(depth: int, layers: list[int]) -> None:
    assert middle_layers(depth) == layers


def test_texts_are_read_by_each_model_in_their_order(small_encoder: Path, tmp_path: Path) -> None:
    model = load_model(LanguageSettings(model=str(small_encoder), precision="float32", device="cpu"))
    reader = LayerReader([model, model], EncodingCache(tmp_path))
    texts = ["red shoe", "a dress", "red shoe"]
    first, second = reader(texts)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[0], first[2])
    assert not np.allclose(first[0], first[1])
    tokens = model.tokenizer("red shoe", return_tensors="pt")
    with torch.inference_mode():
        states = model.module(**tokens, output_hidden_states=True).hidden_states[1]
    np.testing.assert_allclose(first[0], states[0].mean(dim=0).numpy(), atol=1e-5)
