"""How the fusion learns: from choices that the signals have not learned from, for all scenarios and for each.

Where it does not reach the best signal on people held out, that signal is used alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.project import Settings
from polyscene.core.types import BoolArray, IntArray, LongArray
from polyscene.data.queries import Choices
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.learning.fusion_learner import FusionLearner, fusion_plan
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.recommenders.fusion.blocks import block_size
from polyscene.recommenders.fusion.features import Features, Signals
from polyscene.recommenders.fusion.fusion import RERANKED, Fusion, second_look
from polyscene.recommenders.fusion.network import FusionNetwork
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
MIN_CHOICES = 30
"""A scenario with fewer choices to learn from gets no weights of its own, and its best signal alone."""
TRUSTED = 500
"""A fusion that has learned from so many choices is given up only on evidence."""
TUNING_RATE = 1e-3
CUTOFF = 10
UNDECIDED = ": which of them is better is not told by these choices"
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

    @property
    def enough(self) -> bool:
        """Return whether a fusion can learn from so many choices."""
        return bool(self.training) and len(self.training) + len(self.earlier) >= MIN_CHOICES

    @property
    def examples(self) -> list[Example]:
        """Return every choice, held out or not."""
        return [*self.training, *self.held_out, *self.earlier]


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
    sample = choices.pick(stream.permutation(np.flatnonzero(held))[:MAX_JUDGED])
    people = np.unique(choices.queries.user[held])
    return FusionData(
        past.signals,
        scored.features,
        scored.training,
        scored.held_out,
        sample,
        past.reranker,
        people,
        n_own=len(choices),
    )


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
    features = Features.of(past.evidence)
    features.measure(past.signals, choices.queries.pick(stream.permutation(learned)[:MAX_MEASURED]))
    full = past.evidence.n_items <= settings.fusion.max_catalogue
    reread = None
    if past.reranker is not None:
        reread = second_look(past.reranker, features, past.names.index(RERANKED))
    share = new_share(data, name, past.evidence)
    parts: list[list[Example]] = []
    with progress.track(f"{name}: choices", len(choices), "choices") as advance:
        for rows in (learned, judged):
            part: list[Example] = []
            chosen = choices.pick(rows)
            for batch in examples(
                features, past.signals, chosen, full, stream, data.hide_seen[name], reread, share
            ):
                part += batch
                advance(len(batch))
            parts.append(part)
    return ScoredChoices(features, *parts)


def new_share(data: TrainingData, name: str, evidence: Evidence) -> float:
    """Return how many of the items without events count as there when a choice is made, in (0, 1].

    Where the split is a moment of time, a catalogue that does not say since when its items are there holds
    those of the future too. As many are taken to be there as will be new to the finished system.
    """
    if data.in_order or not evidence.n_items:
        return 1.0
    undated = data.since[name] == UNKNOWN_TIME
    then = undated & (np.bincount(evidence.positive.item, minlength=evidence.n_items) == 0)
    later = data.folds_of_split.learned(name, Phase.ALL)
    now = undated & (np.bincount(later.item, minlength=evidence.n_items) == 0)
    return min(1.0, max(int(now.sum()), 1) / max(int(then.sum()), 1))


def held_out_rows(user: IntArray, stream: np.random.Generator) -> BoolArray:
    """Return (n,) True for the choices of a fifth of the users: a person is on one side only."""
    people = np.unique(user)
    size = max(int(len(people) * HELD_OUT_SHARE), min(len(people), 1))
    return np.isin(user, stream.choice(people, size, replace=False))


def train_fusion(
    fusion_datas: Mapping[str, FusionData], n_signals: int, settings: Settings, seed: int, progress: Progress
) -> tuple[dict[str, FusionNetwork], dict[str, Curve]]:
    """Train one network on all scenarios, `L = Σ_s λ_s L_s`, then tune a copy of it for each.

    Where there are earlier choices the network goes on with them. The signals saw less then, and what people
    chose may have been another thing: the weights before are kept where those after are no better on the
    split's own choices held out.

    Args:
        fusion_datas: by scenario, in the order of their numbers.

    Returns:
        The network of every scenario, and the curves of the trainings.
    """
    torch.manual_seed(derived(seed, "network") % 2**31)
    numbers = {name: number for number, name in enumerate(fusion_datas)}
    shared = FusionNetwork(n_signals, len(numbers), settings.fusion.hidden)
    _standardise_context(shared, fusion_datas)
    able = {name: fusion_data for name, fusion_data in fusion_datas.items() if fusion_data.enough}
    networks, curves = dict.fromkeys(numbers, shared), {}
    stream = generator(seed, "training")
    if able:
        learners = {name: _learner(shared, numbers[name], able[name]) for name in able}
        weights = {name: settings.scenarios[name].weight for name in able}
        plan = fusion_plan(settings.fusion.epochs, "fusion: together")
        curves["all scenarios"] = fit(learners, weights, plan, stream, progress)
        if any(fusion_data.earlier for fusion_data in able.values()):
            learners = {name: _learner(shared, numbers[name], able[name], earlier=True) for name in able}
            plan = fusion_plan(_more_epochs(able, settings.fusion.epochs), "fusion: with earlier choices")
            curves[EARLIER] = fit(learners, weights, plan, stream, progress)
    if len(able) > 1:
        for name in able:
            plan = fusion_plan(max(settings.fusion.epochs // 2, 1), f"fusion: {name}", TUNING_RATE)
            networks[name] = _copy(shared)
            learners = {name: _learner(networks[name], numbers[name], able[name])}
            curves[name] = fit(learners, {name: 1.0}, plan, stream, progress)
    return networks, curves


def _more_epochs(fusion_datas: Mapping[str, FusionData], epochs: int) -> int:
    """Return how often all choices are gone through: half as often as the own ones, less where many are."""
    choices = sum(len(one.training) + len(one.earlier) for one in fusion_datas.values())
    return max(min(epochs // 2, max(MAX_PASSES // choices, MIN_MORE_EPOCHS)), 1)


def _learner(
    network: FusionNetwork, number: int, fusion_data: FusionData, earlier: bool = False
) -> FusionLearner:
    training = [*fusion_data.training, *(fusion_data.earlier if earlier else ())]
    return FusionLearner(network, number, training, fusion_data.held_out)


def _copy(network: FusionNetwork) -> FusionNetwork:
    copy = FusionNetwork(network.n_signals, network.n_scenarios, network.hidden)
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


def better_signal(fusion_data: FusionData, gains: Mapping[str, list[float]]) -> str | None:
    """Return the best signal where the fusion has not learned enough or does not reach it, else None.

    The best of many signals on a few choices is partly luck. So a fusion that has learned from many is given
    up only where it lies behind beyond the interval.

    Args:
        gains: of every held-out choice by model, as `held_out_gains` returns them.
    """
    means = mean_gains(gains)
    best = max((model for model in means if model != SYSTEM), key=means.__getitem__)
    if not fusion_data.enough:
        return best
    if means[SYSTEM] >= means[best]:
        return None
    learned = len(fusion_data.training) + len(fusion_data.earlier)
    behind = paired_bootstrap(gains[SYSTEM], gains[best], fusion_data.judged.queries.user)
    return best if learned < TRUSTED or behind.excludes_zero else None


def mean_gains(gains: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the mean by model; 0 without choices."""
    return {model: float(np.mean(values)) if values else 0.0 for model, values in gains.items()}


