"""A smaller student of a language model: cut from it, then taught by it on the catalogues' texts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyscene.core.errors import ModelError
from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.core.types import BoolArray
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.distillation import Student
from polyscene.language.compression.layers import drop_layers, evenly_spread
from polyscene.language.compression.neurons import drop_neurons
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.packed_bert import packed
from polyscene.language.text.encoding import distinct_texts
from polyscene.language.text.normalisation import normalise
from polyscene.training.budget import Budget
from polyscene.training.loop import fit
from polyscene.training.plan import Plan

WITHHELD_SHARE, MAX_WITHHELD_TEXTS = 0.2, 1000
"""The share, and the most, of the judged catalogue's texts that no student reads."""
CALIBRATION_TEXTS = 400
VALIDATIONS, PATIENCE, MIN_STEPS_BETWEEN = 20, 5, 5
"""So many are made, and so many may bring nothing; between two of them lie at least so many steps."""


@dataclass(frozen=True)
class Teaching:
    """What the student is, and how long it learns.

    Attributes:
        layers: share of the layers that stay, above 0 and at most 1; evenly spread, the last among them.
        neurons: share of the feed-forward neurons of each layer that stay, above 0 and at most 1.
        steps: of the optimiser, at most; it stops earlier where texts held out say that nothing is gained.
        minutes: of learning, at most; None: as long as the steps take.
        learning_rate: the highest, after a warm-up of a tenth.
    """

    layers: float = 0.5
    neurons: float = 1.0
    steps: int = 1000
    minutes: float | None = None
    learning_rate: float = 3e-4


def distilled(
    teacher: LanguageModel, texts: Sequence[str], teaching: Teaching, seed: int, progress: Progress
) -> Candidate:
    """Return a student that has learned from the teacher, to be judged on texts that it never read.

    Args:
        teacher: an encoder or a decoder as it was published; it is not changed.
        texts: what the student learns from; a tenth of them tells when to stop.
        teaching: what the student is, and how long it learns.
        seed: of what is held out and of the order of the texts.
        progress: told while the teacher reads and the student learns.

    Raises:
        ModelError: the student would be no smaller, the teacher's layers or neurons cannot be taken out, or
            fewer than four different texts say anything.
    """
    start = student_of(teacher, texts, teaching)
    student = Student(
        packed(teacher), start.model, texts, seed=derived(seed, "distil", "held out"), progress=progress
    )
    plan = Plan(
        Budget(steps=teaching.steps, minutes=teaching.minutes),
        OptimiserSettings(learning_rate=teaching.learning_rate),
        "the student learns",
        patience=PATIENCE,
        validate_every=max(teaching.steps // VALIDATIONS, MIN_STEPS_BETWEEN),
    )
    fit({"student": student}, {"student": 1.0}, plan, generator(seed, "distil"), progress)
    return replace(student.candidate(), way=f"student of {start.way}")


def student_of(teacher: LanguageModel, texts: Sequence[str], teaching: Teaching) -> Candidate:
    """Return what the student starts as: the teacher with fewer layers, neurons or both.

    Raises:
        ModelError: nothing would be cut, or what would be cannot.
    """
    depth = len(stack(teacher.module))
    keep = evenly_spread(depth, teaching.layers)
    if len(keep) == depth and teaching.neurons == 1:
        raise ModelError(
            f"expected a student smaller than its teacher, found all {depth} layers and every neuron kept; "
            "keep fewer layers (--keep) or neurons (--neurons)"
        )
    start = drop_layers(teacher, keep)
    if teaching.neurons == 1:
        return start
    narrow = drop_neurons(start.model, texts[:CALIBRATION_TEXTS], teaching.neurons)
    return replace(narrow, way=f"{start.way}, {narrow.way}")


def withheld(texts: Sequence[str], seed: int) -> BoolArray:
    """Return (n,) which of the n texts of a catalogue no student may read; equal texts go together."""
    distinct, rows = distinct_texts([normalise(text) for text in texts])
    nonempty = np.flatnonzero([bool(text) for text in distinct])
    count = min(MAX_WITHHELD_TEXTS, max(1, round(WITHHELD_SHARE * len(nonempty))))
    return np.isin(rows, generator(seed, "distil", "withheld").permutation(nonempty)[:count])


def without(texts: Sequence[str], kept_back: Collection[str]) -> list[str]:
    """Return the texts that read unlike all of `kept_back`."""
    hidden = {normalise(text) for text in kept_back}
    return [text for text in texts if normalise(text) not in hidden]
