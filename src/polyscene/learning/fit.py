"""How a system learns: signals on the past, the fusion on what came after it, then signals on everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from polyscene.core.progress import Progress
from polyscene.core.settings.fusion import FusionSettings
from polyscene.core.settings.project import Settings
from polyscene.core.settings.signals import USUAL_SIGNALS
from polyscene.data.splits.parts import Parts
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.importance import ScenarioImportance
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.transfer import TransferMatrix
from polyscene.learning.choice_calibration import choice_calibration
from polyscene.learning.earlier_choices import with_earlier_choices
from polyscene.learning.example_gains import signal_gains
from polyscene.learning.fallback import better_signal, compared, held_out_gains, mean_gains, used_alone_note
from polyscene.learning.fusion import (
    MIN_CHOICES,
    FusionData,
    PastSignals,
    TrainedFusion,
    fusion_data,
    train_fusion,
)
from polyscene.learning.importance import NOT_WHILE_LEARNING, Measuring, fit_seconds, held_out_importance
from polyscene.learning.multitask import joint_trainer
from polyscene.learning.new_items import Lift, fair_lift
from polyscene.learning.new_scenarios import Alone, chosen_alone, lent, met_new
from polyscene.learning.reranker import RerankerTrainer
from polyscene.learning.time_budget import REFIT_SHARE, TimeBudget, too_dear
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.features import Signals
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.inference import FusionWeights
from polyscene.recommenders.fusion.moving import MovingWeights
from polyscene.recommenders.fusion.second_look import RERANKED
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.representation.item_space import ItemSpace
from polyscene.training.loop import Curve

PAST = Phase.PAST.value


@dataclass
class Fitted:
    """What came out of fitting.

    Attributes:
        fusions: by scenario, with their signals fitted on everything that may be learned from.
        spaces: the items' vectors by scenario, as those signals see them.
        curves: of the joint training and of each scenario's own.
        validation: NDCG@10 by scenario and model on the choices held out from the fusion's training.
        notes: what a user should know, each a sentence.
        facts: by scenario, what taught the fusion, what earlier choices took, how far new items are lifted.
        transfer: what scenarios taught each other, where the signal `multitask` learned from several.
        importance: by scenario, what held-out choices say of every part, where that was asked for.
    """

    fusions: dict[str, Fusion]
    spaces: dict[str, ItemSpace] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    validation: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    transfer: TransferMatrix | None = None
    importance: dict[str, ScenarioImportance] = field(default_factory=dict)


def fit_system(
    data: TrainingData,
    settings: Settings,
    progress: Progress,
    readers: RerankerTrainer | None = None,
    cuts: Sequence[Mapping[str, Parts]] = (),
    budget: TimeBudget | None = None,
    importance: Measuring | None = None,
) -> Fitted:
    """Fit every signal and the fusion of every scenario.

    Args:
        cuts: the parts at cuts before the split's own, whose choices teach the fusion too.
        readers: trains what reads for each text ranker, on what that has learned from.
        budget: how long it may take; None: as long as it does.
        importance: how it is measured what every part carries; None: it is not.
    """
    budget = budget or TimeBudget()
    data = replace(data, joint=joint_trainer(settings))
    scenarios = list(data.dataset.scenarios)
    past = {name: data.evidence(name, Phase.PAST) for name in scenarios}
    usable = {name: usable_signals(settings.scenarios[name].signals, past[name]) for name in scenarios}
    names = [name for name in SIGNALS if any(name in wanted for wanted in usable.values())]
    fitter = _SignalFitter(data, names, usable, settings, progress, readers, budget)
    earlier = data.at_each(cuts)
    fusion_datas: dict[str, FusionData] = {}
    fitted = Fitted({}, {name: data.space(name, Phase.ALL) for name in scenarios})
    for name in scenarios:
        fitted.notes += left_out_notes(name, settings.scenarios[name].signals, usable[name])
        evidence = past.pop(name)
        signals, reranker, _ = fitter.fit(name, evidence, Phase.PAST)
        known = PastSignals(names, signals, evidence, reranker)
        learned = fusion_data(data, name, known, settings, progress)
        fusion_datas[name] = with_earlier_choices(
            learned, name, earlier, fitter.at, settings, progress, partial(fitter.time_for_cuts, name)
        )
    fitter.leave_out_dear(fusion_datas)
    minutes = budget.minutes((1 - REFIT_SHARE) / 2)
    trained = train_fusion(fusion_datas, len(names), settings, data.seed, progress, minutes)
    networks = trained.networks
    fitted.curves |= trained.curves
    if trained.gains:
        fitted.notes.append(earlier_note(fusion_datas, trained))
    for number, (name, learned) in enumerate(fusion_datas.items()):
        wanted = settings.fusion.new_items == "fair" and learned.enough
        lift = fair_lift(networks[name], number, learned.examples) if wanted else Lift(0.0, 0)
        fitted.facts[name] = _facts(learned, lift, trained.earlier_kept)
        fusion = Fusion(
            names,
            learned.signals,
            learned.features,
            networks[name].fitted().lifted(lift.size, lift.fade),
            number,
            data.hide_seen[name],
            reranker=learned.reranker,
        )
        learn = data.stream(name, fusion).learn_before if data.learns_on else None
        gains = held_out_gains(fusion, learned.judged, settings.runtime.blocks_mb, learn)
        fitted.validation[name] = mean_gains(gains)
        comparison = compared(learned, networks[name], number, (lift.size, lift.fade), names, gains)
        own = learned if trained.earlier_kept else replace(learned, earlier=())
        answering = better_signal(own, comparison) or SYSTEM
        answers = Alone(answering, answering)
        if answering != SYSTEM or (len(fusion_datas) > 1 and met_new(own) < MIN_CHOICES):
            usable_here = fitter.usable[name]
            elsewhere = lent(data, name, usable_here, fusion_datas, settings)
            decided = answering if own.enough else None
            answers = chosen_alone(name, usable_here, learned, names, elsewhere, decided)
        fitted.notes += answers.notes
        if answers.known != SYSTEM:
            fitted.notes.append(used_alone_note(name, answers.known, own, comparison))
        elif lift.new_choices:
            fitted.notes.append(lift.note(name))
        fusion.fallback = None if answers.known == SYSTEM else answers.known
        fusion.fallback_of_new = None if answers.new == answers.known else answers.new
        calibration = choice_calibration(fusion, learned)
        fitted.notes.append(calibration.note(name))
        evidence = data.evidence(name, Phase.ALL)
        signals, reranker, notes = fitter.fit(name, evidence, Phase.ALL)
        fitted.notes += notes
        features = data.features(evidence)
        features.scales = learned.features.scales
        fitted.fusions[name] = Fusion(
            names,
            signals,
            features,
            fusion.weights.tempered(calibration.temperatures),
            number,
            fusion.hide_seen,
            fusion.fallback,
            reranker,
            moving_weights(fusion.weights, settings.fusion),
            fusion.fallback_of_new,
        )
        if importance is not None and data.learns_on:
            fitted.notes.append(f"{name}: {NOT_WHILE_LEARNING}")
        elif importance is not None:
            seconds = fit_seconds(budget.parts, name)
            fitted.importance[name] = held_out_importance(
                name, fusion, learned.judged, seconds, importance, progress
            )
    if data.joint_of_all is not None:
        fitted.notes += data.joint_of_all.notes
        fitted.transfer = data.joint_of_all.transfer
    return fitted


def moving_weights(weights: FusionWeights, settings: FusionSettings) -> MovingWeights | None:
    """Return what moves the weights with the stream; None where they are to stand still."""
    return MovingWeights(len(weights.arrays["base"]), settings.online_every) if settings.online else None


def earlier_note(fusion_datas: Mapping[str, FusionData], trained: TrainedFusion) -> str:
    """Return what is said of the choices from before the split's own, and whether they helped."""
    counts = ", ".join(
        f"{name}: {learned.n_own:,} and {len(learned.examples) - learned.n_own:,} earlier ones"
        for name, learned in fusion_datas.items()
    )
    gains = ", ".join(
        f"{name} {-gain.every.mean:+.4f} [{-gain.every.high:+.4f} to {-gain.every.low:+.4f}]"
        for name, gain in trained.gains.items()
    )
    left_out = "" if trained.earlier_kept else ": not surely better, so the earlier ones are left out"
    return f"choices that the fusion learned from: {counts}; loss on those held out: {gains}{left_out}"


