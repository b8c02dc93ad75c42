"""From the data set and the item vectors to what each signal may learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyscene.core.settings import EvaluationSettings, ScenarioSettings
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.schema import Dataset, Part
from polyscene.data.splits import Folds, Parts, available, mask_of, repeated
from polyscene.recommenders.signal import Elsewhere, Evidence


@dataclass(frozen=True)
class Ground:
    """Everything that fitting and judging stand on.

    Attributes:
        vectors: (n_items, d) language-model vectors by scenario.
        since: (n_items,) by scenario, when each item may first be shown; UNKNOWN_TIME where not said.
        hide_seen: by scenario, whether an item can be chosen only once.
    """

    dataset: Dataset
    parts: Mapping[str, Parts]
    folds: Folds
    vectors: Mapping[str, FloatArray]
    since: Mapping[str, LongArray]
    hide_seen: Mapping[str, bool]
    seed: int

    def evidence(self, name: str, tuning: bool) -> Evidence:
        """Return what may be learned from in one scenario, before the fusion is tuned or for good."""
        scenario = self.dataset.scenarios[name]
        others = {
            other: Elsewhere(self.folds.learned(other, tuning), self.vectors[other])
            for other in self.dataset.scenarios
            if other != name
        }
        return Evidence(
            self.folds.learned(name, tuning),
            len(self.dataset.users),
            len(scenario.catalogue),
            self.vectors[name],
            self.since[name],
            scenario.clock,
            others,
            self.seed,
        )


def lay_ground(
    dataset: Dataset,
    parts: Mapping[str, Parts],
    evaluation: EvaluationSettings,
    vectors: Mapping[str, FloatArray],
    settings: Mapping[str, ScenarioSettings],
    seed: int,
) -> Ground:
    """Put together what fitting needs; what the user left open is answered from the training events."""
    since, hide_seen = {}, {}
    for name, scenario in dataset.scenarios.items():
        learned = scenario.events.take(mask_of(parts[name], Part.TRAIN, Part.VALID))
        since[name] = available(scenario.catalogue.since, learned)
        said = settings[name].repeats
        hide_seen[name] = not (repeated(learned) if said is None else said)
    folds = Folds(dataset, parts, evaluation, [name for name, hidden in hide_seen.items() if hidden])
    return Ground(dataset, parts, folds, vectors, since, hide_seen, seed)
