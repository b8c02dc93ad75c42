"""Choices from before the split's own that teach the fusion where those are few: cross-fitting.

At each earlier cut the signals are fitted on what came before it and rank what came next, so that no signal
has learned from a choice that it is weighed on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from polyscene.core.progress import Progress
from polyscene.core.seeds import generator
from polyscene.core.settings.project import Settings
from polyscene.core.types import BoolArray, IntArray
from polyscene.data.schema import Part
from polyscene.data.splits.earlier_cuts import earlier_cuts
from polyscene.data.splits.parts import Parts
from polyscene.learning.fusion import HELD_OUT_SHARE, FusionData, PastSignals, examples_of
from polyscene.learning.training_data import TrainingData

FitAt = Callable[[TrainingData, str], PastSignals]
"""Fits one scenario's signals on the past of a cut."""


def wanted_cuts(data: TrainingData, settings: Settings) -> list[dict[str, Parts]]:
    """Return the earlier cuts whose choices are needed, the latest first; none where there are enough.

    A scenario that has enough by then is left out of a cut.
    """
    limits, wanted = settings.fusion, list[dict[str, Parts]]()
    known = {name: _n_choices(data, name, part) for name, part in data.parts.items()}
    for cut in earlier_cuts(data.dataset, data.parts, settings.evaluation, limits.earlier_cuts):
        if all(count >= limits.max_choices for count in known.values()):
            break
        wanted.append(cut)
        known = {name: count + _n_choices(data, name, cut[name]) for name, count in known.items()}
    return wanted


def with_earlier_choices(
    learned: FusionData,
    name: str,
    cuts: Sequence[TrainingData],
    fit: FitAt,
    settings: Settings,
    progress: Progress,
) -> FusionData:
    """Return what a scenario's fusion learns from with the choices at earlier cuts, as many as it lacks.

    Args:
        cuts: the data at each, the latest first.
        fit: what fits the signals at a cut.
    """
    training, held_out = list(learned.training), list(learned.held_out)
    people = learned.people
    for number, data in enumerate(cuts, 1):
        lacking = settings.fusion.max_choices - len(training) - len(held_out)
        if lacking <= 0:
            break
        choices = data.folds.tune(name, lacking).choices
        if not len(choices):
            continue
        stream = generator(data.seed, "fusion", name, f"cut {number}")
        people = _with_people(people, choices.queries.user, stream)
        held = np.array([people[user] for user in choices.queries.user.tolist()], np.bool_)
        past = fit(data, name)
        parts = examples_of(data, name, past, choices, held, settings, stream, progress)
        training += parts.training
        held_out += parts.held_out
    earlier = len(training) + len(held_out) - len(learned.training) - len(learned.held_out)
    return replace(learned, training=training, held_out=held_out, people=people, earlier=earlier)


def _with_people(people: Mapping[int, bool], users: IntArray, stream: np.random.Generator) -> dict[int, bool]:
    """Return on which side each person stands, those who are new here drawn at random: True is held out."""
    new = [user for user in np.unique(users).tolist() if user not in people]
    return {**people, **dict(zip(new, (stream.random(len(new)) < HELD_OUT_SHARE).tolist(), strict=True))}


def _n_choices(data: TrainingData, name: str, part: Parts) -> int:
    events = data.dataset.scenarios[name].events
    teaches: BoolArray = (part == Part.VALID) & events.choice & (events.weight > 0)
    return int(teaches.sum())
