"""From the data set and the item vectors to what each signal may learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from polyscene.core.errors import ConfigError
from polyscene.core.settings.project import Settings
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.schema import Dataset
from polyscene.data.splits.availability import available
from polyscene.data.splits.earlier_cuts import splits_in_order
from polyscene.data.splits.folds import Folds
from polyscene.data.splits.newcomers import newcomers
from polyscene.data.splits.parts import Parts, mask_of
from polyscene.data.splits.phases import Phase
from polyscene.data.splits.protocol import everything, protocol_of, split
from polyscene.data.splits.repeats import repeats_note, repeats_of
from polyscene.data.splits.sufficiency import split_problems
from polyscene.learning.signal_trainer import train_learner
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.stream import Learns, Stream
from polyscene.recommenders.signal import Evidence, OtherScenario
from polyscene.representation.description import Description
from polyscene.representation.item_space import ItemSpace

if TYPE_CHECKING:  # which needs this file, and torch
    from polyscene.learning.joint_models import JointModels

JointTrainer = Callable[["TrainingData", Phase], "JointModels"]


@dataclass(frozen=True)
class BesideText:
    """What one catalogue's items are beside their texts.

    Attributes:
        description: what encodes it, and how much each part counts.
        blocks: by part that counts (n_items, d) unit vectors; a zero row is missing.
        media: by medium (n_items, d) vectors as the user brought them.
    """

    description: Description
    blocks: Mapping[str, FloatArray]
    media: Mapping[str, FloatArray]


@dataclass(frozen=True)
class ItemVectors:
    """One catalogue as the language model reads it, (n_items, d) each.

    Attributes:
        early: tuned on the past alone, so that what came after it can be predicted honestly.
        final: tuned on everything that may be learned from.
        common: in the space that all scenarios share.
        prior: by the model as it came; None where it is used so.
        origin: fingerprint of the language model as it came.
        decay: how fast taste fades by the tuned vectors, told by choices after the past; None: as by others.
        beside: what the items are beside their texts; None: nothing is known of it.
    """

    early: FloatArray
    final: FloatArray
    common: FloatArray
    prior: FloatArray | None = None
    origin: str = ""
    decay: float | None = None
    beside: BesideText | None = None

    def space(self, phase: Phase) -> ItemSpace:
        """Return them as one space, tuned on no more than may be learned from."""
        tuned = self.early if phase is Phase.PAST else self.final
        space = ItemSpace.of(tuned, self.common, self.prior, self.origin)
        return space if self.beside is None else space.described(**vars(self.beside))


@dataclass(frozen=True)
class TrainingData:
    """Everything that fitting and judging stand on.

    Attributes:
        vectors: by scenario; none before the language model has read the catalogues.
        since: (n_items,) by scenario, when each item may first be shown; UNKNOWN_TIME where not said.
        hide_seen: by scenario, whether an item can be chosen only once.
        notes: what was decided here and from what figures, each a sentence.
        in_order: whether every user's events are split by their order, rather than all at a moment.
        split: the steps of the split itself, where this is the data at an earlier cut.
        learns_on: whether signals learn each choice once it was ranked, while the fusion learns and later.
        trends: half-lives in days at which a fusion is told what goes on lately; none: it is not.
        decay_of: by scenario, an earlier past that tells how fast taste fades, in the place of the own one.
        joint: trains the network of the signal `multitask` on this data, as the settings say.
    """

    dataset: Dataset
    parts: Mapping[str, Parts]
    folds: Folds
    vectors: Mapping[str, ItemVectors]
    since: Mapping[str, LongArray]
    hide_seen: Mapping[str, bool]
    seed: int
    notes: tuple[str, ...] = ()
    in_order: bool = False
    split: Folds | None = None
    learns_on: bool = False
    trends: Sequence[float] = ()
    decay_of: Mapping[str, Evidence] = field(default_factory=dict)
    joint: JointTrainer | None = None
    _joint_models: dict[Phase, JointModels] = field(default_factory=dict, init=False, repr=False)
    _spaces: dict[tuple[str, Phase], ItemSpace] = field(default_factory=dict, init=False, repr=False)

    def evidence(self, name: str, phase: Phase) -> Evidence:
        """Return what may be learned from in one scenario, and in those that compare with it."""
        scenario, space = self.dataset.scenarios[name], self.space(name, phase)
        others = {
            other: OtherScenario(
                self.folds.learned(other, phase),
                self.space(other, phase),
                self.dataset.clocks_shared and there.clock == scenario.clock,
            )
            for other, there in self.dataset.scenarios.items()
            if other != name and space.compares_with(self.space(other, phase))
        }
        return Evidence(
            self.folds.learned(name, phase),
            len(self.dataset.users),
            len(scenario.catalogue),
            space,
            self.since[name],
            scenario.clock,
            others,
            self.seed,
            train_learner,
            self.decay_of.get(name),
            self.vectors[name].decay if name in self.vectors else None,
            None if self.joint is None else lambda: self.joint_models(phase).weights.get(name),
            self.dataset.links,
            self.dataset.knowledge.get(name),
        )

    def joint_models(self, phase: Phase) -> JointModels:
        """Return what one network learned of all scenarios, trained when it is first asked for.

        Raises:
            ValueError: nothing says how.
        """
        if self.joint is None:
            raise ValueError("expected settings that say how scenarios learn together, found none")
        if phase not in self._joint_models:
            self._joint_models[phase] = self.joint(self, phase)
        return self._joint_models[phase]

    @property
    def joint_of_all(self) -> JointModels | None:
        """What one network learned of everything; None where no signal has asked for it."""
        return self._joint_models.get(Phase.ALL)

    def stream(self, name: str, learners: Learns) -> Stream:
        """Return what lets the signals of the past learn the choices that the fusion learns from."""
        known, later = self.folds.learned(name, Phase.PAST), self.folds.later(name, Phase.PAST)
        return Stream(learners, known, later, len(self.dataset.users))

    def at(self, parts: Mapping[str, Parts]) -> TrainingData:
        """Return the same data at an earlier cut."""
        return replace(self, parts=parts, folds=self.folds.at(parts), split=self.folds_of_split)

    def at_each(self, cuts: Sequence[Mapping[str, Parts]]) -> list[TrainingData]:
        """Return the same data at earlier cuts, the latest first; the earliest tells how fast taste fades.

        That is measured once then, and on nothing that any of them is to predict.
        """
        if not cuts:
            return []
        earliest = self.at(cuts[-1])
        decay_of = {name: earliest.evidence(name, Phase.PAST) for name in self.dataset.scenarios}
        return [replace(self.at(parts), decay_of=decay_of) for parts in cuts]

    @property
    def folds_of_split(self) -> Folds:
        """Return the steps of the split itself, where this is the data at an earlier cut."""
        return self.folds if self.split is None else self.split

    def features(self, evidence: Evidence) -> Features:
        """Return what a fusion sees beside the scores."""
        return Features.of(evidence, self.trends)

    def space(self, name: str, phase: Phase) -> ItemSpace:
        """Return the vectors of a scenario's items, as they may be known in a phase."""
        key = name, phase
        if key not in self._spaces:
            vectors = self.vectors.get(name)
            empty = ItemSpace.empty(len(self.dataset.scenarios[name].catalogue))
            self._spaces[key] = empty if vectors is None else vectors.space(phase)
        return self._spaces[key]


