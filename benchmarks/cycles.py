"""Ten nights in time order: what each cycle gains on new choices, keeps on old ones, and costs.

    python benchmarks/cycles.py --set movietweetings --tuning none --json FILE

The first half of the events, in the order of time, is trained on. The rest comes to the log of a service in
equal parts; after each part a cycle takes it: it learns on from the live run, or trains anew (`--growth`).
The numbers are those of the cycles' own reports: NDCG@10 of the run that answers and of the candidate, on
the latest share of the part (each choice ranked before both learn it), and on the exam, old choices that
neither was trained on. After the last one a candidate is trained on events whose items were dealt out anew:
it has to be refused. No slates are shown, so nothing is valued off-policy.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.core.threads import prepare_environment
from polyscene.data.schema import Dataset, EventLog
from polyscene.evaluation.provenance import machine, versions
from polyscene.online.exam import held_out
from polyscene.online.progressive import with_events
from polyscene.project import Project
from polyscene.serving.activation import in_the_log
from polyscene.serving.cycle import Cycle
from polyscene.serving.cycle_replicas import Logs, Replica
from polyscene.serving.cycle_report import CycleReport
from polyscene.serving.cycle_service import cycle
from polyscene.serving.cycle_state import CycleState
from polyscene.serving.stores.contract import Batch, LoggedEvent
from polyscene.serving.stores.copies import stores_to_read
from polyscene.serving.stores.opening import open_stores
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

EVENTS_PER_BATCH = 500


@dataclass(frozen=True)
class Stream:
    """The events of all scenarios in the order of time, as their service logs them."""

    dataset: Dataset
    events: list[LoggedEvent]

    @classmethod
    def of(cls, project: Project, most: int | None) -> Stream:
        """Read them, the first so many; what counts for nothing is left out."""
        dataset = project.dataset
        events: list[LoggedEvent] = []
        for name, scenario in dataset.scenarios.items():
            log = scenario.events
            for row in np.flatnonzero(log.weight > 0).tolist():
                value = float(log.value[row])
                events.append(
                    LoggedEvent(
                        dataset.users[int(log.user[row])].removeprefix(f"{name}/"),
                        scenario.catalogue.ids[int(log.item[row])],
                        name,
                        log.actions[int(log.action[row])],
                        None if np.isnan(value) else value,
                        int(log.time[row]) if scenario.clock == "time" else None,
                    )
                )
        events.sort(key=lambda one: one.time or 0)
        return cls(dataset, events[:most])

    def before(self, moment: int) -> Dataset:
        """Return the data set up to a moment; the catalogues stay whole."""
        logs: dict[str, EventLog] = {}
        for name, scenario in self.dataset.scenarios.items():
            log = scenario.events
            logs[name] = log.take((log.time < moment) & (log.weight > 0))
        return with_events(self.dataset, logs)


class Spoilt(Cycle):
    """A cycle whose candidate learns events with their items dealt out anew."""

    def _lesson(self, dataset: Dataset, live: Replica, state: CycleState, report: CycleReport) -> Dataset:
        dataset = super()._lesson(dataset, live, state, report)
        draws = np.random.default_rng(self.project.settings.seed)
        logs = {
            name: replace(
                one.events, item=draws.permutation(len(one.catalogue))[one.events.item].astype(np.int32)
            )
            for name, one in dataset.scenarios.items()
        }
        return with_events(dataset, logs)


def nights(
    project: Project, folder: Path, most: int | None, cycles: int, exam_share: float = 0.0
) -> list[CycleReport]:
    """Train on the first half, then let cycles take the rest; return what each found, the spoilt one last."""
    stream = Stream.of(project, most)
    half = len(stream.events) // 2
    start = stream.events[half].time or 0
    rest = [one for one in stream.events if (one.time or 0) >= start]
    project.dataset = examined(stream.before(start), exam_share)
    project.train(everything_counts=True)
    reports = []
    borders = np.linspace(0, len(rest), cycles + 2).astype(int).tolist()  # the last part is the spoilt one's
    for number in range(cycles + 1):
        _log(folder, rest[borders[number] : borders[number + 1]])
        reports.append(cycle(project, folder) if number < cycles else _spoilt(project, folder))
        print("\n".join(reports[-1].lines()), "\n", file=sys.stderr, flush=True)
    return reports


def examined(dataset: Dataset, share: float) -> Dataset:
    """Return a data set without what the exam asks, so that the first run can be examined too."""
    return with_events(
        dataset, {name: held_out(one.events, share) for name, one in dataset.scenarios.items()}
    )


def _log(folder: Path, events: Sequence[LoggedEvent]) -> None:
    store, decisions = open_stores(folder, "")
    for start in range(0, len(events), EVENTS_PER_BATCH):
        store.append([Batch.of(events[start : start + EVENTS_PER_BATCH])])
    store.close()
    decisions.close()


def _spoilt(project: Project, folder: Path) -> CycleReport:
    project = adjusted(project, 0.0)
    with stores_to_read(folder, "") as stores:
        return Spoilt(project, Logs(*stores), folder, in_the_log(folder, "", folder)).run()


def adjusted(project: Project, growth: float) -> Project:
    """Return the project with another share of growth at which a run is trained anew."""
    settings = project.settings.cycle.model_copy(update={"refit_growth": growth})
    whole = project.settings.model_copy(update={"cycle": settings})
    return Project(whole, project.base, project.config, project.progress)


def _rows(reports: Sequence[CycleReport]) -> list[tuple[str, ...]]:
    rows = list[tuple[str, ...]]()
    for number, report in enumerate(reports, 1):
        for name, new in report.new.items():
            old, apart = report.old.get(name), new.difference
            rows.append(
                (
                    f"{number} {name}",
                    f"{report.events:,}",
                    f"{new.choices:,}",
                    f"{new.before:.4f}",
                    f"{new.after:.4f}",
                    f"{apart.value:+.4f} [{apart.low:+.4f}, {apart.high:+.4f}]",
                    "" if old is None else f"{old.before:.4f}",
                    "" if old is None else f"{old.after:.4f}",
                    "anew" if report.anew else "on",
                    f"{report.seconds['replaying'] + report.seconds['training']:.1f}",
                    f"{report.seconds['old choices'] + report.seconds['new choices']:.1f}",
                    report.verdict,
                )
            )
    return rows


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 where the spoilt run was not refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(parser)
    parser.add_argument("--cycles", type=int, default=10, metavar="N")
    parser.add_argument("--events", type=int, metavar="N", help="the first so many; default: all")
    parser.add_argument("--tuning", metavar="METHOD", help="in place of the configuration's, such as none")
    parser.add_argument(
        "--growth",
        type=float,
        metavar="SHARE",
        help="of the events, at which a run is trained anew; 0: always",
    )
    parser.add_argument(
        "--examined",
        action="store_true",
        help="the first run leaves the exam out, so that old choices are judged from the first night on",
    )
    parser.add_argument("--signals", nargs="+", metavar="NAME", help="in place of the configuration's")
    options = parser.parse_args(words)
    project = chosen_project(options, Telling())
    if options.tuning is not None:
        language = project.settings.language.model_copy(update={"tuning": options.tuning})
        project.settings = project.settings.model_copy(update={"language": language})
    if options.signals is not None:
        scenarios = {
            name: one.model_copy(update={"signals": options.signals})
            for name, one in project.settings.scenarios.items()
        }
        project.settings = project.settings.model_copy(update={"scenarios": scenarios})
    if options.growth is not None:
        project = adjusted(project, options.growth)
    folder = options.work / f"{project.settings.name}_cycles"
    shutil.rmtree(folder, ignore_errors=True)
    runtime = project.settings.runtime.model_copy(update={"runs": (folder / "runs").resolve().as_posix()})
    project.settings = project.settings.model_copy(update={"runtime": runtime})
    share = project.settings.cycle.exam_share if options.examined else 0.0
    reports = nights(project, folder / "service", options.events, options.cycles, share)
    head = ("cycle", "events", "judged", "new before", "new after", "difference", "old before", "old after")
    print(table((*head, "trained", "s to train", "s to judge", "verdict"), _rows(reports)))
    if options.json is not None:
        facts: dict[str, Any] = {"machine": machine(), "versions": versions(), "set": options.name}
        write_json(options.json, facts | {"cycles": [one.plain() for one in reports]})
    return int(reports[-1].verdict != "refused")


if __name__ == "__main__":
    prepare_environment()
    sys.exit(main())
