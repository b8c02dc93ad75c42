"""How the fusion learns: from choices that the signals have not learned from, for all scenarios and each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.fusion import FusionSettings
from polyscene.core.settings.project import Settings
from polyscene.core.types import BoolArray, IntArray
from polyscene.data.queries import Choices
from polyscene.evaluation.significance import Interval, bootstrap_interval
from polyscene.learning.fusion_learner import FusionLearner, fusion_plan
from polyscene.learning.new_items import new_share
from polyscene.learning.strangers import strangers
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import Values
from polyscene.recommenders.fusion.features import MIN_PEAK, USER_FACTS, Features, Signals
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.second_look import RERANKED, second_look
from polyscene.recommenders.fusion.stream import Learners, living
from polyscene.recommenders.fusion.training import Example, examples
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence
from polyscene.training.loop import Curve, fit

HELD_OUT_SHARE = 0.2
"""The share of the people whose choices the fusion is judged on and does not learn from."""
MAX_JUDGED = 2000
"""At most so many held-out choices decide between the fusion and the best signal."""
MAX_MEASURED = 256
"""The signals' scales are measured on at most so many requests."""
ENOUGH_HELD_OUT = 200
"""With fewer held-out choices of the split's own, earlier ones help to tell better weights from worse."""
MIN_CHOICES = 30
"""A scenario with fewer choices to learn from gets no weights of its own, and its best signal alone."""
TUNING_RATE = 1e-3
EARLIER = "with earlier choices"
"""The curve of the training that goes on with them."""
MAX_PASSES = 24_000
"""Own and earlier choices are gone through so often that no more than about so many are learned from anew."""
MIN_MORE_EPOCHS = 3
MIN_SPREAD = 0.05
"""What varies less than this while the fusion learns is not standardised."""


@dataclass(frozen=True)
class FusionData:
    """One scenario's signals fitted on the past, and the choices after it.

    Attributes:
        training: choices to learn from.
        held_out: choices of other people, which decide when to stop: the split's own first.
        judged: the split's own of them, at most `MAX_JUDGED`, to be ranked over the whole catalogue.
        reranker: of the text ranker, where there is one.
        held_people: codes of the users who are held out.
        earlier: choices to learn from that lie before the split's own.
        earlier_seconds: what these took.
        n_own: how many of the choices, held out or not, are the split's own.
        strangers: some of the choices to learn from, as if nothing was known of who made them.
    """

    signals: Signals
    features: Features
    training: list[Example]
    held_out: list[Example]
    judged: Choices
    reranker: Reranker | None = None
    held_people: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    earlier: Sequence[Example] = ()
    earlier_seconds: float = 0.0
    n_own: int = 0
    strangers: Sequence[Example] = ()

    @property
    def enough(self) -> bool:
        """Return whether a fusion can learn from so many choices."""
        return bool(self.training) and len(self.taught) >= MIN_CHOICES

    @property
    def taught(self) -> list[Example]:
        """Return every choice to learn from, earlier ones too."""
        return [*self.training, *self.earlier]

    def without(self, place: int) -> FusionData:
        """Return the same without the signal at a place, as if it had said nothing of any choice."""
        for example in (*self.examples, *self.strangers):
            example.signals[place], example.peaks[place] = 0.0, MIN_PEAK
            example.user[USER_FACTS + place] = np.log1p(MIN_PEAK)
        signals = [None if number == place else one for number, one in enumerate(self.signals)]
        return replace(self, signals=signals)

    @property
    def examples(self) -> list[Example]:
        """Return every choice, held out or not."""
        return [*self.taught, *self.held_out]


@dataclass(frozen=True)
class PastSignals:
    """One scenario's signals as they were fitted before the choices that the fusion learns from.

    Attributes:
        names: of all signals, in the network's order.
        signals: fitted on the evidence, in that order.
        reranker: of the text ranker, where there is one.
    """

    names: Sequence[str]
    signals: Signals
    evidence: Evidence
    reranker: Reranker | None = None


