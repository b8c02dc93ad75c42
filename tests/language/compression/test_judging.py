"""What is lost, on models and vectors whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.core.errors import ModelError
from polyscene.core.types import FloatArray
from polyscene.language.compression.compressing import Candidate, compressed
from polyscene.language.compression.judging import Bounds, dense_mb, judge, nearest, neighbours_kept
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import encode

LOOSE = Bounds(cosine=-1, neighbours=0, content=0)


def _circle(n: int) -> FloatArray:
    angles = np.linspace(0, 1.5, n)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def _nothing(folder: Path) -> None:
    raise AssertionError(folder)


def test_a_model_loses_nothing_against_itself(bert: LanguageModel, texts: list[str]) -> None:
    loss = judge(bert, bert, [*texts, texts[0], ""], stored_mb=1.0, content=lambda vectors: len(vectors))
    assert loss.cosine == pytest.approx(1.0, abs=1e-6)
    assert loss.neighbours == 1.0
    assert loss.content_before == loss.content_after == len(texts) + 2
    assert loss.mb_before == dense_mb(bert.module)
    assert loss.speed_after > 0
    assert not loss.beyond(Bounds())
    assert loss.to_json()["smaller"] == pytest.approx(loss.mb_before)


@given(st.integers(3, 40), st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=30)
def test_neighbours_kept_is_the_overlap_of_sorted_lists(n: int, count: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    before, after = (draws.standard_normal((n, 5)).astype(np.float32) for _ in range(2))
    most = min(count, n - 1)
    tops = []
    for vectors in (before, after):
        likeness = vectors @ vectors.T
        np.fill_diagonal(likeness, -np.inf)
        tops.append(np.argsort(-likeness, axis=1)[:, :most])
    expected = np.mean([len(set(a) & set(b)) / most for a, b in zip(*tops, strict=True)])
    assert neighbours_kept(before, after, count) == pytest.approx(expected)


def test_neighbours_on_a_line_are_those_beside() -> None:
    assert sorted(nearest(_circle(9), 2)[4].tolist()) == [3, 5]
    assert neighbours_kept(_circle(9), _circle(9)[::-1].copy(), 2) == 1.0


def test_what_loses_too_much_is_refused(
    bert: LanguageModel, save_bert_in: Callable[[Path, int], Path], texts: list[str]
) -> None:
    stranger = replace(bert, module=_shuffled(bert.module))
    candidate = Candidate(stranger, "a stranger", 0.5, _nothing)
    with pytest.raises(ModelError, match=r"a stranger loses .* mean cosine .* expected at least 0.99"):
        compressed(bert, candidate, texts)
    accepted = compressed(bert, candidate, texts, accept_loss=True)
    assert accepted.model is stranger
    assert accepted.loss.cosine < 0.99
    assert compressed(bert, candidate, texts, bounds=LOOSE).loss.mb_after == 0.5


def test_a_worse_content_signal_is_refused(bert: LanguageModel, texts: list[str]) -> None:
    worth = iter([0.05, 0.048])
    candidate = Candidate(bert, "the same", 1.0, _nothing)
    with pytest.raises(ModelError, match=r"content signal 0.0480, expected at least 0.0490"):
        compressed(bert, candidate, texts, content=lambda vectors: next(worth))


@pytest.mark.parametrize("few", [[], ["", "\u200b"], ["red", " red "]])
def test_one_text_cannot_judge(bert: LanguageModel, few: list[str]) -> None:
    with pytest.raises(ModelError, match="at least 2 different texts"):
        judge(bert, bert, few, stored_mb=1.0)


def test_cosine_and_neighbours_may_be_those_of_unread_texts(bert: LanguageModel, texts: list[str]) -> None:
    other = replace(bert, module=_shuffled(bert.module))
    before, after = encode(bert, texts), encode(other, texts)
    unread = np.arange(len(texts)) % 3 == 1
    doubled = [*texts, *texts]
    loss = judge(bert, other, doubled, stored_mb=1.0, unread=np.tile(unread, 2))
    cosines = (before * after).sum(1)[unread]
    assert loss.cosine == pytest.approx(cosines.mean(), abs=1e-6)
    assert loss.worst_cosine == pytest.approx(cosines.min(), abs=1e-6)
    assert loss.neighbours == 1.0  # all five others are among the ten nearest
    with pytest.raises(ModelError, match="that it never learned from, found none"):
        judge(bert, other, texts, stored_mb=1.0, unread=np.zeros(len(texts), np.bool_))


def test_neighbours_of_some_rows_are_looked_for_among_all() -> None:
    line = np.linspace(0.0, 1.5, 9)
    before = np.stack([np.cos(line), np.sin(line)], axis=1).astype(np.float32)
    after = before.copy()
    after[[0, 8]] = before[[8, 0]]
    assert neighbours_kept(before, after, 2, np.array([4])) == 1.0
    assert neighbours_kept(before, after, 2, np.array([0])) == 0.0
    assert neighbours_kept(before, after, 2, np.array([0, 4])) == 0.5


def _shuffled(module: torch.nn.Module) -> torch.nn.Module:
    from copy import deepcopy

    other = deepcopy(module)
    torch.manual_seed(3)
    with torch.no_grad():
        for part in other.parameters():
            part.copy_(torch.randn_like(part))
    return other
