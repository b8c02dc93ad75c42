"""Words and phrases learn vectors of their own, and only those that are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.types import LongArray
from polyscene.language.model.token_embeddings import (
    TOKEN_SCALE,
    PhraseEmbeddings,
    TokenEmbeddings,
    most_frequent,
    phrases_of,
)

VOCABULARY, MUTE = 10, {0, 9}
texts = st.lists(st.lists(st.integers(0, VOCABULARY - 1), max_size=6), min_size=1, max_size=5)


def laid_out(rows: list[list[int]]) -> tuple[LongArray, LongArray]:
    """Return the tokens of all texts, and where each begins, with the end."""
    tokens = np.array([token for row in rows for token in row], np.int64)
    return tokens, np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)


def spoken_pairs(row: list[int]) -> list[int]:
    return [one * VOCABULARY + two for one, two in pairwise(row) if not {one, two} & MUTE]


@pytest.mark.parametrize("kind", [TokenEmbeddings, PhraseEmbeddings])
def test_they_say_nothing_before_they_learn(kind: type[TokenEmbeddings] | type[PhraseEmbeddings]) -> None:
    embeddings = kind(20, [3, 5], 4)
    assert not embeddings(torch.tensor([3, 5, 7]), torch.tensor([0, 1])).any()
    assert embeddings.table.weight.shape == kind(20, 2, 4).table.weight.shape == (3, 4)


def test_unknown_words_never_learn() -> None:
    words = TokenEmbeddings(VOCABULARY, [2], 3)
    words(torch.tensor([2, 5, 5]), torch.tensor([0, 1])).sum().backward()
    assert words.table.weight.grad is not None
    assert not words.table.weight.grad[0].any()
    assert words.table.weight.grad[1].tolist() == [TOKEN_SCALE] * 3


@given(texts, st.integers(0, 2**16))
def test_phrases_are_averaged_over_the_known_ones_within_a_text(rows: list[list[int]], seed: int) -> None:
    known = [12, 21, 44, 88]
    phrases = PhraseEmbeddings(VOCABULARY, known, 3)
    vectors = np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)
    with torch.no_grad():
        phrases.table.weight[1:] = torch.from_numpy(vectors)
    tokens, offsets = laid_out(rows)
    output = phrases(torch.from_numpy(tokens), torch.from_numpy(offsets[:-1])).detach().numpy()
    for row, text in enumerate(rows):
        keys = [one * VOCABULARY + two for one, two in pairwise(text)]
        known_vectors = [vectors[known.index(key)] for key in keys if key in known]
        turned = phrases.out.weight.detach().numpy()
        expected = TOKEN_SCALE * (turned @ np.mean(known_vectors, axis=0)) if known_vectors else np.zeros(3)
        np.testing.assert_allclose(output[row], expected, atol=1e-4)


@given(texts)
def test_every_text_tells_its_phrases_once(rows: list[list[int]]) -> None:
    phrase_keys = phrases_of(*laid_out(rows), VOCABULARY, MUTE)
    assert sorted(phrase_keys.tolist()) == sorted(key for row in rows for key in set(spoken_pairs(row)))


@given(st.lists(texts, min_size=1, max_size=3), st.integers(0, 6))
def test_the_phrases_of_most_texts_are_kept(catalogues: list[list[list[int]]], most: int) -> None:
    phrase_keys = most_frequent([phrases_of(*laid_out(rows), VOCABULARY, MUTE) for rows in catalogues], most)
    count: dict[int, int] = {}
    for row in (row for rows in catalogues for row in rows):
        for key in set(spoken_pairs(row)):
            count[key] = count.get(key, 0) + 1
    ranked = sorted((-many, key) for key, many in count.items())
    assert phrase_keys == [key for _, key in ranked[:most]]


def test_without_texts_or_known_phrases_nothing_is_said() -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert PhraseEmbeddings(VOCABULARY, [12], 3)(none, none).shape == (0, 3)
    assert PhraseEmbeddings(VOCABULARY, [12], 3)(none, torch.tensor([0, 0])).tolist() == [[0.0] * 3] * 2
    assert PhraseEmbeddings(VOCABULARY, [], 3)(torch.tensor([1, 2]), torch.tensor([0])).tolist() == [
        [0.0] * 3
    ]
