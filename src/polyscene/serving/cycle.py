"""The nightly loop: from the log of a service to a run that answers in place of the live one, or does not.

The live run is brought to where the cycle cuts the log. The candidate learns on from there, or is trained on
all that the live run then knows, old and new together (`cycle_increment` tells when). What follows the
cut comes to both, one event after the other, ranked before it is learned. The candidate that is promoted is
the one that has learned it all; the log then tells every server.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyscene.core.errors import StoreError
from polyscene.core.files import flush, write_text
from polyscene.data.schema import Dataset, EventLog
from polyscene.evaluation.offpolicy.shown import Act, join
from polyscene.online.exam import held_out, on_the_exam
from polyscene.online.exposures import exposure_of, forgotten, weighed
from polyscene.online.progressive import dataset_of, quality, with_events
from polyscene.project import Project
from polyscene.runs.folder import run_ids
from polyscene.runs.run import Run
from polyscene.serving.activation import Activate
from polyscene.serving.cycle_contest import Contest
from polyscene.serving.cycle_increment import Growth, eyes_of, learn_and_put_down, learn_on
from polyscene.serving.cycle_refit import (
    Undone,
    compare_with_refits,
    has_posteriors,
    undone_in,
    without_undone,
)
from polyscene.serving.cycle_replicas import Logs, Replica
from polyscene.serving.cycle_report import CycleReport, against
from polyscene.serving.cycle_state import CYCLE, REPORTS, CycleState, one_at_a_time, read_state, write_state
from polyscene.serving.drifting import WANTED, cycle_wanted
from polyscene.serving.judging import MICROSECONDS_PER_HOUR
from polyscene.serving.known import Known
from polyscene.serving.live import held_of
from polyscene.serving.management import KNOWN
from polyscene.serving.models import active_run
from polyscene.serving.stores.contract import ChangeKind, LoggedChange, LoggedEvent

if TYPE_CHECKING:  # it loads torch, which a service does without
    from polyscene.online.lessons import Lessons


class Cycle:
    """One cycle of one service.

    Args:
        project: of the service.
        logs: to read.
        folder: of the service.
        activate: lets a run answer.
    """

    def __init__(self, project: Project, logs: Logs, folder: Path, activate: Activate) -> None:
        self.project, self.logs, self.folder, self.activate = project, logs, folder, activate
        self.home, self.settings = folder / CYCLE, project.settings.cycle
        self._seconds = dict[str, float]()
        self._undone: Undone = {}

    def run(self) -> CycleReport:
        """Go on with a cycle that was cut short, or begin one; return what came of it.

        Raises:
            ConflictError: another cycle of this service is under way.
            StoreError: the log cannot be read, or the run cannot be activated; it may be tried again.
            DataError, ConfigError, ModelError, RunError: as `Project.train` raises them.
        """
        with one_at_a_time(self.home):
            live, *before = self._answering()
            state = self._begun(live)
            report = CycleReport("waiting", state.live, state.done, state.goal or self.logs.events.last)
            report.seconds = self._seconds
            if state.goal:
                self._go_on(state, report, before)
            else:
                report.reasons.append(
                    f"expected at least {self.settings.min_choices:,} events to judge by, found fewer since "
                    "the last cycle"
                )
            self._keep(report)
        return report

    def _answering(self) -> list[str]:
        """Return the run that answers and those before it, latest first."""
        latest: Mapping[str, Any] = {}
        for _, entry in self.logs.entries(0):
            if isinstance(entry, LoggedChange) and entry.kind == ChangeKind.model:
                latest = entry.fields or {}
        live = latest.get("run") or active_run(self.folder, self.project.runs_folder) or self.project.run().id
        return [live, *latest.get("before", [])]

    def _begun(self, live: str) -> CycleState:
        """Return the state to go on from; its goal is 0 where too little has happened."""
        state, events = read_state(self.home), self.logs.events
        if state.log != events.identity:
            state = CycleState(events.identity)
        if state.goal and (state.live == live or state.promoted):
            return state
        done = max(state.done, held_of(self.project.run(live), events)[0])
        state = CycleState(events.identity, done, live=live, anew=state.anew)
        offsets = [offset for offset, entry in self.logs.entries(done) if isinstance(entry, LoggedEvent)]
        judged = int(len(offsets) * self.settings.judged_share)
        if judged < self.settings.min_choices:
            return state
        return write_state(self.home, replace(state, goal=events.last, cut=offsets[-judged - 1]))

    def _go_on(self, state: CycleState, report: CycleReport, before: list[str]) -> None:
        """Judge unless that was done, then let the run answer or not, and note that the log is taken.

        Args:
            before: the runs that answered before the live one, latest first.
        """
        if state.promoted:
            report.notes.append("it had been judged before the cycle was cut short")
        else:
            state = self._judged(state, report)
        if state.promoted:
            self._move(state.promoted)
            earlier = dict.fromkeys((state.live, *before))  # the log names it already after a late kill
            self.activate(state.promoted, [one for one in earlier if one != state.promoted])
            report.verdict, report.run = "promoted", state.promoted
        else:
            report.verdict = "refused"
        write_state(self.home, CycleState(state.log, state.goal, anew=not (state.promoted or report.anew)))
        self._remove_candidates()
        (self.folder / WANTED).unlink(missing_ok=True)

    def _judged(self, state: CycleState, report: CycleReport) -> CycleState:
        """Train a candidate and judge it; save it with all it has learned where nothing speaks against it."""
        known = Known(self.home / KNOWN)
        try:
            with self._timed("replaying"):
                live, lessons = self._live(state, known, report)
                known_to_live = dataset_of(live.system, self.project.settings.scenarios)
            state = self._made(state, live, lessons, known_to_live, report)
            run = Run(self._training.runs_folder / state.candidate)
            growth, candidate = Growth.of(run), Replica(run, known, live.learner.erased)
            candidate.take_out_what(live)
            most, seed = self.settings.max_choices, self.project.settings.seed
            with self._timed("old choices"):
                report.old = quality(on_the_exam(live.system, candidate.system, known_to_live, most, seed))
            with self._timed("new choices"):
                self._contest(live, candidate, state, report)
            report.reasons += against(report, self.settings)
            if report.reasons:
                return state
            held = {"identity": state.log, "offset": state.goal, "erased": candidate.learner.erased}
            run.manifest |= {"log": held, "config": self.project.config, **growth.facts()}
            return write_state(self.home, replace(state, promoted=run.save().id))
        finally:
            known.close(state.log)

    def _live(
        self, state: CycleState, known: Known, report: CycleReport
    ) -> tuple[Replica, tuple[Lessons, Growth] | None]:
        """Return the live run as it was at the cut, and what its successor learns on from; None: nothing."""
        run, logs = self.project.run(state.live), self.logs
        held, erased = held_of(run, logs.events)
        if held < logs.events.forgotten:
            raise StoreError(
                f"expected the log after {held:,}, which the live run does not hold, found it forgotten up "
                f"to {logs.events.forgotten:,}; train a new run, or keep events for longer than a cycle"
            )
        self._undone = undone_in(logs.entries(0))
        growth, replica = Growth.of(run), Replica(run, known, erased)
        report.events = len(logs.happened(state.done, state.goal))
        report.learned = len(logs.happened(state.done, state.cut))
        lessons, known_then = None, run.system.position + len(logs.happened(held, state.cut))
        if self._learns_on(state, growth, known_then, report):
            entries = logs.entries(held, state.cut)
            lessons = learn_and_put_down(replica, entries, self.project, self._eyes), growth
        else:
            replica.learner.learn(logs.entries(held, state.cut))
        if self._too_far(replica, report):
            lessons = None
        if replica.learner.unfit:
            report.notes.append(
                f"{replica.learner.unfit:,} entries name items that the live run does not know"
            )
        return replica, lessons

    def _learns_on(self, state: CycleState, growth: Growth, events: int, report: CycleReport) -> bool:
        """Return whether the candidate learns on from the live run, and say why where it does not."""
        reason = growth.why_anew(self.settings, events)
        if state.anew:
            reason = "the last one, which had learned on, was refused"
        elif cycle_wanted(self.folder) is not None:
            reason = "something has changed"
        self._say_why_anew(reason, report)
        return reason is None

    def _too_far(self, replica: Replica, report: CycleReport) -> bool:
        """Return whether a posterior has drifted too far from a refit for the candidate to learn on."""
        if not self.settings.refit_distance or not has_posteriors(replica.system):
            return False
        with self._timed("comparing with a refit"):
            reason = compare_with_refits(replica.system, self.project.settings, self._undone, report)
        if reason is not None and report.anew_because is None:
            self._say_why_anew(reason, report)
        return reason is not None

    def _say_why_anew(self, reason: str | None, report: CycleReport) -> None:
        report.anew, report.anew_because = reason is not None, reason
        if reason is not None and self.settings.refit_growth:
            report.notes.append(f"it was trained anew: {reason}")

    def _lesson(self, dataset: Dataset, live: Replica, state: CycleState, report: CycleReport) -> Dataset:
        """Return what the candidate learns: what the live run knows but the exam, weighed by skips."""
        dataset = without_undone(dataset, self._undone)
        logs = {name: one.events for name, one in dataset.scenarios.items()}
        if self.settings.skips:
            logs |= self._by_exposure(live, state, dataset, report)
        wanted = cycle_wanted(self.folder)
        if wanted is not None and wanted["reaction"] == "forget":
            half_life = self.project.settings.drift.half_life_days * 24 * MICROSECONDS_PER_HOUR
            for name, scenario in dataset.scenarios.items():
                if scenario.clock == "time" and len(logs[name]):
                    logs[name] = forgotten(logs[name], half_life, int(logs[name].time.max()))
            report.notes.append("older events count less, since something has changed")
        share = self.settings.exam_share
        return with_events(dataset, {name: held_out(log, share) for name, log in logs.items()})

    def _by_exposure(
        self, live: Replica, state: CycleState, dataset: Dataset, report: CycleReport
    ) -> dict[str, EventLog]:
        """Return the logs of the scenarios in which slates were shown, their choices weighed."""
        choices = [one for one in self.logs.happened(state.done, state.cut) if live.is_choice(one)]
        times = [one.time for one in choices if one.time is not None]
        if not times:
            return {}
        window = int(self.settings.hours * MICROSECONDS_PER_HOUR)
        slates = [one.slate for one in self.logs.slates(min(times) - window, max(times))]
        if self.logs.unreadable:
            report.notes.append(f"{self.logs.unreadable:,} decisions of earlier versions were left out")
        logs = {}
        for name, scenario in dataset.scenarios.items():
            acts = [Act(one.user, one.item, name, one.time) for one in choices if one.scenario == name]
            joined = join([one for one in slates if one.scenario == name], acts, window, max(times))
            if not joined.slates:
                continue
            exposure = exposure_of(joined, self.settings.prior_clicks)
            report.exposures[name] = exposure.facts()
            shown = [act for act, place in zip(acts, joined.stood, strict=True) if place >= 0]
            rows = live.rows_of(name, scenario.events, shown)
            ids = (scenario.catalogue.ids[item] for item in scenario.events.item[rows].tolist())
            factors = np.array([exposure.factors.get(item, 1.0) for item in ids])
            logs[name] = weighed(scenario.events, rows, factors)
        return logs

    def _eyes(self, events: Sequence[LoggedEvent]) -> list[Mapping[str, float] | None]:
        """Return, for events, how likely each item of the slate that they answer was looked at."""
        times = [one.time for one in events if one.time is not None and self.settings.skips]
        window = int(self.settings.hours * MICROSECONDS_PER_HOUR)
        slates = self.logs.slates(min(times) - window, max(times)) if times else []
        return eyes_of([one.slate for one in slates], events, window)

    @property
    def _training(self) -> Project:
        """The project whose runs are candidates: nobody takes them for runs that may answer."""
        config = f"{Path(self.project.config).stem}-cycle.toml"
        return Project(self.project.settings, self.project.base, config, self.project.progress)

    def _made(
        self,
        state: CycleState,
        live: Replica,
        lessons: tuple[Lessons, Growth] | None,
        known_to_live: Dataset,
        report: CycleReport,
    ) -> CycleState:
        """Make a candidate unless that was done: one that learned on, or one that was trained anew."""
        training = self._training
        if state.candidate in run_ids(training.runs_folder):
            self._seconds["training"] = state.seconds
            report.notes.append("the candidate had been trained before the cycle was cut short")
            return state
        self._remove_candidates()
        with self._timed("training"):
            if lessons is None:
                training.dataset = self._lesson(known_to_live, live, state, report)
                run = training.train(everything_counts=True)
            else:
                run, notes = learn_on(live, *lessons, self.project, training.runs_folder)
                report.notes += notes
        return write_state(self.home, replace(state, candidate=run.id, seconds=self._seconds["training"]))

    def _contest(self, live: Replica, candidate: Replica, state: CycleState, report: CycleReport) -> None:
        contest = Contest(live, candidate, self.settings, self.project.settings.seed)
        events = self.logs.happened(state.cut, state.goal)
        times = [one.time for one in events if one.time is not None]
        slates = self.logs.slates(min(times), max(times)) if times else []
        contest.hold(list(self.logs.entries(state.cut, state.goal)), slates)
        report.new = quality(contest.placed)
        report.off_policy = contest.valued(events)
        if contest.passed_over:
            report.notes.append(f"{contest.passed_over:,} decisions of other runs were not valued off-policy")

    def _remove_candidates(self) -> None:
        """Remove the candidates that nobody needs any more: they hold what people did."""
        folder = self._training.runs_folder
        for name in run_ids(folder):
            shutil.rmtree(folder / name)

    def _move(self, run: str) -> None:
        """Let a candidate stand among the runs that may answer."""
        source, target = self._training.runs_folder / run, self.project.runs_folder / run
        if not target.exists():
            source.rename(target)
            flush(target.parent)

    def _keep(self, report: CycleReport) -> None:
        """Write the report beside the others."""
        path = self.home / REPORTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        text = json.dumps(report.plain(), indent=2, ensure_ascii=False)
        write_text(path.with_suffix(".json"), text + "\n")
        write_text(path.with_suffix(".txt"), "\n".join(report.lines()) + "\n")

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._seconds[step] = time.perf_counter() - start
