"""A signal that learns by gradients meets the trainer."""

from __future__ import annotations

from typing import Any

from polyscene.core.contracts import Learner
from polyscene.core.seeds import generator
from polyscene.core.settings.tuning import OptimiserSettings


def train_learner(
    learner: Learner[Any],
    optimiser: OptimiserSettings,
    epochs: int,
    patience: int,
    minutes: float | None,
    seed: int,
) -> None:
    """Train as a `polyscene.core.contracts.Trainer` promises; torch is loaded only here."""
    from polyscene.training.budget import Budget
    from polyscene.training.loop import fit
    from polyscene.training.plan import Plan

    plan = Plan(Budget(epochs=epochs, minutes=minutes), optimiser, "signal", patience=patience)
    fit({"signal": learner}, {"signal": 1.0}, plan, generator(seed, "signal"))
