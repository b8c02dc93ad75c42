"""A student that learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from polyscene.core.errors import ModelError
from polyscene.language.compression.distillation import Distillation, Student, distillation_loss
from polyscene.language.compression.judging import neighbours_kept
from polyscene.language.compression.layers import drop_layers
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.text.encoding import encode

if TYPE_CHECKING:
    from tests.language.conftest import SettingsFor

WORDS = ["red", "blue", "green", "soft", "the", "a", "women", "men", "kids", "shoe", "dress", "phone", "boot"]
CATALOGUE = [f"{a} {b} {c}" for a in WORDS[:5] for b in WORDS[5:9] for c in WORDS[9:]]


def _learn(student: Student, epochs: int) -> None:
    optimiser, draws = torch.optim.AdamW(student.parameters(), lr=3e-3), np.random.default_rng(0)
    for _ in range(epochs):
        for batch in student.batches(draws):
            optimiser.zero_grad()
            student.loss(batch).backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def test_a_student_comes_nearer_to_its_teacher(
    bert: LanguageModel, tmp_path: Path, settings_for: SettingsFor
) -> None:
    with torch.no_grad():
        for part in stack(bert.module).parameters():
            part.mul_(6 if part.dim() == 2 else 1)  # fresh layers change almost nothing
    start = drop_layers(bert, [1]).model
    student = Student(bert, start, CATALOGUE, Distillation(batch_texts=16))
    before, first = student.validate(), student.weights()
    _learn(student, 6)
    assert student.validate() < 0.5 * before
    taught = student.candidate()
    exact = encode(bert, CATALOGUE)
    assert neighbours_kept(exact, encode(taught.model, CATALOGUE)) > neighbours_kept(
        exact, encode(start, CATALOGUE)
    )
    taught.save(tmp_path)
    again = load_model(settings_for(tmp_path))
    np.testing.assert_allclose(encode(again, CATALOGUE), encode(taught.model, CATALOGUE), atol=1e-6)
    student.load(first)
    assert student.validate() == pytest.approx(before, abs=1e-7)
    assert taught.model.fingerprint != student.candidate().model.fingerprint


def test_epochs_hold_every_text_once_and_none_that_is_held_out(bert: LanguageModel) -> None:
    student = Student(bert, drop_layers(bert, [0]).model, [*CATALOGUE, *CATALOGUE, ""])
    epochs = [np.concatenate(list(student.batches(np.random.default_rng(seed)))) for seed in (1, 1, 2)]
    assert len(np.unique(epochs[0])) == len(epochs[0]) == round(0.9 * len(CATALOGUE))
    assert np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], epochs[2])
    assert not any("embeddings" in name for name, _ in student.named_parameters())


def test_the_teacher_and_the_start_are_left_alone(bert: LanguageModel) -> None:
    start = drop_layers(bert, [0]).model
    vectors = encode(start, CATALOGUE)
    _learn(Student(bert, start, CATALOGUE), 1)
    assert np.array_equal(encode(start, CATALOGUE), vectors)


def test_words_stay_in_place_and_products_are_computed_as_before(bert: LanguageModel) -> None:
    half = replace(bert, autocast=torch.bfloat16)
    student = Student(half, drop_layers(half, [0]).model, CATALOGUE)
    _learn(student, 1)
    assert all(part.grad is None for part in student.model.words.parameters())
    assert student.model.autocast is None
    assert student.candidate().model.autocast is torch.bfloat16


def test_the_loss_is_its_formula() -> None:
    draws = np.random.default_rng(0)
    s, t = (draws.standard_normal((5, 3)) for _ in range(2))
    s, t = s / np.linalg.norm(s, axis=1, keepdims=True), t / np.linalg.norm(t, axis=1, keepdims=True)
    expected = 1 - (s * t).sum(1).mean() + 0.7 * ((s @ s.T - t @ t.T) ** 2).mean()
    assert float(distillation_loss(torch.tensor(s), torch.tensor(t), 0.7)) == pytest.approx(expected)
    assert float(distillation_loss(torch.tensor(t), torch.tensor(t), 0.7)) == pytest.approx(0, abs=1e-12)


def test_what_cannot_learn_is_said(bert: LanguageModel, minilm: LanguageModel) -> None:
    with pytest.raises(ModelError, match="vectors of 384 numbers"):
        Student(minilm, bert, CATALOGUE)
    with pytest.raises(ModelError, match="at least 4 different texts"):
        Student(bert, bert, ["red", "red ", "blue", ""])
