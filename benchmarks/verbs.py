"""What every verb of the command line costs, in a process of its own: seconds, processor seconds, memory.

    python benchmarks/verbs.py --json verbs.json
    python benchmarks/verbs.py --set movielens_100k --verb check --verb recommend
    python benchmarks/verbs.py --against ../polyscene-before

Runs on the sample company unless a project is named. The best of N counts; what trains or judges runs once,
from an empty cache of texts. With --against (a checkout, or the Python of an environment) both are measured
in turns on the same tables, each on a run of its own; what another version does not have is left empty.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import prepared  # noqa: F401 - numpy reads it when it loads
from polyscene.core.errors import PolysceneError
from polyscene.evaluation.provenance import machine, versions
from polyscene.project import Project
from polyscene.sample.world import SampleWorld
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

LAUNCHER = Path(__file__).resolve().parent / "launch.py"
COMMAND_LINE = "from polyscene.cli.main import run; run()"
MANY_USERS = 100
THIS = "this version"
ONCE = ("train", "evaluate")
PORT = "{port}"
VERBS: dict[str, tuple[str, ...]] = {
    "help": ("--help",),
    "doctor": ("doctor", "-c", "{config}"),
    "init": ("init", "{tables}", "--out", "{out}/drafted.toml", "--force"),
    "check": ("check", "-c", "{config}"),
    "train": ("train", "-c", "{config}"),
    "evaluate": ("evaluate", "-c", "{config}"),
    "recommend": ("recommend", "{user}", "-s", "{scenario}", "-c", "{config}"),
    "recommend --users": (
        "recommend", "--users", "{users}", "-s", "{scenario}", "-c", "{config}", "--out", "{out}/slates.csv",
    ),
    "similar": ("similar", "{item}", "-s", "{scenario}", "-c", "{config}"),
    "explain": ("explain", "{user}", "{item}", "-s", "{scenario}", "-c", "{config}"),
    "report": ("report", "-c", "{config}"),
    "serve": ("serve", "-c", "{config}", "--no-auth", "--port", PORT, "--data", "{out}/service"),
}  # fmt: skip
"""The verbs in the order in which they need each other."""


@dataclass(frozen=True)
class Side:
    """One version of Polyscene.

    Attributes:
        name: in the table.
        python: its interpreter.
        home: where its configuration, runs, texts and outputs go.
        path: what comes first among its modules; None: what its environment has.
    """

    name: str
    python: str
    home: Path
    path: Path | None = None

    @classmethod
    def of(cls, place: Path, home: Path) -> Side:
        """Return the version of a checkout, or of the environment that a Python belongs to."""
        if place.is_dir():
            return cls(place.resolve().name, sys.executable, home, place.resolve() / "src")
        return cls(str(place), str(place.absolute()), home)

    def project(self, options: argparse.Namespace) -> Project:
        """Return the project that was named, or the sample company; its configuration is this side's own."""
        own = argparse.Namespace(**{**vars(options), "work": self.home})
        if own.config is None and own.name is None and own.data is None:
            own.config = self.home / "polyscene.toml"
            if not own.config.is_file():
                SampleWorld.generate().write(own.config.parent)
        return chosen_project(own, Telling())

    def environment(self, places: Mapping[str, str], fresh: bool) -> dict[str, str]:
        """Return its processes' variables; none is Polyscene's where the configuration is its own.

        Args:
            places: where the configuration lies, and its runs.
            fresh: whether texts are read anew.
        """
        own = {} if self.path is None else {"PYTHONPATH": str(self.path)}
        if Path(places["config"]).parent != self.home:
            own["POLYSCENE_RUNTIME__RUNS"] = places["runs"]
        if fresh:
            shutil.rmtree(self.home / "texts", ignore_errors=True)
            own["XDG_CACHE_HOME"] = str(self.home / "texts")
        return {**os.environ, **own}

    def measure(self, words: Sequence[str], places: Mapping[str, str]) -> dict[str, Any]:
        """Run one verb and return what it cost."""
        port = free_port() if PORT in words else None
        names = {**places, "out": str(self.home), "port": str(port)}
        verb = [self.python, "-c", COMMAND_LINE, *(word.format(**names) for word in words)]
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "costs.json")
            until = [] if port is None else ["--until-ready", str(port)]
            launcher = [sys.executable, "-S", str(LAUNCHER), str(out), *until, "--", *verb]
            environment = self.environment(places, fresh=words[0] == "train")
            ended = subprocess.run(
                launcher, env=environment, capture_output=True, text=True, errors="replace", check=True
            )
            costs: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return costs | {"told": ended.stderr[-1000:]}


