"""From the data set and the item vectors to what each signal may learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polyscene.core.settings.project import Settings
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.schema import Dataset
from polyscene.data.splits.folds import Folds, Parts, available, mask_of, newcomers, repeated
from polyscene.data.splits.phases import Phase
from polyscene.recommenders.signal import Evidence, OtherScenario


@dataclass(frozen=True)
class ItemVectors:
    """One catalogue as the language model reads it, (n_items, d) each.

    Attributes:
        early: tuned on the past alone, so that what came after it can be foretold honestly.
        final: tuned on everything that may be learned from.
        common: in the space that all scenarios share.
        prior: by the model as it came; None where it is used so.
    """

    early: FloatArray
    final: FloatArray
    common: FloatArray
    prior: FloatArray | None = None

    def of(self, phase: Phase) -> FloatArray:
        """Return the vectors that were tuned on no more than may be learned from."""
        return self.early if phase is Phase.PAST else self.final


@dataclass(frozen=True)
class TrainingData:
    """Everything that fitting and judging stand on.

    Attributes:
        vectors: by scenario; none before the language model has read the catalogues.
        since: (n_items,) by scenario, when each item may first be shown; UNKNOWN_TIME where not said.
        hide_seen: by scenario, whether an item can be chosen only once.
    """

    dataset: Dataset
    parts: Mapping[str, Parts]
    folds: Folds
    vectors: Mapping[str, ItemVectors]
    since: Mapping[str, LongArray]
    hide_seen: Mapping[str, bool]
    seed: int

    def evidence(self, name: str, phase: Phase) -> Evidence:
        """Return what may be learned from in one scenario."""
        scenario = self.dataset.scenarios[name]
        others = {
            other: OtherScenario(self.folds.learned(other, phase), self._vectors(other).common)
            for other in self.dataset.scenarios
            if other != name
        }
        vectors = self._vectors(name)
        return Evidence(
            self.folds.learned(name, phase),
            len(self.dataset.users),
            len(scenario.catalogue),
            vectors.of(phase),
            self.since[name],
            scenario.clock,
            others,
            self.seed,
            vectors.common,
            vectors.prior,
        )

    def _vectors(self, name: str) -> ItemVectors:
        empty = np.zeros((len(self.dataset.scenarios[name].catalogue), 0), np.float32)
        return self.vectors.get(name, ItemVectors(empty, empty, empty))


def training_data(
    dataset: Dataset,
    parts: Mapping[str, Parts],
    settings: Settings,
) -> TrainingData:
    """Put together what fitting needs; what the user left open is answered from the training events."""
    since, hide_seen = {}, {}
    for name, scenario in dataset.scenarios.items():
        learned = scenario.events.take(mask_of(parts[name], *Phase.ALL.parts))
        since[name] = available(scenario.catalogue.since, learned)
        repeats = settings.scenarios[name].repeats
        hide_seen[name] = not (repeated(learned) if repeats is None else repeats)
    evaluation, share = settings.evaluation, settings.fusion.hidden_items
    new_items = {name: newcomers(scenario, evaluation, share) for name, scenario in dataset.scenarios.items()}
    without_repeats = [name for name, hidden in hide_seen.items() if hidden]
    folds = Folds(dataset, parts, evaluation, without_repeats, new_items)
    return TrainingData(dataset, parts, folds, {}, since, hide_seen, settings.seed)