def fusion_data(
    data: TrainingData, name: str, past: PastSignals, settings: Settings, progress: Progress
) -> FusionData:
    """Return what one scenario's fusion learns from and is judged on.

    Args:
        name: of the scenario.
        past: its signals, which know nothing of the choices.
    """
    limits = settings.fusion
    choices = data.folds.tune(name, limits.max_choices, derived(data.seed, "fusion", name)).choices
    stream = generator(data.seed, "fusion", name)
    held = held_out_rows(choices.queries.user, stream)
    scored = examples_of(data, name, past, choices, held, settings, stream, progress)
    sample = stream.permutation(np.flatnonzero(held))[:MAX_JUDGED]
    people, learned = np.unique(choices.queries.user[held]), choices.pick(np.flatnonzero(~held))
    return FusionData(
        past.signals,
        scored.features,
        scored.training,
        scored.held_out,
        choices.pick(np.sort(sample) if data.learns_on else sample),
        past.reranker,
        people,
        n_own=len(choices),
        strangers=_of_strangers(data, name, past, learned, scored.features, limits),
    )


def _of_strangers(
    data: TrainingData,
    name: str,
    past: PastSignals,
    learned: Choices,
    features: Features,
    limits: FusionSettings,
) -> list[Example]:
    """Return some choices again, as if nobody was known; none where a reader looks twice."""
    if data.learns_on or past.reranker is not None or not len(learned):
        return []
    draws = generator(data.seed, "strangers", name)
    unknown = strangers(learned, limits.strangers, draws)
    full, share = past.evidence.n_items <= limits.max_catalogue, new_share(data, name, past.evidence)
    blocks = examples(features, past.signals, unknown, full, draws, hide_seen=False, new_share=share)
    return list(itertools.chain.from_iterable(blocks))


@dataclass(frozen=True)
class ScoredChoices:
    """Choices as examples, on both sides, and the features that made them."""

    features: Features
    training: list[Example]
    held_out: list[Example]


def examples_of(
    data: TrainingData,
    name: str,
    past: PastSignals,
    choices: Choices,
    held: BoolArray,
    settings: Settings,
    stream: np.random.Generator,
    progress: Progress,
) -> ScoredChoices:
    """Let a scenario's signals score the candidates of choices that they know nothing of.

    Args:
        name: of the scenario.
        held: (n,) which of the choices are held out.
    """
    learned, judged = np.flatnonzero(~held), np.flatnonzero(held)
    features, signals, learn = data.features(past.evidence), past.signals, None
    features.measure(signals, choices.queries.pick(stream.permutation(learned)[:MAX_MEASURED]))
    parts = [learned, judged]
    if data.learns_on:
        signals, parts = living(signals, past.evidence.space), [np.arange(len(choices))]
        learn = data.stream(name, Learners(features, signals)).learn_before
    full = past.evidence.n_items <= settings.fusion.max_catalogue
    reread = None
    if past.reranker is not None:
        reread = second_look(past.reranker, features, past.names.index(RERANKED))
    share = new_share(data, name, past.evidence)
    scored: dict[int, Example] = {}
    unseen = data.hide_seen[name]
    with progress.track(f"{name}: choices", len(choices), "choices") as advance:
        for rows in parts:
            chosen, order = choices.pick(rows), iter(rows.tolist())
            for batch in examples(features, signals, chosen, full, stream, unseen, reread, share, learn):
                scored |= zip(itertools.islice(order, len(batch)), batch, strict=True)
                advance(len(batch))
    untaught = data.features(past.evidence)
    untaught.scales = features.scales
    return ScoredChoices(untaught, *([scored[int(row)] for row in side] for side in (learned, judged)))


def held_out_rows(user: IntArray, stream: np.random.Generator) -> BoolArray:
    """Return (n,) True for the choices of a fifth of the users: a person is on one side only."""
    people = np.unique(user)
    size = max(int(len(people) * HELD_OUT_SHARE), min(len(people), 1))
    return np.isin(user, stream.choice(people, size, replace=False))


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
        people = np.array([example.person for example in fusion_data.held_out])
        n_own = fusion_data.n_own - len(fusion_data.training)
        return cls(bootstrap_interval(differences, people), float(differences[:n_own].sum()) / max(n_own, 1))


@dataclass(frozen=True)
class TrainedFusion:
    """What came of training.

    Attributes:
        networks: of every scenario.
        curves: of the trainings.
        gains: by scenario, where there were earlier choices.
    """

    networks: dict[str, FusionNetwork]
    curves: dict[str, Curve]
    gains: Mapping[str, EarlierGain] = field(default_factory=dict)

    @property
    def earlier_kept(self) -> bool:
        """Return whether the networks hold what earlier choices taught.

        They must make some scenario better beyond its interval, and none worse on the split's own choices.
        """
        sure = [gain for gain in self.gains.values() if gain.every.low > 0]
        return bool(sure) and all(gain.own >= 0 for gain in self.gains.values())


