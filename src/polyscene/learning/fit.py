"""How a system learns: signals on the past, the fusion on what came after it, then signals on everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from polyscene.core.progress import Progress
from polyscene.core.settings.fusion import FusionSettings
from polyscene.core.settings.project import Settings
from polyscene.data.splits.parts import Parts
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.importance import ScenarioImportance
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.significance import Interval
from polyscene.evaluation.transfer import TransferMatrix
from polyscene.learning.choice_calibration import choice_calibration
from polyscene.learning.earlier_choices import with_earlier_choices
from polyscene.learning.fallback import (
    Comparison,
    better_signal,
    compared,
    held_out_gains,
    mean_gains,
    used_alone_note,
)
from polyscene.learning.fusion import MIN_CHOICES, FusionData, PastSignals, fusion_data
from polyscene.learning.fusion_training import TrainedFusion, train_fusion, training_notes
from polyscene.learning.importance import NOT_WHILE_LEARNING, Measuring, fit_seconds, held_out_importance
from polyscene.learning.multitask import joint_trainer
from polyscene.learning.new_items import Lift, fair_lift
from polyscene.learning.new_scenarios import Alone, chosen_alone, lent, met_new
from polyscene.learning.reranker import RerankerTrainer
from polyscene.learning.signal_fitter import SignalFitter, left_out_notes, usable_signals
from polyscene.learning.time_budget import REFIT_SHARE, TimeBudget
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.inference import FusionWeights
from polyscene.recommenders.fusion.moving import MovingWeights
from polyscene.recommenders.registry import SIGNALS
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
    data = replace(data, joint=joint_trainer(settings, progress))
    scenarios = list(data.dataset.scenarios)
    past = {name: data.evidence(name, Phase.PAST) for name in scenarios}
    usable = {name: usable_signals(settings.scenarios[name].signals, past[name]) for name in scenarios}
    names = [name for name in SIGNALS if any(name in wanted for wanted in usable.values())]
    fitter = SignalFitter(data, names, usable, settings, progress, readers, budget)
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
    fitted.curves |= trained.curves
    fitted.notes += training_notes(fusion_datas, trained)
    rest = _AfterTraining(data, settings, fitter, fusion_datas, trained, fitted)
    for name in scenarios:
        fusion = rest.judged(name)
        fitted.fusions[name] = rest.refitted(name, fusion)
        if importance is not None and data.learns_on:
            fitted.notes.append(f"{name}: {NOT_WHILE_LEARNING}")
        elif importance is not None:
            seconds = fit_seconds(budget.parts, name)
            fitted.importance[name] = held_out_importance(
                name, fusion, fusion_datas[name].judged, seconds, importance, progress
            )
    if data.joint_of_all is not None:
        fitted.notes += data.joint_of_all.notes
        fitted.transfer = data.joint_of_all.transfer
    return fitted


@dataclass(frozen=True)
class _AfterTraining:
    """What follows the training of the networks: each fusion is judged, and served with signals fitted anew.

    Attributes:
        fitted: gets figures, facts and notes.
    """

    data: TrainingData
    settings: Settings
    fitter: SignalFitter
    fusion_datas: Mapping[str, FusionData]
    trained: TrainedFusion
    fitted: Fitted

    def judged(self, name: str) -> Fusion:
        """Return a scenario's fusion over the signals of the past, with what held-out choices say of it.

        They say how far new items are lifted, whether a signal alone is better and what scores are worth as
        probabilities.
        """
        learned, network, number = self.fusion_datas[name], self.trained.networks[name], self._number(name)
        wanted = self.settings.fusion.new_items == "fair" and learned.enough
        lift = fair_lift(network, number, learned.examples) if wanted else Lift(0.0, 0)
        kept = name in self.trained.earlier_kept
        self.fitted.facts[name] = _facts(learned, lift, kept, self.trained.joint.get(name))
        weights = network.fitted().lifted(lift.size, lift.fade)
        hide_seen = self.data.hide_seen[name]
        names, features = self.fitter.names, learned.features
        fusion = Fusion(
            names, learned.signals, features, weights, number, hide_seen, reranker=learned.reranker
        )
        learn = self.data.stream(name, fusion).learn_before if self.data.learns_on else None
        gains = held_out_gains(fusion, learned.judged, self.settings.runtime.blocks_mb, learn)
        self.fitted.validation[name] = mean_gains(gains)
        comparison = compared(learned, network, number, (lift.size, lift.fade), names, gains)
        own = learned if kept else replace(learned, earlier=())
        answers = self._answering(name, own, comparison)
        self.fitted.notes += answers.notes
        if answers.known != SYSTEM:
            self.fitted.notes.append(used_alone_note(name, answers.known, own, comparison))
        elif lift.new_choices:
            self.fitted.notes.append(lift.note(name))
        fusion.fallback = None if answers.known == SYSTEM else answers.known
        fusion.fallback_of_new = None if answers.new == answers.known else answers.new
        calibration = choice_calibration(fusion, learned)
        self.fitted.notes.append(calibration.note(name))
        fusion.weights = fusion.weights.tempered(calibration.temperatures)
        return fusion

    def _answering(self, name: str, own: FusionData, comparison: Comparison) -> Alone:
        """Return whether the whole or a signal alone answers, for people who are known and who are new."""
        answering = better_signal(own, comparison) or SYSTEM
        if answering == SYSTEM and (len(self.fusion_datas) == 1 or met_new(own) >= MIN_CHOICES):
            return Alone(answering, answering)
        usable, learned = self.fitter.usable[name], self.fusion_datas[name]
        elsewhere = lent(self.data, name, usable, self.fusion_datas, self.settings)
        decided = answering if own.enough else None
        return chosen_alone(name, usable, learned, self.fitter.names, elsewhere, decided)

    def refitted(self, name: str, fusion: Fusion) -> Fusion:
        """Return the same fusion over signals fitted on everything that may be learned from."""
        evidence = self.data.evidence(name, Phase.ALL)
        signals, reranker, notes = self.fitter.fit(name, evidence, Phase.ALL)
        self.fitted.notes += notes
        features = self.data.features(evidence)
        features.scales = fusion.features.scales
        return Fusion(
            self.fitter.names,
            signals,
            features,
            fusion.weights,
            self._number(name),
            fusion.hide_seen,
            fusion.fallback,
            reranker,
            moving_weights(fusion.weights, self.settings.fusion),
            fusion.fallback_of_new,
        )

    def _number(self, name: str) -> int:
        return list(self.fusion_datas).index(name)


def moving_weights(weights: FusionWeights, settings: FusionSettings) -> MovingWeights | None:
    """Return what moves the weights with the stream; None where they are to stand still."""
    return MovingWeights(len(weights.arrays["base"]), settings.online_every) if settings.online else None


def _facts(learned: FusionData, lift: Lift, kept: bool, joint: Interval | None) -> dict[str, Any]:
    """Return what a run's manifest says of how one scenario's fusion learned.

    Args:
        kept: whether it holds what earlier choices taught.
        joint: how much smaller learning with the other scenarios made its loss; None: there are none.
    """
    return {
        "choices": learned.n_own,
        "earlier_choices": len(learned.examples) - learned.n_own,
        "earlier_kept": kept,
        "earlier_seconds": round(learned.earlier_seconds, 1),
        "new_items": asdict(lift),
    } | ({} if joint is None else {"joint_gain": joint.mean, "joint_kept": joint.mean >= 0})
