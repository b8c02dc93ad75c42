"""Networks over sets of scenarios: made, trained, tuned for one of them, and asked of held-out meetings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.multitask import MultitaskSettings
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.splits.phases import Phase
from polyscene.learning.multitask_examples import ScenarioExamples
from polyscene.learning.multitask_learner import MultitaskLearner
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import Values
from polyscene.recommenders.multitask.blueprint import Blueprint
from polyscene.recommenders.multitask.calibration import Calibrator
from polyscene.recommenders.multitask.inference import MultitaskWeights
from polyscene.recommenders.multitask.inputs import ScenarioInputs
from polyscene.recommenders.multitask.network import TaskNetwork
from polyscene.recommenders.multitask.tables import AttributeTable, Columns
from polyscene.training.budget import Budget
from polyscene.training.loop import fit
from polyscene.training.plan import Plan

MIN_MEETINGS = 2
"""A user or an item with fewer has no vector of its own."""
MAX_JUDGED = 1000
"""At most so many held-out choices of a scenario decide between networks."""
TUNING_RATE = 0.3
"""The rate of a scenario's own tuning, as a share of the joint training's."""


@dataclass(frozen=True)
class JointNetwork:
    """A network and the scenarios that it has learned from.

    Attributes:
        network: its parameters.
        inputs: what is known of these scenarios, by name.
    """

    network: TaskNetwork
    inputs: Mapping[str, ScenarioInputs]

    @property
    def names(self) -> tuple[str, ...]:
        """The scenarios, in its order."""
        return self.network.plan.scenarios


class NetworkMaker:
    """Makes networks over any of the scenarios of a data set.

    Args:
        data: what they stand on.
        phase: what may be learned from.
        examples: by scenario, those that have some.
        shares: λ by scenario.
        settings: how they learn.
        progress: told of the epochs of every training.
    """

    def __init__(
        self,
        data: TrainingData,
        phase: Phase,
        examples: Mapping[str, ScenarioExamples],
        shares: Mapping[str, float],
        settings: MultitaskSettings,
        progress: Progress | None = None,
    ) -> None:
        self.data, self.phase, self.examples = data, phase, examples
        self.shares, self.settings, self.progress = shares, settings, progress
        scenarios, profiles = data.dataset.scenarios, data.dataset.profiles
        self._spaces = {name: data.space(name, phase) for name in scenarios}
        self._item_columns = Columns.of(scenarios[name].catalogue.attributes for name in examples)
        self._user_columns = Columns.of((profiles[name] for name in examples if name in profiles), "user")
        self._items = {
            name: AttributeTable.of(self._item_columns, scenarios[name].catalogue.attributes, known.n_items)
            for name, known in examples.items()
        }
        nobody = pl.DataFrame({"user": pl.Series([], dtype=pl.Int32)})
        self._users = {
            name: AttributeTable.of(
                self._user_columns, profiles.get(name, nobody), len(data.dataset.users), "user"
            )
            for name in examples
        }

    def trained(self, names: Sequence[str]) -> JointNetwork:
        """Return a network over the named scenarios, trained on all of them."""
        users, n_users = _own_places(
            [self.examples[name].training.queries.user for name in names], len(self.data.dataset.users)
        )
        items = {
            name: _own_places([self.examples[name].training.item], self.examples[name].n_items)
            for name in names
        }
        inputs = {name: self._inputs(name, users, items[name][0]) for name in names}
        plan = self._plan(names, inputs, n_users, [items[name][1] for name in names])
        network = TaskNetwork(plan, self._texts(plan), derived(self.data.seed, "multitask", *names))
        trained = JointNetwork(network, inputs)
        self._train(trained, "all", None)
        return trained

    def tuned(self, joint: JointNetwork, name: str) -> JointNetwork:
        """Return a copy that was tuned for one scenario, as far as the settings let it move."""
        copy = TaskNetwork(joint.network.plan, {}, 0)
        copy.load(joint.network.weights())
        tuned = JointNetwork(copy, joint.inputs)
        self._train(tuned, name, joint.names.index(name))
        return tuned

    def seen_by(self, joint: JointNetwork, name: str, donor: str | None = None) -> MultitaskWeights:
        """Return what a network says of a scenario, uncalibrated.

        Args:
            donor: the scenario it takes this for, where it has not learned from this; None: it has.
        """
        plan, arrays = joint.network.plan, joint.network.arrays()
        number = plan.scenarios.index(donor or name)
        inputs = joint.inputs[name] if donor is None else self._foreign(joint, name, plan.own_widths[number])
        plain = tuple(Calibrator() for _ in plan.tasks[number])
        return MultitaskWeights(plan, arrays, number, inputs, plain)

    def donors(self, joint: JointNetwork, name: str) -> list[str]:
        """Return the scenarios of a network whose texts can be compared with those of another scenario."""
        return [donor for donor in joint.names if self._spaces[donor].compares_with(self._spaces[name])]

    def _foreign(self, joint: JointNetwork, name: str, own_width: int) -> ScenarioInputs:
        places = next(iter(joint.inputs.values())).user_places
        nothing: LongArray = np.zeros(self.examples[name].n_items, np.int64)
        return replace(self._inputs(name, places, nothing), foreign_width=own_width)

    def _inputs(self, name: str, users: LongArray, items: LongArray) -> ScenarioInputs:
        others = {other: space for other, space in self._spaces.items() if other != name}
        return ScenarioInputs(self._spaces[name], others, self._users[name], self._items[name], users, items)

    def _plan(
        self,
        names: Sequence[str],
        inputs: Mapping[str, ScenarioInputs],
        n_users: int,
        n_items: Sequence[int],
    ) -> Blueprint:
        origins = list(dict.fromkeys(self._spaces[name].origin for name in self.examples))
        groups = tuple(origins.index(self._spaces[name].origin) for name in names)
        widths = [0] * len(origins)
        for name in self.examples:
            widths[origins.index(self._spaces[name].origin)] = (
                self._spaces[name].view("common").vectors.shape[1]
            )
        settings = self.settings
        return Blueprint(
            settings.form,
            settings.crossing,
            settings.size,
            settings.hidden,
            settings.experts,
            settings.rank,
            tuple(names),
            tuple(self.examples[name].tasks for name in names),
            {column: len(codes) for column, codes in self._user_columns.vocabularies.items()},
            tuple(self._user_columns.scales),
            {column: len(codes) for column, codes in self._item_columns.vocabularies.items()},
            tuple(self._item_columns.scales),
            n_users,
            tuple(n_items),
            groups,
            tuple(widths),
            tuple(inputs[name].own.shape[1] for name in names),
        )

    def _texts(self, plan: Blueprint) -> dict[str, FloatArray]:
        """Return the vectors that tell where the maps of texts start."""
        texts: dict[str, FloatArray] = {}
        for number, name in enumerate(plan.scenarios):
            prefix, space = plan.inputs(number), self._spaces[name]
            for kind in ("text", "profile"):
                shared = f"{prefix}{kind}.{plan.groups[number]}.map"
                known = [texts[shared]] if shared in texts else []
                texts[shared] = np.concatenate([*known, space.view("common").vectors])
                texts[f"{prefix}{kind}.own{number}.map"] = space.view("tuned").vectors
        return texts

    def _train(self, joint: JointNetwork, label: str, only: int | None) -> None:
        settings, names = self.settings, joint.names
        learner = self.learner(joint, "free" if only is None else settings.tuning, only)
        rate = settings.learning_rate * (1.0 if only is None else TUNING_RATE)
        optimiser = OptimiserSettings(learning_rate=rate, weight_decay=1e-3, warmup=0.05, clip=5.0)
        epochs = settings.epochs if only is None else max(settings.epochs // 2, 1)
        title = ", ".join(names) if only is None else f"tuning for {label}"
        plan = Plan(
            Budget(epochs=epochs, minutes=settings.minutes),
            optimiser,
            f"multitask, {settings.form}: {title}",
            patience=settings.patience,
        )
        fit(
            {"multitask": learner},
            {"multitask": 1.0},
            plan,
            generator(self.data.seed, "multitask", label, *names),
            self.progress,
        )

    def learner(self, joint: JointNetwork, moving: str = "free", only: int | None = None) -> MultitaskLearner:
        """Return what trains a network on its scenarios."""
        names = joint.names
        return MultitaskLearner(
            joint.network,
            [self.examples[name] for name in names],
            [joint.inputs[name] for name in names],
            [self.shares[name] for name in names],
            self.settings,
            moving,  # type: ignore[arg-type]
            only,
            derived(self.data.seed, "multitask", "weighting"),
        )


@dataclass(frozen=True)
class JudgedChoices:
    """Held-out choices of one scenario, and what stands beside each.

    Attributes:
        rows: (n,) among the judged examples.
        candidates: (n, 1 + c) items, the chosen one first.
        closed: (n, 1 + c) those that may not be chosen.
        users: (n,) whose they are.
    """

    rows: LongArray
    candidates: LongArray
    closed: np.ndarray
    users: np.ndarray

    @classmethod
    def of(cls, examples: ScenarioExamples, seed: int) -> JudgedChoices:
        """Take at most `MAX_JUDGED` of them."""
        orders = [place for place, task in enumerate(examples.tasks) if task.orders]
        judged = examples.judged
        rows = np.flatnonzero(np.isfinite(judged.labels[:, orders]).any(axis=1))[:MAX_JUDGED]
        chosen = judged.pick(rows)
        candidates = np.concatenate([chosen.item[:, None], examples.others(chosen, seed)], axis=1)
        closed = np.zeros(candidates.shape, np.bool_)
        if examples.hide_seen:
            place, item = chosen.queries.seen()
            had = np.zeros((len(rows), examples.n_items), np.bool_)
            had[place, item] = True
            closed = np.take_along_axis(had, candidates, axis=1)
            closed[:, 0] = False
        return cls(rows, candidates.astype(np.int64), closed, chosen.queries.user)

    def gains(self, scores: FloatArray) -> Values:
        """Return (n,) `1 / log2(1 + rank)` of the chosen items by (n, 1 + c) scores, ties in the middle."""
        wanted = scores[:, :1]
        above = ((scores > wanted) & ~self.closed).sum(axis=1)
        level = ((scores == wanted) & ~self.closed).sum(axis=1) - 1
        gains: Values = 1.0 / np.log2(2.0 + above + level / 2)
        return gains

    def chance(self) -> Values:
        """Return (n,) what an order by chance is worth in the mean."""
        open_ = (~self.closed).sum(axis=1)
        worth = np.cumsum(1.0 / np.log2(np.arange(2, open_.max(initial=1) + 2)))
        means: Values = worth[open_ - 1] / open_
        return means


def _own_places(parts: Sequence[np.ndarray], n: int) -> tuple[LongArray, int]:
    """Return (n,) from 1 the places of those that are met often enough, else 0, and how many they are."""
    counts = sum((np.bincount(part, minlength=n) for part in parts), np.zeros(n, np.int64))
    able = counts >= MIN_MEETINGS
    return np.where(able, np.cumsum(able), 0).astype(np.int64), int(able.sum())


def drawn_odds(calibrator: Calibrator, columns: int, negatives: int) -> Calibrator:
    """Return a calibrator measured against so many columns as one for the task's own number of negatives."""
    return replace(calibrator, offset=calibrator.offset + math.log(columns / negatives))
