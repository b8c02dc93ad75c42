"""How a system learns: signals on the past, the fusion on what came after it, then signals on everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from polyscene.core.progress import Progress
from polyscene.core.settings.project import Settings
from polyscene.core.settings.signals import USUAL_SIGNALS
from polyscene.data.splits.phases import Phase
from polyscene.learning.fusion import (
    FusionData,
    PastSignals,
    better_signal,
    fusion_data,
    held_out_gains,
    mean_gains,
    train_fusion,
    used_alone_note,
)
from polyscene.learning.reranker import RerankerTrainer
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.features import Features, Signals
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.representation.item_space import ItemSpace
from polyscene.training.loop import Curve


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


def fit_system(
    data: TrainingData, settings: Settings, progress: Progress, readers: RerankerTrainer | None = None
) -> Fitted:
    """Fit every signal and the fusion of every scenario.

    Args:
        readers: trains what reads for each text ranker, on what that has learned from.
    """
    scenarios = list(data.dataset.scenarios)
    past = {name: data.evidence(name, Phase.PAST) for name in scenarios}
    usable = {name: usable_signals(settings.scenarios[name].signals, past[name]) for name in scenarios}
    names = [name for name in SIGNALS if any(name in wanted for wanted in usable.values())]
    fitter = _SignalFitter(data, names, usable, settings, progress, readers)
    fusion_datas: dict[str, FusionData] = {}
    for name in scenarios:
        evidence = past.pop(name)
        signals, reranker, _ = fitter.fit(name, evidence, Phase.PAST)
        known = PastSignals(names, signals, evidence, reranker)
        fusion_datas[name] = fusion_data(data, name, known, settings, progress)
    networks, curves = train_fusion(fusion_datas, len(names), settings, data.seed, progress)
    fitted = Fitted({}, {name: data.space(name, Phase.ALL) for name in scenarios}, curves)
    for name in scenarios:
        fitted.notes += left_out_notes(name, settings.scenarios[name].signals, usable[name])
    for number, (name, learned) in enumerate(fusion_datas.items()):
        fusion = Fusion(
            names,
            learned.signals,
            learned.features,
            networks[name].fitted(),
            number,
            data.hide_seen[name],
            reranker=learned.reranker,
        )
        gains = held_out_gains(fusion, learned.judged, settings.runtime.blocks_mb)
        validation = fitted.validation[name] = mean_gains(gains)
        fallback = better_signal(learned, validation)
        if fallback is not None:
            fitted.notes.append(used_alone_note(name, fallback, learned, gains))
        evidence = data.evidence(name, Phase.ALL)
        signals, reranker, notes = fitter.fit(name, evidence, Phase.ALL)
        fitted.notes += notes
        features = Features.of(evidence)
        features.scales = learned.features.scales
        fitted.fusions[name] = Fusion(
            names, signals, features, fusion.weights, number, fusion.hide_seen, fallback, reranker
        )
    return fitted


def usable_signals(wanted: Sequence[str], evidence: Evidence) -> list[str]:
    """Return the wanted signals that have something to learn from; popularity where there is none."""
    usable = [name for name in SIGNALS if name in wanted and evidence.meets(SIGNALS[name].needs)]
    return usable or ["popularity"]


def left_out_notes(name: str, wanted: Sequence[str], usable: Sequence[str]) -> list[str]:
    """Return what is told of signals that a scenario lists by hand and that lack what they need.

    Args:
        name: of the scenario.
    """
    absent = [signal for signal in wanted if signal not in usable and signal not in USUAL_SIGNALS]
    needs = {signal: " and ".join(sorted(SIGNALS[signal].needs)) for signal in absent}
    return [f"{name}: '{signal}' is left out: it needs {needs[signal]}" for signal in absent]


@dataclass(frozen=True)
class _SignalFitter:
    """Fits every scenario's usable signals, once for each phase, in the fusion's order."""

    data: TrainingData
    names: Sequence[str]
    usable: dict[str, list[str]]
    settings: Settings
    progress: Progress
    readers: RerankerTrainer | None

    def fit(self, name: str, evidence: Evidence, phase: Phase) -> tuple[Signals, Reranker | None, list[str]]:
        """Return one scenario's signals, the reranker of its text ranker, and what to tell of it."""
        signals: dict[str, Signal] = {}
        label = f"{name}: {phase.value}: signals"
        with self.progress.track(label, len(self.usable[name]), "signals") as advance:
            for signal in self.usable[name]:
                kind = SIGNALS[signal]
                signals[signal] = kind(self.settings.signal(signal)).fit(evidence)
                advance(1)
        ordered = [signals.get(signal) for signal in self.names]
        return ordered, *self._reranker(name, ordered, evidence)

    def _reranker(self, name: str, signals: Signals, evidence: Evidence) -> tuple[Reranker | None, list[str]]:
        """Let the language model read for a text ranker among the signals; return what to tell of it."""
        if self.readers is None:
            return None, []
        texts, unseen = self.data.dataset.scenarios[name].catalogue.text, self.data.hide_seen[name]
        return self.readers.trained(name, signals, evidence, texts, unseen, self.progress)
