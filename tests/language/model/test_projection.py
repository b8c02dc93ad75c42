"""P starts as the last layer, freed of what all texts share, and is a linear map over unit layers."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyscene.language.model.projection import Layers, Projection
from polyscene.language.model.token_embeddings import TOKEN_SCALE, TokenEmbeddings


def pooled(n: int, layers: int, width: int, seed: int = 0) -> torch.Tensor:
    draws = np.random.default_rng(seed).normal(size=(n, layers, width)) + 1.0
    return torch.from_numpy(draws.astype(np.float32))


def read(projection: Layers, rows: torch.Tensor, texts: list[list[int]] | None = None) -> torch.Tensor:
    """Apply a projection to texts of these tokens; without them, to texts of one token each."""
    token_lists = texts or [[0]] * len(rows)
    starts = np.cumsum([0, *map(len, token_lists)])[:-1]
    tokens = torch.tensor([token for text in token_lists for token in text], dtype=torch.long)
    vectors_read: torch.Tensor = projection(rows, tokens, torch.from_numpy(starts))
    return vectors_read


def unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.where(lengths > 1e-6, rows / np.maximum(lengths, 1e-6), 0.0)


def test_an_untrained_projection_is_the_last_layer() -> None:
    rows = pooled(5, 3, 8)
    vectors_read = read(Projection((4, 2, 0), 8), rows).detach().numpy()
    np.testing.assert_allclose(vectors_read, unit(rows[:, 0].numpy()), atol=1e-6)


def test_measuring_takes_off_what_all_texts_share() -> None:
    rows, projection = pooled(50, 2, 6), Projection((1, 0), 6)
    projection.measure(rows)
    np.testing.assert_allclose(projection.mean, rows.numpy().mean(axis=0), atol=1e-6)
    shared = rows[:, 0].numpy() - rows[:, 0].numpy().mean(axis=0)
    np.testing.assert_allclose(read(projection, rows).detach(), unit(shared), atol=1e-5)


def test_measuring_nothing_changes_nothing() -> None:
    projection = Projection((1, 0), 6)
    projection.measure(pooled(0, 2, 6))
    assert not projection.mean.any()


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**16))
def test_formula(layers: int, width: int, seed: int) -> None:
    rows, draws = pooled(3, layers, width, seed), np.random.default_rng(seed)
    projection = Projection(tuple(range(layers))[::-1], width)
    weight = draws.normal(size=(width, layers * width)).astype(np.float32)
    mean = draws.normal(size=(layers, width)).astype(np.float32)
    with torch.no_grad():
        projection.linear.weight.copy_(torch.from_numpy(weight))
        projection.mean.copy_(torch.from_numpy(mean))
        vectors_read = read(projection, rows).numpy()
    features = unit(rows.numpy() - mean)
    each = weight.reshape(width, layers, width)
    np.testing.assert_allclose(vectors_read, unit(np.einsum("olw,nlw->no", each, features)), atol=1e-3)


def test_the_mean_itself_has_no_direction_and_no_slope() -> None:
    rows, projection = pooled(4, 2, 6)[:1].repeat(3, 1, 1).requires_grad_(), Projection((1, 0), 6)
    projection.measure(rows.detach())
    vectors_read = read(projection, rows)
    vectors_read.sum().backward()  # type: ignore[no-untyped-call]
    assert not vectors_read.any()
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()
    assert projection.linear.weight.grad is not None
    assert not projection.linear.weight.grad.any()


def test_the_mean_does_not_learn() -> None:
    projection = Projection((1, 0), 6)
    assert [name for name, _ in projection.named_parameters()] == ["linear.weight"]
    assert set(projection.state_dict()) == {"mean", "linear.weight"}


def test_dropout_is_for_learning_only() -> None:
    rows, projection = pooled(4, 2, 6), Projection((1, 0), 6, 0.5)
    assert not torch.equal(read(projection, rows), read(projection, rows))
    projection.eval()
    assert torch.equal(read(projection, rows), read(projection, rows))


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=5), st.integers(0, 2**16))
def test_words_are_averaged_over_the_known_ones(texts: list[list[int]], seed: int) -> None:
    known, words = [1, 4, 7], TokenEmbeddings(10, [7, 1, 4], 3)
    vectors = np.random.default_rng(seed).normal(size=(3, 3)).astype(np.float32)
    with torch.no_grad():
        words.table.weight[1:] = torch.from_numpy(vectors)
    rows = torch.ones(len(texts), 1, 3)
    projection = Projection((0,), 3)
    projection.words = words
    vectors_read = read(projection, rows, texts).detach().numpy()
    for row, text in enumerate(texts):
        known_vectors = [vectors[known.index(token)] for token in text if token in known]
        added = TOKEN_SCALE * np.mean(known_vectors, axis=0) if known_vectors else np.zeros(3)
        wanted = unit(np.ones(3)) + added
        np.testing.assert_allclose(vectors_read[row], wanted / np.linalg.norm(wanted), atol=1e-4)


def test_layers_side_by_side() -> None:
    rows, layers = pooled(5, 3, 4), Layers((2, 1, 0), 4)
    assert layers.dimension == 12
    assert torch.equal(read(layers, rows).reshape(5, 3, 4), rows)
