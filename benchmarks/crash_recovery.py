"""Kill training with SIGKILL at random moments: what was there before must be whole, and answer as before.

    python benchmarks/crash_recovery.py --times 50 --json crashes.json

One run is trained on a small sample world. Then training is started and killed again and again, half of the
time at any moment, half of the time while the new run is being written. After each kill the list of runs,
every run in it and the first run's recommendations are compared with what they were. A last training, not
killed, must sweep away what the killed ones left.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.core.errors import PolysceneError
from polyscene.core.threads import prepare_environment
from polyscene.evaluation.provenance import machine, versions
from polyscene.project import Project
from polyscene.sample.world import SampleWorld
from projects import WORK
from showing import table, write_json

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["polyscene.runs.training", "transformers.models.bert.modeling_bert"])
"""Trainings are processes that were forked after their imports: a kill meets work, not loading."""
PARTIAL = ".partial-"
"""What a run that is being written is called; other names are tried before the work and are gone at once."""
PEOPLE = 3
POLL = 0.002
Slates = dict[str, list[tuple[str, float]]]


def train(config: Path, settings: dict[str, str]) -> None:
    """Train a project with settings of its own."""
    os.environ.update(settings)
    Project.open(config).train()


@dataclass(frozen=True)
class Crash:
    """One killed training.

    Attributes:
        aim: "any moment" or "while writing".
        seconds: after its start.
        finished: whether the new run was whole before the signal came.
        left: names of what the dead process left behind.
        harm: what was not as before; empty is right.
    """

    aim: str
    seconds: float
    finished: bool
    left: tuple[str, ...]
    harm: tuple[str, ...]


class CrashTest:
    """A small project with one finished run, and what that run recommends."""

    def __init__(self, folder: Path, users: int, items: int, seed: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.config = SampleWorld.generate(seed, users, items, days=15).write(folder)
        self.settings = {
            "POLYSCENE_RUNTIME__CACHE": str(folder.resolve() / "cache"),
            "POLYSCENE_FUSION__EPOCHS": "2",
        }
        self.project = Project.open(self.config)
        self.people = self.project.dataset.users.values.head(PEOPLE).to_list()
        self.project.runs_folder.mkdir(parents=True)
        self.duration, self.writing = self._durations()
        self.known = self.project.runs()
        self.slates = self.answers()

    def _complete(self) -> None:
        training = self.start()
        training.join()
        if training.exitcode:
            raise RuntimeError(f"expected a finished training, found exit status {training.exitcode}")

    def _durations(self) -> tuple[float, float]:
        """Return the seconds that a whole training takes, and those in which its run is being written."""
        start = time.perf_counter()
        training = self.start()
        self._await_writing(training, set())
        writing = time.perf_counter()
        while self.left():
            time.sleep(POLL)
        written = time.perf_counter()
        training.join()
        return time.perf_counter() - start, written - writing

    def _await_writing(self, training: BaseProcess, before: set[str]) -> None:
        """Wait until the training has begun to write, or has ended."""
        while training.is_alive() and not any(name.startswith(PARTIAL) for name in set(self.left()) - before):
            time.sleep(POLL)

    def start(self) -> BaseProcess:
        """Start a training in a process of its own."""
        training = FORKS.Process(target=train, args=(self.config, self.settings))
        training.start()
        return training

    def answers(self) -> Slates:
        """Return what the oldest run recommends, read from the disk anew."""
        run = self.project.run(self.known[0])
        return {
            f"{user} in {scenario}": [(it.item.id, it.score) for it in run.recommend(user, scenario, 10)]
            for user in self.people
            for scenario in run.scenarios
        }

    def left(self) -> tuple[str, ...]:
        """Return what lies among the runs and is none."""
        names = {entry.name for entry in self.project.runs_folder.iterdir()}
        return tuple(sorted(names - set(self.project.runs())))

    def kill(self, aim: str, draws: np.random.Generator) -> Crash:
        """Start a training, kill it and look at what is there."""
        before = set(self.left())
        start = time.perf_counter()
        training = self.start()
        if aim == "while writing":
            self._await_writing(training, before)
            time.sleep(draws.uniform(0, self.writing))
        else:
            time.sleep(draws.uniform(0, 1.05 * self.duration))
        training.kill()
        training.join()
        seconds = time.perf_counter() - start
        harm, finished = self._harm()
        return Crash(aim, seconds, finished, tuple(sorted(set(self.left()) - before)), harm)

    def _harm(self) -> tuple[tuple[str, ...], bool]:
        """Compare with what was known; a run that was finished in time is known from now on."""
        harm = []
        listed = self.project.runs()
        new = [name for name in listed if name not in self.known]
        if listed[: len(self.known)] != self.known or len(new) > 1:
            harm.append(f"expected the runs {self.known} and at most one more, found {listed}")
        closed = set()
        for name in listed:
            try:
                self.project.run(name).system.users.get("")
            except PolysceneError as error:
                closed.add(name)
                harm.append(f"run {name} cannot be opened: {error}")
        if self.known[0] not in closed and self.answers() != self.slates:
            harm.append(f"run {self.known[0]} recommends something else")
        self.known = listed
        return tuple(harm), bool(new)

    def swept(self) -> tuple[str, ...]:
        """Train to the end and return what is left behind even then."""
        self._complete()
        return self.left()


def shown(kills: Sequence[Crash], remaining: Sequence[str]) -> str:
    """Return the table and what it adds up to."""
    rows = [
        [
            kill.aim,
            f"{kill.seconds:.2f}",
            str(kill.finished),
            ", ".join(kill.left) or "nothing",
            str(len(kill.harm)),
        ]
        for kill in kills
    ]
    left = Counter("a partial folder" if kill.left else "nothing" for kill in kills)
    harms = [harm for kill in kills for harm in kill.harm]
    lines = [
        table(["killed", "after s", "run finished", "left", "harm"], rows),
        f"{len(kills)} kills; left: {dict(left)}; after one whole training: {list(remaining) or 'nothing'}",
        f"harm: {len(harms)}" if harms else "no run was lost, damaged or changed its mind",
    ]
    return "\n".join([*lines, *harms])


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, look, print, write; 1 where anything was harmed or left for good."""
    options = _parser().parse_args(arguments)
    prepare_environment()
    draws = np.random.default_rng(options.seed)
    crash_test = CrashTest(options.work / "crashes", options.users, options.items, options.seed)
    aims = ("any moment", "while writing")
    kills = [crash_test.kill(aims[number % 2], draws) for number in range(options.times)]
    remaining = crash_test.swept()
    print(shown(kills, remaining))
    if options.json is not None:
        write_json(options.json, _summary(kills, remaining, options.seed))
    return 1 if remaining or any(kill.harm for kill in kills) else 0


def _summary(kills: Sequence[Crash], remaining: Sequence[str], seed: int) -> dict[str, Any]:
    return {
        "times": len(kills),
        "seed": seed,
        "machine": machine(),
        "versions": versions(),
        "harmed": sum(bool(kill.harm) for kill in kills),
        "finished": sum(kill.finished for kill in kills),
        "left_partial": sum(bool(kill.left) for kill in kills),
        "left_after_training": list(remaining),
        "kills": [vars(kill) for kill in kills],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50, metavar="N", help="default: 50")
    parser.add_argument(
        "--users", type=int, default=150, metavar="N", help="of the sample world; default: 150"
    )
    parser.add_argument("--items", type=int, default=60, metavar="N", help="per scenario; default: 60")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the world and the moments")
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work")
    return parser


if __name__ == "__main__":
    sys.exit(main())
