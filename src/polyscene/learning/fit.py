"""How a system learns: signals on the past, the fusion on what came after it, then signals on everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.project import Settings
from polyscene.core.types import LongArray
from polyscene.data.queries import Choices
from polyscene.learning.fusion import FusionLearner, fusion_plan
from polyscene.learning.reranker import RerankerTrainer
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.recommenders.fusion.features import Features, Signals
from polyscene.recommenders.fusion.fusion import RERANKED, Fusion, second_look
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example, examples
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence, Signal, SignalSettings
from polyscene.representation.item_space import ItemSpace
from polyscene.training.loop import Curve, fit

HELD_OUT = 0.2
JUDGED = 2000
MEASURED = 256
FEWEST = 30
TUNING_RATE = 1e-3
CUTOFF = 10
CONSTANT = 0.05


@dataclass
class Fitted:
    """What came out of fitting.

    Attributes:
        fusions: by scenario, with their signals fitted on everything that may be learned from.
        spaces: the items' vectors by scenario, as those signals see them.
        curves: of the joint training and of each scenario's own.
        validation: NDCG@10 by scenario and model on the choices held out from the fusion's training.
        notes: what a user should know, each a sentence.
    """

    fusions: dict[str, Fusion]
    spaces: dict[str, ItemSpace] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    validation: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _FusionData:
    """One scenario's signals fitted on the past, and the choices after it: to learn from and held out."""

    signals: Signals
    features: Features
    training: list[Example]
    held_out: list[Example]
    judged: Choices
    reranker: Reranker | None


def fit_system(
    ground: TrainingData, settings: Settings, progress: Progress, readers: RerankerTrainer | None = None
) -> Fitted:
    """Fit every signal and the fusion of every scenario.

    Args:
        readers: teach a reader for each text ranker, on what that has learned from.
    """
    evidence = {name: ground.evidence(name, tuning=True) for name in ground.dataset.scenarios}
    usable = {name: _usable(settings.scenarios[name].signals, facts) for name, facts in evidence.items()}
    names = [name for name in SIGNALS if any(name in wanted for wanted in usable.values())]
    places = {name: place for place, name in enumerate(ground.dataset.scenarios)}
    lessons = {}
    for name in places:
        label = f"{name}: past events"
        past = evidence.pop(name)
        signals = _signals(names, usable[name], past, settings, progress, label)
        reranker, _ = _reranker(readers, ground, name, signals, past, progress)
        lessons[name] = _lesson(ground, name, names, signals, reranker, settings, progress)
    networks, curves = _learn(lessons, places, names, settings, ground.seed, progress)
    spaces = {name: ground.space(name, tuning=False) for name in places}
    fitted = Fitted({}, spaces, curves)
    for name, lesson in lessons.items():
        tuned = Fusion(
            names,
            lesson.signals,
            lesson.features,
            networks[name].fitted(),
            places[name],
            ground.hide_seen[name],
            reranker=lesson.reranker,
        )
        tuned.fallback = _fallback(tuned, lesson, fitted, name, settings.runtime.blocks_mb)
        everything = ground.evidence(name, tuning=False)
        signals = _signals(names, usable[name], everything, settings, progress, f"{name}: all events")
        reranker, notes = _reranker(readers, ground, name, signals, everything, progress)
        fitted.notes += notes
        features = Features.of(everything)
        features.scales = lesson.features.scales
        fitted.fusions[name] = Fusion(
            names,
            signals,
            features,
            tuned.weights,
            places[name],
            tuned.hide_seen,
            tuned.fallback,
            reranker,
        )
    return fitted


def _usable(wanted: Sequence[str], evidence: Evidence) -> list[str]:
    """Return the wanted signals that the evidence can feed; popularity where there is none."""
    fed: list[str] = [name for name in SIGNALS if name in wanted and evidence.meets(SIGNALS[name].needs)]
    return fed or ["popularity"]


def _signals(
    names: Sequence[str],
    usable: Sequence[str],
    evidence: Evidence,
    settings: Settings,
    progress: Progress,
    label: str,
) -> list[Signal | None]:
    """Fit the usable signals, in the fusion's order."""
    fitted: dict[str, Signal] = {}
    with progress.track(f"{label}: signals", len(usable), "signals") as advance:
        for name in usable:
            fitted[name] = SIGNALS[name](signal_settings(settings, name)).fit(evidence)
            advance(1)
    return [fitted.get(name) for name in names]


def signal_settings(settings: Settings, name: str) -> SignalSettings:
    """Return the hyperparameters of a signal as the project sets them."""
    return SIGNALS[name].Settings(**settings.signals.get(name, {}))


def _reranker(
    readers: RerankerTrainer | None,
    ground: TrainingData,
    name: str,
    signals: Signals,
    evidence: Evidence,
    progress: Progress,
) -> tuple[Reranker | None, list[str]]:
    """Teach a reranker for a text ranker among the fitted signals; return it, and what to tell of it."""
    if readers is None:
        return None, []
    texts, unseen = ground.dataset.scenarios[name].catalogue.text, ground.hide_seen[name]
    return readers.trained(name, signals, evidence, texts, unseen, progress)


