"""A student is smaller than its teacher, learns from it, and is judged on what it never read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from polyscene.core.errors import ModelError
from polyscene.core.progress import Advance, Silent
from polyscene.core.settings.language import LanguageSettings
from polyscene.language.model.architecture import feed_forward, stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.text.encoding import encode
from polyscene.learning.distilling import Teaching, distilled, student_of, withheld, without

TEXTS = [f"{a} {b} {c}" for a in ("red", "blue", "old") for b in ("soft", "wide") for c in "abcdefgh"]
BRIEF = Teaching(steps=30, learning_rate=3e-3)


@dataclass
class Heard:
    """Remembers which work it was told of, and how much of it was done."""

    done: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def track(self, label: str, total: int, unit: str = "") -> Iterator[Advance]:
        self.done[label] = 0

        def advance(steps: int) -> None:
            self.done[label] += steps

        yield advance

    def say(self, text: str) -> None:
        pass


@pytest.fixture
def teacher(small_encoder: Path) -> LanguageModel:
    model = load_model(LanguageSettings(model=str(small_encoder), precision="float32", device="cpu"))
    with torch.no_grad():
        for part in stack(model.module).parameters():
            part.mul_(6 if part.dim() == 2 else 1)  # fresh layers change almost nothing
    return model


def test_a_student_comes_nearer_on_texts_that_it_never_read(teacher: LanguageModel) -> None:
    unread = withheld(TEXTS, 0)
    hidden = [text for text, kept_back in zip(TEXTS, unread, strict=True) if kept_back]
    heard = Heard()
    student = distilled(teacher, without(TEXTS, hidden), BRIEF, 0, heard)
    start = student_of(teacher, TEXTS, BRIEF)
    exact = encode(teacher, hidden)
    after, before = (np.mean((encode(m, hidden) * exact).sum(1)) for m in (student.model, start.model))
    assert 1 - after < 0.7 * (1 - before)
    assert student.way == "student of 1 of 2 layers"
    assert student.stored_mb == start.stored_mb
    assert 10 < heard.done["the student learns"] <= BRIEF.steps
    assert heard.done[f"{teacher.name} reads"] == len(without(TEXTS, hidden))
    again = distilled(teacher, without(TEXTS, hidden), BRIEF, 0, Silent())
    assert again.model.fingerprint == student.model.fingerprint


def test_a_student_may_be_narrower_too(teacher: LanguageModel) -> None:
    start = student_of(teacher, TEXTS, Teaching(layers=0.5, neurons=0.5))
    (layer,) = stack(start.model.module)
    assert feed_forward(layer).out.in_features == 16
    assert start.way == "1 of 2 layers, 16 of 32 neurons a layer"
    assert len(stack(student_of(teacher, TEXTS, Teaching(layers=1.0, neurons=0.5)).model.module)) == 2


def test_a_student_as_large_as_its_teacher_is_refused(teacher: LanguageModel) -> None:
    with pytest.raises(ModelError, match="smaller than its teacher, found all 2 layers"):
        distilled(teacher, TEXTS, Teaching(layers=1.0), 0, Silent())


def test_equal_texts_are_withheld_together() -> None:
    texts = [*TEXTS, "", *[text + " " for text in TEXTS]]  # the second of each reads as the first
    unread = withheld(texts, 3)
    assert unread[: len(TEXTS)].sum() == round(0.2 * len(TEXTS))
    assert np.array_equal(unread[: len(TEXTS)], unread[len(TEXTS) + 1 :])
    assert not unread[len(TEXTS)]
    assert np.array_equal(unread, withheld(texts, 3))
    assert not np.array_equal(unread, withheld(texts, 4))
    left = without(texts, [text for text, kept_back in zip(texts, unread, strict=True) if kept_back])
    assert len(left) == len(texts) - unread.sum()
    assert not withheld(["", " "], 0).any()
