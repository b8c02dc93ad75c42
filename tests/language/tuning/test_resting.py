"""Texts that are prepared once give what a projection gives when it reads them anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyscene.language.model.projection import Projection
from polyscene.language.model.token_embeddings import PhraseEmbeddings, TokenEmbeddings
from polyscene.language.tuning import resting
from polyscene.language.tuning.resting import RestingTexts

VOCABULARY, WIDTH = 12, 8
TEXTS = [[1, 4, 4, 7], [], [7], [4, 7, 1], [2, 3], []]
ROWS = np.array([3, 0, 2, 1, 5, 0])


@pytest.fixture
def projection() -> Projection:
    """A projection over two layers with words and phrases that have learned something."""
    torch.manual_seed(0)
    module = Projection((1, 0), WIDTH)
    module.words = TokenEmbeddings(VOCABULARY, [1, 4, 7], WIDTH)
    module.phrases = PhraseEmbeddings(VOCABULARY, [1 * VOCABULARY + 4, 4 * VOCABULARY + 7], WIDTH)
    with torch.no_grad():
        for table in (module.words.table, module.phrases.table):
            table.weight[1:] = torch.randn_like(table.weight[1:])
    return module


def pooled() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(len(TEXTS), 2, WIDTH)).astype(np.float32)


def texts_of(layers: np.ndarray) -> RestingTexts:
    offsets = np.cumsum([0, *map(len, TEXTS)])
    return RestingTexts(layers, np.array([token for text in TEXTS for token in text]), offsets)


def read_anew(projection: Projection, layers: np.ndarray) -> torch.Tensor:
    tokens = [token for row in ROWS for token in TEXTS[row]]
    lengths = np.array([len(TEXTS[row]) for row in ROWS])
    starts = torch.from_numpy(np.cumsum(lengths) - lengths)
    vectors: torch.Tensor = projection(torch.from_numpy(layers[ROWS]), torch.tensor(tokens), starts)
    return vectors


def test_they_are_read_as_before_however_few_are_prepared_at_once(
    projection: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers, expected = pooled(), read_anew(projection, pooled())
    for at_once in (1, 2, 100):
        monkeypatch.setattr(resting, "TEXTS_AT_ONCE", at_once)
        assert torch.equal(texts_of(layers).read(projection, ROWS), expected)


def test_gradients_reach_what_learns(projection: Projection) -> None:
    slopes = []
    for vectors in (read_anew(projection, pooled()), texts_of(pooled()).read(projection, ROWS)):
        projection.zero_grad()
        (vectors * torch.arange(WIDTH)).sum().backward()  # type: ignore[no-untyped-call]
        slopes.append(
            [parameter.grad.clone() for parameter in projection.parameters() if parameter.grad is not None]
        )
    assert len(slopes[0]) == 4
    assert all(torch.equal(one, other) for one, other in zip(*slopes, strict=True))


def test_another_mean_is_noticed(projection: Projection) -> None:
    layers, texts = pooled(), texts_of(pooled())
    before = texts.read(projection, ROWS)
    assert texts.prepared_by(projection)
    projection.measure(torch.from_numpy(layers))
    assert not texts.prepared_by(projection)
    after = texts.read(projection, ROWS)
    assert torch.equal(after, read_anew(projection, layers))
    assert not torch.equal(after, before)