def train_fusion(
    fusion_datas: Mapping[str, FusionData],
    n_signals: int,
    settings: Settings,
    seed: int,
    progress: Progress,
    minutes: float | None = None,
) -> TrainedFusion:
    """Train one network on all scenarios, `L = Σ_s λ_s L_s`, then tune a copy of it for each.

    Where there are earlier choices the network goes on with them. The signals saw less then, and what people
    chose may have been another thing: the weights before are put back unless those after are surely better,
    see `TrainedFusion.earlier_kept`.

    Args:
        fusion_datas: by scenario, in the order of their numbers.
        minutes: that each of the trainings may last.
    """
    torch.manual_seed(derived(seed, "network") % 2**31)
    numbers = {name: number for number, name in enumerate(fusion_datas)}
    widths = next(iter(fusion_datas.values())).features.widths
    shared = FusionNetwork(n_signals, len(numbers), settings.fusion.hidden, *widths)
    _standardise_context(shared, fusion_datas)
    able = {name: fusion_data for name, fusion_data in fusion_datas.items() if fusion_data.enough}
    trained = TrainedFusion(dict.fromkeys(numbers, shared), {})
    stream = generator(seed, "training")
    if able:
        learners = {name: _learner(shared, numbers[name], able[name]) for name in able}
        weights = {name: settings.scenarios[name].weight for name in able}
        plan = fusion_plan(settings.fusion.epochs, "fusion: together", minutes=minutes)
        trained.curves["all scenarios"] = fit(learners, weights, plan, stream, progress)
        if any(fusion_data.earlier for fusion_data in able.values()):
            epochs = _more_epochs(able, settings.fusion.epochs)
            plan = fusion_plan(epochs, "fusion: with earlier choices", minutes=minutes)
            learners = {name: _learner(shared, numbers[name], able[name], earlier=True) for name in able}
            before = _copy(shared).state_dict()
            losses = {name: learner.losses() for name, learner in learners.items()}
            trained.curves[EARLIER] = fit(learners, weights, plan, stream, progress)
            gains = {name: losses[name] - learner.losses() for name, learner in learners.items()}
            trained = replace(trained, gains={name: EarlierGain.of(gains[name], able[name]) for name in able})
            if not trained.earlier_kept:
                shared.load_state_dict(before)
    for name in able if len(able) > 1 else ():
        plan = fusion_plan(max(settings.fusion.epochs // 2, 1), f"fusion: {name}", TUNING_RATE, minutes)
        trained.networks[name] = _copy(shared)
        learners = {name: _learner(trained.networks[name], numbers[name], able[name])}
        trained.curves[name] = fit(learners, {name: 1.0}, plan, stream, progress)
    return trained


def _more_epochs(fusion_datas: Mapping[str, FusionData], epochs: int) -> int:
    """Return how often all choices are gone through: half as often as the own ones, less where many are."""
    choices = sum(len(one.training) + len(one.earlier) for one in fusion_datas.values())
    return max(min(epochs // 2, max(MAX_PASSES // choices, MIN_MORE_EPOCHS)), 1)


def _learner(
    network: FusionNetwork, number: int, fusion_data: FusionData, earlier: bool = False
) -> FusionLearner:
    training = [*fusion_data.training, *fusion_data.strangers, *(fusion_data.earlier if earlier else ())]
    return FusionLearner(network, number, training, fusion_data.held_out)


def _copy(network: FusionNetwork) -> FusionNetwork:
    facts = network.user_facts, network.pair_facts
    copy = FusionNetwork(network.n_signals, network.n_scenarios, network.hidden, *facts)
    copy.load_state_dict(network.state_dict())
    return copy


def _standardise_context(network: FusionNetwork, fusion_datas: Mapping[str, FusionData]) -> None:
    """Standardise the context by what the training choices show; the one-hot code stays as it is.

    What never varied while learning, as the best popularity, is not blown up: it differs after the refit.
    """
    rows = [example.user for fusion_data in fusion_datas.values() for example in fusion_data.training]
    if rows:
        context = torch.from_numpy(np.stack(rows))
        network.context_mean[: context.shape[1]] = context.mean(dim=0)
        spread = context.std(dim=0, unbiased=False)
        network.context_spread[: context.shape[1]] = torch.where(spread > MIN_SPREAD, spread, 1.0)