def _facts(learned: FusionData, lift: Lift, kept: bool) -> dict[str, Any]:
    """Return what a run's manifest says of how one scenario's fusion learned.

    Args:
        kept: whether it holds what earlier choices taught.
    """
    return {
        "choices": learned.n_own,
        "earlier_choices": len(learned.examples) - learned.n_own,
        "earlier_kept": kept,
        "earlier_seconds": round(learned.earlier_seconds, 1),
        "new_items": asdict(lift),
    }


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


def _part(name: str, signal: str, when: str) -> str:
    """Return what the fitting of a signal is called in a budget of time."""
    return f"{name}: {signal}: {when}"


@dataclass(frozen=True)
class _SignalFitter:
    """Fits every scenario's usable signals, once for each phase, in the fusion's order."""

    data: TrainingData
    names: Sequence[str]
    usable: dict[str, list[str]]
    settings: Settings
    progress: Progress
    readers: RerankerTrainer | None
    budget: TimeBudget
    when: str = ""

    def fit(self, name: str, evidence: Evidence, phase: Phase) -> tuple[Signals, Reranker | None, list[str]]:
        """Return one scenario's signals, the reranker of its text ranker, and what to tell of it."""
        signals: dict[str, Signal] = {}
        when = self.when or phase.value
        label = f"{name}: {phase.value}: signals"
        with self.progress.track(label, len(self.usable[name]), "signals") as advance:
            for signal in self.usable[name]:
                kind = SIGNALS[signal]
                with self.budget.measured(_part(name, signal, when)):
                    signals[signal] = kind(self.settings.signal(signal)).fit(evidence)
                advance(1)
        ordered = [signals.get(signal) for signal in self.names]
        return ordered, *self._reranker(name, ordered, evidence)

    def at(self, data: TrainingData, name: str) -> PastSignals:
        """Return one scenario's signals as they would have been fitted at an earlier cut."""
        evidence = data.evidence(name, Phase.PAST)
        usable = {**self.usable, name: self._still_usable(name, evidence)}
        able = replace(self, data=data, usable=usable, when="earlier")
        signals, reranker, _ = able.fit(name, evidence, Phase.PAST)
        return PastSignals(self.names, signals, evidence, reranker)

    def time_for_cuts(self, name: str, cuts: int) -> bool:
        """Return whether there is time for another cut, and for fitting everything anew after it.

        Args:
            cuts: that are left, to be told where there is none.
        """
        cost = self.budget.cost
        seconds = {one: sum(cost(_part(one, signal, PAST)) for signal in self.names) for one in self.usable}
        enough = REFIT_SHARE * (self.budget.left - seconds[name]) >= sum(seconds.values())
        if not enough:
            self.budget.leave_out(f"{name}: choices at {cuts} earlier cuts")
        return enough

    def leave_out_dear(self, fusion_datas: dict[str, FusionData]) -> None:
        """Leave out signals that cost most for their worth where fitting all anew would take too long."""
        if not self.budget.bounded:
            return
        seconds, worth = dict[tuple[str, str], float](), dict[tuple[str, str], float]()
        for name, learned in fusion_datas.items():
            gains = signal_gains(learned.examples, len(self.names))
            for signal in self.usable[name]:
                if signal != RERANKED:
                    place = self.names.index(signal)
                    seconds[name, signal] = self.budget.cost(_part(name, signal, PAST))
                    worth[name, signal] = float(gains[:, place].sum()) / max(len(gains), 1)
        for name, signal in too_dear(seconds, worth, REFIT_SHARE * self.budget.left):
            self.usable[name].remove(signal)
            fusion_datas[name] = fusion_datas[name].without(self.names.index(signal))
            cost, gain = seconds[name, signal], worth[name, signal]
            self.budget.leave_out(f"{name}: '{signal}', {cost:.1f} s for an NDCG@10 of {gain:.4f} alone")

    def _still_usable(self, name: str, evidence: Evidence) -> list[str]:
        return [signal for signal in self.usable[name] if evidence.meets(SIGNALS[signal].needs)]

    def _reranker(self, name: str, signals: Signals, evidence: Evidence) -> tuple[Reranker | None, list[str]]:
        """Let the language model read for a text ranker among the signals; return what to tell of it."""
        if self.readers is None:
            return None, []
        texts, unseen = self.data.dataset.scenarios[name].catalogue.text, self.data.hide_seen[name]
        return self.readers.trained(name, signals, evidence, texts, unseen, self.progress)