def _lesson(
    ground: TrainingData,
    name: str,
    names: Sequence[str],
    signals: Signals,
    reranker: Reranker | None,
    settings: Settings,
    progress: Progress,
) -> _FusionData:
    evidence = ground.evidence(name, tuning=True)
    seed = derived(ground.seed, "fusion", name)
    fold = ground.folds.tune(name, settings.fusion.max_choices, seed)
    stream = generator(ground.seed, "fusion", name)
    rows = np.arange(len(fold.choices))
    held = _held_out(fold.choices.queries.user[rows], stream)
    features = Features.of(evidence)
    features.measure(signals, fold.choices.queries.pick(stream.permutation(rows[~held])[:MEASURED]))
    full = evidence.n_items <= settings.fusion.max_catalogue
    reread = None if reranker is None else second_look(reranker, features, names.index(RERANKED))
    made = []
    with progress.track(f"{name}: choices", len(rows), "choices") as advance:
        for part in (rows[~held], rows[held]):
            found: list[Example] = []
            chosen = fold.choices.pick(part)
            for some in examples(features, signals, chosen, full, stream, ground.hide_seen[name], reread):
                found += some
                advance(len(some))
            made.append(found)
    judged = fold.choices.pick(stream.permutation(rows[held])[:JUDGED])
    return _FusionData(signals, features, made[0], made[1], judged, reranker)


def _held_out(user: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Return (n,) True for a fifth of the users: a person is on one side only."""
    people = np.unique(user)
    away = stream.choice(people, max(int(len(people) * HELD_OUT), min(len(people), 1)), replace=False)
    return np.isin(user, away)


def _learn(
    lessons: Mapping[str, _FusionData],
    places: Mapping[str, int],
    names: Sequence[str],
    settings: Settings,
    seed: int,
    progress: Progress,
) -> tuple[dict[str, FusionNetwork], dict[str, Curve]]:
    """Train one network on all scenarios, then tune a copy of it for each."""
    torch.manual_seed(derived(seed, "network") % 2**31)
    shared = FusionNetwork(len(names), len(places), settings.fusion.hidden)
    _measure_context(shared, lessons, places)
    able = {name: lesson for name, lesson in lessons.items() if len(lesson.training) >= FEWEST}
    shares = {name: settings.scenarios[name].weight for name in able}
    stream = generator(seed, "training")
    curves = {}
    if able:
        learners = {
            name: FusionLearner(shared, places[name], lesson.training, lesson.held_out)
            for name, lesson in able.items()
        }
        plan = fusion_plan(settings.fusion.epochs, "fusion: together")
        curves["all scenarios"] = fit(learners, shares, plan, stream, progress)
    networks = dict.fromkeys(places, shared)
    if len(able) > 1:
        for name, lesson in able.items():
            own = FusionNetwork(len(names), len(places), settings.fusion.hidden)
            own.load_state_dict(shared.state_dict())
            learner = FusionLearner(own, places[name], lesson.training, lesson.held_out)
            plan = fusion_plan(max(settings.fusion.epochs // 2, 1), f"fusion: {name}", TUNING_RATE)
            curves[name] = fit({name: learner}, {name: 1.0}, plan, stream, progress)
            networks[name] = own
    return networks, curves


def _measure_context(
    network: FusionNetwork, lessons: Mapping[str, _FusionData], places: Mapping[str, int]
) -> None:
    """Standardise the context by what the training choices show; the one-hot code stays as it is.

    What never varied while learning, as the best popularity, is not blown up: it differs after the refit.
    """
    rows = [example.user for lesson in lessons.values() for example in lesson.training]
    if rows:
        context = torch.from_numpy(np.stack(rows))
        network.context_mean[: context.shape[1]] = context.mean(dim=0)
        spread = context.std(dim=0, unbiased=False)
        network.context_spread[: context.shape[1]] = torch.where(spread > CONSTANT, spread, 1.0)


def _fallback(fusion: Fusion, lesson: _FusionData, fitted: Fitted, name: str, blocks_mb: int) -> str | None:
    """Return the best signal where the fusion does not reach it on held-out choices, else None."""
    found = fitted.validation[name] = validated(fusion, lesson.judged, blocks_mb)
    signals = {model: value for model, value in found.items() if model != "polyscene"}
    best = max(signals, key=lambda model: signals[model])
    if len(lesson.training) >= FEWEST and found["polyscene"] >= signals[best]:
        return None
    fitted.notes.append(
        f"{name}: '{best}' speaks alone: on {len(lesson.judged)} held-out choices it reached NDCG@10 "
        f"{signals[best]:.4f}, the fusion {found['polyscene']:.4f} after {len(lesson.training)} choices"
    )
    return best


def validated(fusion: Fusion, choices: Choices, blocks_mb: int) -> dict[str, float]:
    """Return NDCG@10 by model over the choices, the whole catalogue ranked."""
    gains: dict[str, list[float]] = {"polyscene": []}
    for name, signal in zip(fusion.names, fusion.signals, strict=True):
        if signal is not None:
            gains[name] = []
    for rows, queries in choices.queries.blocks(block_size(fusion, blocks_mb)):
        open_ = fusion.open(queries)
        target: LongArray = choices.target[rows].astype(np.int64)
        open_[np.arange(len(target)), target] = True
        for model, scores in fusion.score_all(queries).items():
            gains[model] += ndcg(mid_ranks(scores, target, open_), CUTOFF).tolist()
    return {model: float(np.mean(values)) if values else 0.0 for model, values in gains.items()}


def block_size(fusion: Fusion, blocks_mb: int) -> int:
    """Return how many requests fit into one block of the given size."""
    return max(1, min(512, blocks_mb * 2**20 // fusion.row_bytes))