def held_out_gains(fusion: Fusion, choices: Choices, blocks_mb: int) -> dict[str, list[float]]:
    """Return NDCG@10 of every choice by model, the whole catalogue ranked."""
    gains: dict[str, list[float]] = {model: [] for model in (SYSTEM, *fusion.fitted())}
    for rows, queries in choices.queries.blocks(block_size(fusion, blocks_mb)):
        open_ = fusion.open(queries)
        target: LongArray = choices.target[rows].astype(np.int64)
        open_[np.arange(len(target)), target] = True
        for model, scores in fusion.score_all(queries).items():
            gains[model] += ndcg(mid_ranks(scores, target, open_), CUTOFF).tolist()
    return gains


def used_alone_note(name: str, best: str, fusion_data: FusionData, gains: Mapping[str, list[float]]) -> str:
    """Return what is said where a signal is used alone: on how many choices, and whether they tell anything.

    Args:
        gains: by model, as `held_out_gains` returns them.
    """
    judged, learned = len(fusion_data.judged), len(fusion_data.training)
    head = f"{name}: '{best}' is used alone"
    if not judged:
        return f"{head}: no choice was held out, so nothing can be told; the fusion learned from {learned:,}"
    users = fusion_data.judged.queries.user
    mean = {model: float(np.mean(gains[model])) for model in (best, SYSTEM)}
    against = paired_bootstrap(gains[SYSTEM], gains[best], users)
    bounds = f" [{against.low:+.4f} to {against.high:+.4f}]" if against.known else ""
    few = f": {judged:,} choices are too few to tell anything" if judged < MIN_CHOICES else UNDECIDED
    verdict = "" if against.excludes_zero and judged >= MIN_CHOICES else few
    return (
        f"{head}: on {judged:,} held-out choices of {len(np.unique(users)):,} users it reached "
        f"NDCG@{CUTOFF} {mean[best]:.4f}, the fusion {mean[SYSTEM]:.4f} after {learned:,} choices; "
        f"difference {against.mean:+.4f}{bounds}{verdict}"
    )