@dataclass
class Best:
    """The least that a verb cost in several turns, each number for itself.

    Attributes:
        cost: seconds, cpu_seconds and peak_mb; empty where it did not work.
        code: the exit code of the last turn.
        told: the last that it wrote to standard error, where it did not work.
    """

    cost: dict[str, float] = field(default_factory=dict)
    code: int = 0
    told: str = ""

    def take(self, turn: Mapping[str, Any]) -> None:
        """Take in one turn."""
        self.code = turn["code"]
        if self.code:
            self.told = turn["told"]
            return
        for name in ("seconds", "cpu_seconds", "peak_mb"):
            self.cost[name] = min(self.cost.get(name, turn[name]), turn[name])

    def cells(self) -> tuple[str, str, str]:
        """Return the numbers as they stand in the table."""
        if not self.cost:
            return "-", "-", "-"
        cost = self.cost
        return f"{cost['seconds']:.2f}", f"{cost['cpu_seconds']:.2f}", f"{cost['peak_mb']:,.0f}"


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--verb", action="append", choices=VERBS, help="only this one; may be repeated")
    arguments.add_argument(
        "--times", type=int, default=5, metavar="N", help="turns, of which the best counts"
    )
    arguments.add_argument(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar="PLACE",
        help="a checkout of another version, or the Python it is installed for; may be repeated",
    )
    return arguments


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def places_of(project: Project, home: Path) -> dict[str, str]:
    """Return what the verbs are asked about: somebody with a past, and an item of that past."""
    name, scenario = next(iter(project.dataset.scenarios.items()))
    events = scenario.events
    users = project.dataset.users.values
    tables = project.settings.scenarios[name].events.path
    first = tables if isinstance(tables, str) else tables[0]
    listed = home / "users.txt"
    listed.write_text("\n".join(map(str, users.head(MANY_USERS))) + "\n", encoding="utf-8")
    return {
        "config": str(project.base / project.config),
        "runs": project.settings.runtime.runs,
        "tables": str((project.base / first).resolve().parent),
        "scenario": name,
        "user": str(users[int(events.user[-1])]),
        "item": str(scenario.catalogue.ids.values[int(events.item[-1])]),
        "users": str(listed),
    }


def measure(
    sides: Sequence[Side], verbs: Sequence[str], places: Mapping[str, Mapping[str, str]], times: int
) -> list[dict[str, Best]]:
    """Return for every verb the best of every side, measured in turns."""
    rows = []
    for verb in verbs:
        best = {side.name: Best() for side in sides}
        for _ in range(1 if verb in ONCE else times):
            for side in sides:
                if not best[side.name].code:
                    best[side.name].take(side.measure(VERBS[verb], places[side.name]))
        print(verb, *("/".join(one.cells()) for one in best.values()), file=sys.stderr, flush=True)
        rows.append(best)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where a verb of this version fails."""
    options = parser().parse_args(arguments)
    home = options.work.resolve() / "verbs"
    sides = [Side(THIS, sys.executable, home / "this")]
    sides += [Side.of(place, home / f"other-{number}") for number, place in enumerate(options.against)]
    places, trained = {}, True
    try:
        for side in sides:
            side.home.mkdir(parents=True, exist_ok=True)
            project = side.project(options)
            trained = trained and bool(project.runs())
            places[side.name] = places_of(project, side.home)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    verbs = list(options.verb or VERBS)
    if not trained and "train" not in verbs:
        verbs = ["train", "evaluate", *(verb for verb in verbs if verb != "evaluate")]
    results = dict(zip(verbs, measure(sides, verbs, places, options.times), strict=True))
    print(shown(results))
    if options.json is not None:
        values = {
            verb: {name: one.cost or {"code": one.code} for name, one in best.items()}
            for verb, best in results.items()
        }
        write_json(options.json, {"verbs": values, "machine": machine(), "versions": versions()})
    return told_failures({verb: best[THIS] for verb, best in results.items()})


def shown(results: Mapping[str, Mapping[str, Best]]) -> str:
    """Return the table: a row for each verb and version."""
    rows = [[verb, name, *one.cells()] for verb, best in results.items() for name, one in best.items()]
    return table(("verb", "of", "seconds", "CPU s", "peak MiB"), rows)


def told_failures(results: Mapping[str, Best]) -> int:
    """Tell what did not work, and return the exit code."""
    failures = {verb: best for verb, best in results.items() if best.code}
    for verb, best in failures.items():
        print(f"{verb} ended with {best.code}: {best.told}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
