"""How the fusion's network is trained: on all scenarios together, then for each; and on each alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.project import Settings
from polyscene.evaluation.significance import Interval, bootstrap_interval
from polyscene.learning.fusion import FusionData
from polyscene.learning.fusion_learner import FusionLearner, fusion_plan
from polyscene.metrics.ranking import Values
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.training.loop import Curve, fit

TOGETHER = "all scenarios"
"""The curve of the training on all scenarios."""
EARLIER = "with earlier choices"
"""The curve of the training that goes on with them."""
ALONE = "{name} alone"
"""The curve of a training on one scenario, where there are several."""
TUNING_RATE = 1e-3
MAX_PASSES = 24_000
"""Own and earlier choices are gone through so often that no more than about so many are learned from anew."""
MIN_MORE_EPOCHS = 3
MIN_SPREAD = 0.05
"""What varies less than this while the fusion learns is not standardised."""


@dataclass(frozen=True)
class EarlierGain:
    """How much smaller earlier choices made the loss of one scenario's choices held out.

    Attributes:
        every: over all of them, with its interval over people.
        own: over the split's own alone; 0 where there are none.
    """

    every: Interval
    own: float

    @classmethod
    def of(cls, differences: Values, fusion_data: FusionData) -> EarlierGain:
        """Return the gain of (n,) differences between the losses of the choices held out."""
        n_own = fusion_data.n_own_held_out
        own = float(differences[:n_own].sum()) / max(n_own, 1)
        return cls(_over_people(differences, fusion_data), own)


@dataclass(frozen=True)
class TrainedNetwork:
    """A network trained on one scenario or several, and then with their earlier choices where these help.

    Attributes:
        curves: of the trainings.
        gains: by scenario, where there were earlier choices.
    """

    network: FusionNetwork
    curves: Mapping[str, Curve] = field(default_factory=dict)
    gains: Mapping[str, EarlierGain] = field(default_factory=dict)

    @property
    def earlier_kept(self) -> bool:
        """Return whether the network holds what earlier choices taught.

        They must make some scenario better beyond its interval, and none worse on the split's own choices.
        """
        sure = [gain for gain in self.gains.values() if gain.every.low > 0]
        return bool(sure) and all(gain.own >= 0 for gain in self.gains.values())


@dataclass
class TrainedFusion:
    """What came of training.

    Attributes:
        networks: of every scenario.
        curves: of the trainings.
        earlier: by scenario, what earlier choices were worth to its network, where there were some.
        earlier_kept: the scenarios whose network holds what earlier choices taught.
        joint: by scenario, how much smaller the loss of its choices held out is after a training with the
            others than after one of its own; a network is the scenario's own where that is below 0.
    """

    networks: dict[str, FusionNetwork]
    curves: dict[str, Curve] = field(default_factory=dict)
    earlier: dict[str, EarlierGain] = field(default_factory=dict)
    earlier_kept: set[str] = field(default_factory=set)
    joint: dict[str, Interval] = field(default_factory=dict)

    def keep(self, names: Sequence[str], trained: TrainedNetwork) -> None:
        """Remember what earlier choices were worth to a network that scenarios get."""
        for name in names:
            if name in trained.gains:
                self.earlier[name] = trained.gains[name]
            self.earlier_kept.discard(name)
            if trained.earlier_kept:
                self.earlier_kept.add(name)


def train_fusion(
    fusion_datas: Mapping[str, FusionData],
    n_signals: int,
    settings: Settings,
    seed: int,
    progress: Progress,
    minutes: float | None = None,
) -> TrainedFusion:
    """Train one network on all scenarios, `L = Σ_s λ_s L_s`, then tune a copy of it for each.

    Where several scenarios learned, each is trained alone too, and keeps that network where it predicts the
    choices held out better than the one that others taught as well.

    Args:
        fusion_datas: by scenario, in the order of their numbers.
        minutes: that the trainings may last together, each an equal part of them; None: as long as they do.
    """
    able = [name for name, fusion_data in fusion_datas.items() if fusion_data.enough]
    trainings = 1 + 2 * len(able) if len(able) > 1 else 1
    each = None if minutes is None else minutes / trainings
    training = _Training(fusion_datas, n_signals, settings, seed, progress, each)
    stream = generator(seed, "training")
    together = training.network(able, list(fusion_datas), TOGETHER, stream)
    fusion = TrainedFusion(dict.fromkeys(fusion_datas, together.network), dict(together.curves))
    fusion.keep(able, together)
    for name in able if len(able) > 1 else ():
        fusion.networks[name], fusion.curves[name] = training.tuned(name, together.network, stream)
        label = ALONE.format(name=name)
        alone = training.network([name], [name], label, generator(seed, "training"))
        fusion.curves |= {label: alone.curves[label]}
        fusion.joint[name] = training.joint_gain(name, fusion.networks[name], alone.network)
        if fusion.joint[name].mean < 0:
            fusion.networks[name] = alone.network
            fusion.keep([name], alone)
    return fusion


@dataclass(frozen=True)
class _Training:
    """Trains networks on the choices of scenarios."""

    fusion_datas: Mapping[str, FusionData]
    n_signals: int
    settings: Settings
    seed: int
    progress: Progress
    minutes: float | None

    def network(
        self, names: Sequence[str], shown: Sequence[str], label: str, stream: np.random.Generator
    ) -> TrainedNetwork:
        """Train a fresh network on some scenarios, then go on with their earlier choices.

        The signals saw less before those, and what people chose may have been another thing: the weights
        before are put back unless those after are surely better, see `TrainedNetwork.earlier_kept`.

        Args:
            names: of the scenarios, which have choices enough.
            shown: those by whose choices the context is standardised.
            label: of the curve.
        """
        torch.manual_seed(derived(self.seed, "network") % 2**31)
        widths = next(iter(self.fusion_datas.values())).features.widths
        network = FusionNetwork(self.n_signals, len(self.fusion_datas), self.settings.fusion.hidden, *widths)
        _standardise_context(network, [self.fusion_datas[name] for name in shown])
        if not names:
            return TrainedNetwork(network)
        able = {name: self.fusion_datas[name] for name in names}
        weights = {name: self.settings.scenarios[name].weight for name in names}
        epochs = self.settings.fusion.epochs
        title = "together" if label == TOGETHER else label
        plan = fusion_plan(epochs, f"fusion: {title}", minutes=self.minutes)
        learners = {name: self._learner(network, name) for name in names}
        curves = {label: fit(learners, weights, plan, stream, self.progress)}
        if not any(fusion_data.earlier for fusion_data in able.values()):
            return TrainedNetwork(network, curves)
        plan = fusion_plan(_more_epochs(able, epochs), f"fusion: {title}, {EARLIER}", minutes=self.minutes)
        learners = {name: self._learner(network, name, earlier=True) for name in names}
        before = _copy(network).state_dict()
        losses = {name: learner.losses() for name, learner in learners.items()}
        curves[EARLIER] = fit(learners, weights, plan, stream, self.progress)
        gains = {
            name: EarlierGain.of(losses[name] - learner.losses(), able[name])
            for name, learner in learners.items()
        }
        trained = TrainedNetwork(network, curves, gains)
        if not trained.earlier_kept:
            network.load_state_dict(before)
        return trained

    def tuned(
        self, name: str, network: FusionNetwork, stream: np.random.Generator
    ) -> tuple[FusionNetwork, Curve]:
        """Return a copy of a network that went on with one scenario's own choices, and its curve."""
        epochs = max(self.settings.fusion.epochs // 2, 1)
        plan = fusion_plan(epochs, f"fusion: {name}", TUNING_RATE, self.minutes)
        own = _copy(network)
        curve = fit({name: self._learner(own, name)}, {name: 1.0}, plan, stream, self.progress)
        return own, curve

    def joint_gain(self, name: str, joint: FusionNetwork, alone: FusionNetwork) -> Interval:
        """Return how much smaller the joint network's loss is on a scenario's choices held out.

        The split's own count alone, where some of them are held out.
        """
        fusion_data = self.fusion_datas[name]
        smaller = self._learner(alone, name).losses() - self._learner(joint, name).losses()
        own = fusion_data.n_own_held_out
        return _over_people(smaller[:own] if own > 0 else smaller, fusion_data)

    def _learner(self, network: FusionNetwork, name: str, earlier: bool = False) -> FusionLearner:
        own = self.fusion_datas[name]
        training = [*own.training, *own.strangers, *(own.earlier if earlier else ())]
        return FusionLearner(network, list(self.fusion_datas).index(name), training, own.held_out)


def _over_people(differences: Values, fusion_data: FusionData) -> Interval:
    """Return the mean of (n,) differences at the first choices held out, with its interval over people."""
    people = np.array([example.person for example in fusion_data.held_out[: len(differences)]])
    return bootstrap_interval(differences, people)


def _more_epochs(fusion_datas: Mapping[str, FusionData], epochs: int) -> int:
    """Return how often all choices are gone through: half as often as the own ones, less where many are."""
    choices = sum(len(one.training) + len(one.earlier) for one in fusion_datas.values())
    return max(min(epochs // 2, max(MAX_PASSES // choices, MIN_MORE_EPOCHS)), 1)


def training_notes(fusion_datas: Mapping[str, FusionData], trained: TrainedFusion) -> list[str]:
    """Return what is said of earlier choices and of learning together, and whether they helped."""
    notes = []
    if trained.earlier:
        counts = ", ".join(
            f"{name}: {learned.n_own:,} and {len(learned.examples) - learned.n_own:,} earlier ones"
            for name, learned in fusion_datas.items()
        )
        losses = _losses({name: gain.every for name, gain in trained.earlier.items()})
        without = [name for name in trained.earlier if name not in trained.earlier_kept]
        where = f" of {', '.join(without)}" if trained.earlier_kept else ""
        left_out = f": not surely better, so the earlier ones{where} are left out" if without else ""
        notes.append(
            f"choices that the fusion learned from: {counts}; loss on those held out: {losses}{left_out}"
        )
    if trained.joint:
        apart = [name for name, gain in trained.joint.items() if gain.mean < 0]
        verdict = f"{', '.join(apart) or 'none'} learned better alone{' and keeps that' if apart else ''}"
        notes.append(
            "the fusion learned from all scenarios together, then from each; loss on choices held out, "
            f"against one that learned from the scenario alone: {_losses(trained.joint)}; {verdict}"
        )
    return notes


def _losses(gains: Mapping[str, Interval]) -> str:
    """Return how the losses of scenarios changed, each with its interval."""
    return ", ".join(
        f"{name} {-gain.mean:+.4f} [{-gain.high:+.4f} to {-gain.low:+.4f}]" for name, gain in gains.items()
    )


def _copy(network: FusionNetwork) -> FusionNetwork:
    facts = network.user_facts, network.pair_facts
    copy = FusionNetwork(network.n_signals, network.n_scenarios, network.hidden, *facts)
    copy.load_state_dict(network.state_dict())
    return copy


def _standardise_context(network: FusionNetwork, fusion_datas: Sequence[FusionData]) -> None:
    """Standardise the context by what the training choices show; the one-hot code stays as it is.

    What never varied while learning, as the best popularity, is not blown up: it differs after the refit.
    """
    rows = [example.user for fusion_data in fusion_datas for example in fusion_data.training]
    if rows:
        context = torch.from_numpy(np.stack(rows))
        network.context_mean[: context.shape[1]] = context.mean(dim=0)
        spread = context.std(dim=0, unbiased=False)
        network.context_spread[: context.shape[1]] = torch.where(spread > MIN_SPREAD, spread, 1.0)
