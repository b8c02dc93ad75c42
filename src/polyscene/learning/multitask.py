"""Joint training, then scenario tuning; whoever would lose by it keeps a network of their own.

A network for each scenario alone stands beside the joint one. Held-out choices decide, by intervals over
people, which of the two a scenario has; where neither is surely better than chance nothing can be learned:
such a scenario is refused, and the others learn without it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from polyscene.core.progress import Progress
from polyscene.core.settings.project import Settings
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.significance import Interval, bootstrap_interval, paired_bootstrap
from polyscene.evaluation.transfer import TransferMatrix, TransferRow
from polyscene.learning.joint_models import JointModels
from polyscene.learning.multitask_examples import ScenarioExamples, scenario_examples
from polyscene.learning.multitask_networks import JointNetwork, JudgedChoices, NetworkMaker, drawn_odds
from polyscene.learning.training_data import JointTrainer, TrainingData
from polyscene.metrics.ranking import Values
from polyscene.recommenders.multitask.calibration import Calibrator
from polyscene.recommenders.multitask.inference import MultitaskWeights, ordering_scores

MIN_JUDGED = 30
"""With fewer held-out choices nothing is decided: all learn together."""
MIN_REFUSED = 100
"""With fewer nothing is refused."""
MAX_SUBSETS = 3
"""Of up to so many scenarios the transfer matrix has every set; of more, single ones, all but one, all."""


def joint_trainer(settings: Settings, progress: Progress) -> JointTrainer:
    """Return what trains all scenarios that list the signal `multitask` together; all, where none does."""
    listed = [name for name, one in settings.scenarios.items() if "multitask" in one.signals]

    def train(data: TrainingData, phase: Phase) -> JointModels:
        return train_joint(data, settings, listed or list(settings.scenarios), phase, progress)

    return train


def train_joint(
    data: TrainingData,
    settings: Settings,
    names: Sequence[str],
    phase: Phase,
    progress: Progress | None = None,
) -> JointModels:
    """Train the named scenarios together, and each alone.

    Args:
        data: with the vectors of the items.
        settings: the project's.
        names: the scenarios that take part.
        phase: what may be learned from.
        progress: told of the epochs of every network's training.
    """
    started = time.perf_counter()
    examples, notes = dict[str, ScenarioExamples](), list[str]()
    for name in names:
        objectives = settings.scenarios[name].objectives
        scenario, own_notes = scenario_examples(data, name, phase, objectives, settings.multitask)
        notes += own_notes
        if len(scenario.training):
            examples[name] = scenario
        else:
            notes.append(f"{name}: 'multitask' says nothing: there are no events to learn from")
    if not examples:
        return JointModels(dict.fromkeys(names), tuple(notes), None, 0.0)
    shares = {name: settings.scenarios[name].weight for name in examples}
    maker = NetworkMaker(data, phase, examples, shares, settings.multitask, progress)
    contest = _Contest(maker, settings.multitask.transfer)
    weights = contest.decided()
    return JointModels(
        dict.fromkeys(names) | weights,
        (*notes, *contest.notes),
        contest.matrix() if len(examples) > 1 else None,
        time.perf_counter() - started,
    )


class _Contest:
    """The networks of one training, judged on the same held-out choices.

    Args:
        maker: of networks.
        every: whether to train on more sets of scenarios than the decision needs.
    """

    def __init__(self, maker: NetworkMaker, every: bool) -> None:
        self.maker, self.every = maker, every
        self.names = tuple(maker.examples)
        seed = maker.data.seed
        self.choices = {name: JudgedChoices.of(one, seed) for name, one in maker.examples.items()}
        self.notes, self.refused, self.own = list[str](), list[str](), list[str]()
        self._networks: dict[tuple[str, ...], JointNetwork] = {}

    def network(self, names: tuple[str, ...]) -> JointNetwork:
        """Return the network over the named scenarios, trained once."""
        if names not in self._networks:
            self._networks[names] = self.maker.trained(names)
        return self._networks[names]

    def decided(self) -> dict[str, MultitaskWeights | None]:
        """Return what each scenario answers by."""
        self.refused += self._refused(self.names)
        kept = tuple(name for name in self.names if name not in self.refused)
        decided: dict[str, MultitaskWeights | None] = dict.fromkeys(self.names)
        for name in kept:
            chosen = self._chosen(name, kept)
            decided[name] = calibrated(self.maker, name, chosen)
        return decided

    def _refused(self, names: tuple[str, ...]) -> list[str]:
        """Return the scenarios in which neither network is surely better than chance."""
        refused = []
        for name in names:
            choices = self.choices[name]
            if len(choices.rows) < MIN_REFUSED:
                continue
            leads = [
                paired_bootstrap(self.gains(network, name), choices.chance(), choices.users)
                for network in (self.network((name,)), self.network(names))
            ]
            if all(lead.low <= 0 for lead in leads):
                refused.append(name)
                self.notes.append(
                    f"{name}: 'multitask' is refused: nothing can be learned from its events, neither alone "
                    f"(NDCG against chance {_shown(leads[0])}) nor with the others ({_shown(leads[1])}); "
                    "the others learn without it"
                )
        return refused

    def _chosen(self, name: str, kept: tuple[str, ...]) -> JointNetwork:
        """Return the network that a scenario has: that of all, tuned for it, or its own."""
        alone = self.network((name,))
        if len(kept) < 2:
            return alone
        joint = self.network(kept)
        tuned = joint if self.maker.settings.tuning == "none" else self.maker.tuned(joint, name)
        choices = self.choices[name]
        if len(choices.rows) < MIN_JUDGED:
            self.notes.append(
                f"{name}: learned with {_listed(kept, name)}; {len(choices.rows)} held-out choices are too "
                "few to compare that with a network of its own"
            )
            return tuned
        lead = paired_bootstrap(self.gains(tuned, name), self.gains(alone, name), choices.users)
        loses = lead.high < 0
        if loses:
            self.own.append(name)
        verdict = "it keeps its own" if loses else "it has the joint one"
        self.notes.append(
            f"{name}: learned with {_listed(kept, name)}: NDCG {_shown(lead)} against a network of its own "
            f"on {len(choices.rows):,} held-out choices; {verdict}"
        )
        return alone if loses else tuned

    def gains(self, network: JointNetwork, name: str) -> Values:
        """Return (n,) what a network's order of the candidates of a scenario's held-out choices is worth."""
        choices, queries = (
            self.choices[name],
            self.maker.examples[name].judged.queries.pick(self.choices[name].rows),
        )
        donors: list[str | None] = [None] if name in network.names else list(self.maker.donors(network, name))
        scores = np.zeros(choices.candidates.shape, np.float32)
        for donor in donors:
            seen = self.maker.seen_by(network, name, donor)
            features = seen.item_features(np.arange(self.maker.examples[name].n_items))
            outs = seen.outputs(queries, features, choices.candidates)
            scores += ordering_scores(seen.tasks, outs) / len(donors)
        return choices.gains(scores)

    def matrix(self) -> TransferMatrix:
        """Return what every network is worth in every scenario."""
        if self.every:
            for names in self._sets():
                self.network(names)
        ordered = sorted(self._networks, key=lambda names: (len(names), [self.names.index(n) for n in names]))
        rows = tuple(
            TransferRow(names, {name: self._interval(self._networks[names], name) for name in self.names})
            for names in ordered
        )
        chance = {
            name: float(np.mean(one.chance())) if len(one.rows) else 0.0 for name, one in self.choices.items()
        }
        counts = {name: len(one.rows) for name, one in self.choices.items()}
        return TransferMatrix(rows, chance, counts, tuple(self.refused), tuple(self.own))

    def _sets(self) -> list[tuple[str, ...]]:
        sizes = range(1, len(self.names) + 1)
        if len(self.names) > MAX_SUBSETS:
            sizes = range(len(self.names) - 1, len(self.names) + 1)
        return [some for size in sizes for some in itertools.combinations(self.names, size)]

    def _interval(self, network: JointNetwork, name: str) -> Interval:
        choices = self.choices[name]
        if not len(choices.rows):
            return Interval(0.0, 0.0, 0.0)
        return bootstrap_interval(self.gains(network, name), choices.users)


def calibrated(maker: NetworkMaker, name: str, network: JointNetwork) -> MultitaskWeights:
    """Return what a network says of one of its scenarios, calibrated on the meetings it is judged by."""
    known = maker.examples[name]
    plain = maker.seen_by(network, name)
    features = plain.item_features(np.arange(known.n_items))
    others = known.others(known.judged, maker.data.seed)
    columns = np.concatenate([known.judged.item[:, None], others], axis=1).astype(np.int64)
    needed = columns if known.drawn.any() else columns[:, :1]
    outs = plain.outputs(known.judged.queries, features, needed)
    calibrators = []
    for place, task in enumerate(known.tasks):
        labels, out = known.judged.labels[:, place], outs[place]
        if known.drawn[place]:
            some = out[labels == 1]
            answers = np.zeros(some.shape[:2])
            answers[:, 0] = 1.0
            one = Calibrator.of(task, some.reshape(-1, 1), answers.ravel().astype(np.float32))
            width = max(columns.shape[1] - 1, 1)
            calibrators.append(drawn_odds(one, width, maker.settings.negatives))
        else:
            answered = np.isfinite(labels)
            calibrators.append(Calibrator.of(task, out[answered, 0], labels[answered]))
    return replace(plain, calibrators=tuple(calibrators))


def _shown(interval: Interval) -> str:
    return f"{interval.mean:+.4f} [{interval.low:+.4f} to {interval.high:+.4f}]"


def _listed(names: Sequence[str], without: str) -> str:
    return ", ".join(name for name in names if name != without)
