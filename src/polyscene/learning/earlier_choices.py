"""Choices from before the split's own that teach the fusion where those are few: cross-fitting.

At each earlier cut the signals are fitted on what came before it and rank what came next, so that no signal
has learned from a choice that it is weighed on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.fusion import FusionSettings
from polyscene.core.settings.project import Settings
from polyscene.core.types import BoolArray
from polyscene.data.schema import Part
from polyscene.data.splits.earlier_cuts import earlier_cuts
from polyscene.data.splits.parts import Parts
from polyscene.learning.fusion import ENOUGH_HELD_OUT, FusionData, PastSignals, examples_of
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.training import Example

FitAt = Callable[[TrainingData, str], PastSignals]
"""Fits one scenario's signals on the past of a cut."""


def wanted_cuts(data: TrainingData, settings: Settings) -> list[dict[str, Parts]]:
    """Return the earlier cuts whose choices are needed, the latest first; none where there are enough."""
    limits = settings.fusion
    known = {name: _n_choices(data, name, part) for name, part in data.parts.items()}
    lacking = [name for name, count in known.items() if few(count, limits)]
    wanted = list[dict[str, Parts]]()
    for cut in earlier_cuts(data.dataset, data.parts, settings.evaluation, limits.earlier_cuts):
        if all(known[name] >= limits.enough_choices for name in lacking):
            break
        wanted.append(cut)
        for name in lacking:
            known[name] += _n_choices(data, name, cut[name])
    return wanted


def few(own: int, limits: FusionSettings) -> bool:
    """Return whether the split's own choices are so few that earlier ones are worth their differences."""
    return own < min(limits.enough_choices, limits.max_choices) // 2


def with_earlier_choices(
    learned: FusionData,
    name: str,
    cuts: Sequence[TrainingData],
    fit: FitAt,
    settings: Settings,
    progress: Progress,
    time_for: Callable[[int], bool] = lambda cuts: True,
) -> FusionData:
    """Return what a scenario's fusion learns from with choices at earlier cuts, as many as it lacks.

    People who are held out teach nothing here either: where the split's own choices held out are too few to
    tell better weights from worse, theirs from the latest cuts join them.

    Args:
        cuts: the data at each, the latest first.
        fit: what fits the signals at a cut.
        time_for: whether there is time for the cuts that are left, so many of them.
    """
    known, began = learned.n_own, time.monotonic()
    earlier, held_out = list[Example](), list(learned.held_out)
    for number, data in enumerate(cuts if few(known, settings.fusion) else (), 1):
        lacking = min(settings.fusion.enough_choices, settings.fusion.max_choices) - known
        if lacking <= 0 or not time_for(len(cuts) - number + 1):
            break
        choices = data.folds.tune(name, lacking, derived(data.seed, "cut", name, str(number))).choices
        known += len(choices)
        held = np.isin(choices.queries.user, learned.held_people)
        if np.all(held):
            continue
        stream = generator(data.seed, "fusion", name, f"cut {number}")
        scored = examples_of(data, name, fit(data, name), choices, held, settings, stream, progress)
        earlier += scored.training
        if len(held_out) < ENOUGH_HELD_OUT:
            held_out += scored.held_out
    seconds = time.monotonic() - began
    return replace(learned, held_out=held_out, earlier=earlier, earlier_seconds=seconds)


def _n_choices(data: TrainingData, name: str, part: Parts) -> int:
    events = data.dataset.scenarios[name].events
    teaches: BoolArray = (part == Part.VALID) & events.choice & (events.weight > 0)
    return int(teaches.sum())
