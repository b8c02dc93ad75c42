"""Fits every scenario's signals, once for each phase, and leaves out what takes too long for its worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from polyscene.core.progress import Progress
from polyscene.core.settings.project import Settings
from polyscene.core.settings.signals import USUAL_SIGNALS
from polyscene.data.splits.phases import Phase
from polyscene.learning.example_gains import signal_gains
from polyscene.learning.fusion import FusionData, PastSignals
from polyscene.learning.reranker import RerankerTrainer
from polyscene.learning.time_budget import REFIT_SHARE, TimeBudget, too_dear
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.features import Signals
from polyscene.recommenders.fusion.second_look import RERANKED
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence, Signal

PAST = Phase.PAST.value


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


def part_of(name: str, signal: str, when: str) -> str:
    """Return what the fitting of a signal is called in a budget of time."""
    return f"{name}: {signal}: {when}"


@dataclass(frozen=True)
class SignalFitter:
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
                with self.budget.measured(part_of(name, signal, when)):
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
        seconds = {one: sum(cost(part_of(one, signal, PAST)) for signal in self.names) for one in self.usable}
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
                    seconds[name, signal] = self.budget.cost(part_of(name, signal, PAST))
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