def training_data(
    dataset: Dataset,
    parts: Mapping[str, Parts],
    settings: Settings,
) -> TrainingData:
    """Put together what fitting needs; what the user left open is answered from the training events."""
    since, hide_seen, notes = {}, {}, []
    for name, scenario in dataset.scenarios.items():
        learned = scenario.events.take(mask_of(parts[name], *Phase.ALL.parts))
        since[name] = available(scenario.catalogue.since, learned)
        repeats = settings.scenarios[name].repeats
        figures = repeats_of(learned)
        again = any(action.usual for action in figures) if repeats is None else repeats
        hide_seen[name] = not again
        if figures:
            notes.append(repeats_note(name, figures, again, by_hand=repeats is not None))
    evaluation, share = settings.evaluation, settings.fusion.hidden_items
    new_items = {name: newcomers(scenario, evaluation, share) for name, scenario in dataset.scenarios.items()}
    without_repeats = [name for name, hidden in hide_seen.items() if hidden]
    folds = Folds(dataset, parts, evaluation, without_repeats, new_items)
    in_order = splits_in_order(dataset, evaluation)
    live = settings.fusion.live
    learns_on = protocol_of(evaluation).learns_on if live is None else live
    return TrainingData(
        dataset,
        parts,
        folds,
        {},
        since,
        hide_seen,
        settings.seed,
        tuple(notes),
        in_order,
        learns_on=learns_on,
        trends=settings.fusion.trends if learns_on else (),
    )


def sufficient_data(dataset: Dataset, settings: Settings, everything_counts: bool = False) -> TrainingData:
    """Split a data set as the settings say, and refuse what leaves nothing to learn from.

    Args:
        everything_counts: whether the run learns from the test part too, and is not judged.

    Raises:
        ConfigError: the protocol does not fit the tables, or leaves nothing to learn from.
    """
    parts = (everything if everything_counts else split)(dataset, settings.evaluation)
    problems = split_problems(dataset, parts, settings.evaluation, judged=not everything_counts)
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(problems)
    data = training_data(dataset, parts, settings)
    warnings = tuple(f"{one.scenario}: {one.what}: {one.found}; {one.remedy}" for one in problems)
    return replace(data, notes=(*warnings, *data.notes))
