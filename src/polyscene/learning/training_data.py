"""From the data set and the item vectors to what each signal may learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from polyscene.core.settings.project import Settings
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.schema import Dataset, Part
from polyscene.data.splits.folds import Folds, Parts, available, mask_of, newcomers, repeated
from polyscene.recommenders.signal import Evidence, OtherScenario
from polyscene.representation.item_space import ItemSpace


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

    def space(self, tuning: bool) -> ItemSpace:
        """Return them as one space, before the fusion is tuned or for good."""
        return ItemSpace.of(self.early if tuning else self.final, self.common, self.prior)


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
    _spaces: dict[tuple[str, bool], ItemSpace] = field(default_factory=dict, init=False, repr=False)

    def evidence(self, name: str, tuning: bool) -> Evidence:
        """Return what may be learned from in one scenario, before the fusion is tuned or for good."""
        scenario = self.dataset.scenarios[name]
        others = {
            other: OtherScenario(self.folds.learned(other, tuning), self.space(other, tuning))
            for other in self.dataset.scenarios
            if other != name
        }
        return Evidence(
            self.folds.learned(name, tuning),
            len(self.dataset.users),
            len(scenario.catalogue),
            self.space(name, tuning),
            self.since[name],
            scenario.clock,
            others,
            self.seed,
        )

    def space(self, name: str, tuning: bool) -> ItemSpace:
        """Return the vectors of a scenario's items, before the fusion is tuned or for good."""
        key = name, tuning
        if key not in self._spaces:
            vectors = self.vectors.get(name)
            self._spaces[key] = (
                ItemSpace.empty(len(self.dataset.scenarios[name].catalogue))
                if vectors is None
                else vectors.space(tuning)
            )
        return self._spaces[key]


def training_data(
    dataset: Dataset,
    parts: Mapping[str, Parts],
    settings: Settings,
) -> TrainingData:
    """Put together what fitting needs; what the user left open is answered from the training events."""
    since, hide_seen = {}, {}
    for name, scenario in dataset.scenarios.items():
        learned = scenario.events.take(mask_of(parts[name], Part.TRAIN, Part.VALID))
        since[name] = available(scenario.catalogue.since, learned)
        said = settings.scenarios[name].repeats
        hide_seen[name] = not (repeated(learned) if said is None else said)
    evaluation, share = settings.evaluation, settings.fusion.hidden_items
    new = {name: newcomers(scenario, evaluation, share) for name, scenario in dataset.scenarios.items()}
    whole = [name for name, hidden in hide_seen.items() if hidden]
    folds = Folds(dataset, parts, evaluation, whole, new)
    return TrainingData(dataset, parts, folds, {}, since, hide_seen, settings.seed)
