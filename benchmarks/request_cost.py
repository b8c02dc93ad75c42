"""What a request costs, what an event costs, and how soon a run answers: one core, nothing else running.

    python benchmarks/request_cost.py --items 10000 --json requests.json
    python benchmarks/request_cost.py --items 10000 --live
    python benchmarks/request_cost.py --set stackexchange_travel

With --items, over a generated catalogue (`generated.py`); with --set or --data, over a run of that project,
trained if there is none yet. "start" is a process of its own: from the interpreter with numpy loaded to the
first slate.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from generated import generated_system
from measuring import peak_mb
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.core.threads import set_threads
from polyscene.engine.decision import Request
from polyscene.engine.predicting import predict_items
from polyscene.engine.recommending import recommend
from polyscene.engine.state import CodedEvent, System
from polyscene.evaluation.provenance import machine, versions
from polyscene.runs.run import Run
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

WARM_UP = 50
SIZE = 10
STARTED = """
import sys, time
import numpy
start = time.perf_counter(), time.process_time()
from pathlib import Path
from polyscene.runs.run import Run
run = Run(Path(sys.argv[1]))
run.recommend(sys.argv[2], run.scenarios[0])
print(time.perf_counter() - start[0], time.process_time() - start[1])
heavy = [name for name in ("torch", "transformers") if name in sys.modules]
print(",".join(heavy) or "none")
"""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--items", type=int, help="measure over a generated catalogue of so many items")
    arguments.add_argument(
        "--live",
        action="store_true",
        help="with --items: with the posterior and all that a fusion is told which learned live",
    )
    arguments.add_argument("--requests", type=int, default=500, help="how many requests are measured")
    arguments.add_argument("--events", type=int, default=20_000, help="how many events are observed")
    return arguments


def cost_of(ask: Callable[[str], object], users: Sequence[str]) -> dict[str, float]:
    """Return milliseconds per request: processor time, median and 99th percentile by the clock."""
    for user in users[:WARM_UP]:
        ask(user)
    walls, start = [], time.process_time()
    for user in users:
        before = time.perf_counter()
        ask(user)
        walls.append(time.perf_counter() - before)
    cpu = time.process_time() - start
    p50, p99 = np.quantile(walls, [0.5, 0.99])
    return {"cpu_ms": 1e3 * cpu / len(users), "p50_ms": 1e3 * p50, "p99_ms": 1e3 * p99}


def events_per_second(system: System, scenario: str, many: int, draws: np.random.Generator) -> float:
    """Return how many events a second all signals of a scenario take in, each seen by the next request.

    The first ones, with which the compiled loops are loaded, do not count.
    """
    state = system.scenario(scenario)
    users = draws.integers(0, len(system.users), WARM_UP + many).tolist()
    items = draws.choice(state.log.events().item, WARM_UP + many).tolist()
    events = [
        CodedEvent(user, item, 0, float("nan"), 1.0, True, state.latest + 1 + place)
        for place, (user, item) in enumerate(zip(users, items, strict=True))
    ]
    start = time.process_time()
    for place, event in enumerate(events):
        if place == WARM_UP:
            start = time.process_time()
        with system.lock.writing():
            state.observe(event)
    return many / (time.process_time() - start)


def start_cost(folder: Path, user: str) -> dict[str, Any]:
    """Return what it takes to open a run and answer first, in a process of its own."""
    command = [sys.executable, "-c", STARTED, str(folder), user]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    wall, cpu = (float(number) for number in lines[0].split())
    return {"seconds": wall, "cpu_seconds": cpu, "heavy_modules": lines[1]}


def run_of(options: argparse.Namespace) -> Run:
    """Return the newest run of the project, trained where there is none."""
    opened = chosen_project(options, Telling())
    return opened.run() if opened.runs() else opened.train()


def measure(system: System, scenario: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return everything that is measured of one scenario."""
    state = system.scenario(scenario)
    draws = generator(options.seed or 0, "requests")
    active = np.unique(state.log.events().user)
    users = [system.users[int(code)] for code in draws.choice(active, options.requests)]
    items = [state.catalogue.ids[code] for code in range(SIZE)]

    def slate(user: str, reasons: bool = False) -> object:
        return recommend(system, "", Request(user, scenario, SIZE, reasons=reasons))

    return {
        "items": len(state.catalogue),
        "signals": len(state.fusion.fitted()),
        "without_reasons": cost_of(slate, users),
        "with_reasons": cost_of(partial(slate, reasons=True), users),
        "predictions": cost_of(lambda user: predict_items(system, Request(user, scenario, 1), items), users),
        "events_per_second": events_per_second(system, scenario, options.events, draws),
        "after_events": cost_of(slate, users),
        "peak_mb": peak_mb(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser().parse_args(arguments)
    set_threads(1)
    values: dict[str, Any] = {"scenarios": {}}
    try:
        if options.items is not None:
            system = generated_system(
                options.items, max(options.items // 2, 1000), options.seed or 0, options.live
            )
        else:
            run = run_of(options)
            system = run.system
            values["start"] = start_cost(run.folder, system.users[0])
        for scenario in system.scenarios:
            values["scenarios"][scenario] = measure(system, scenario, options)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    print(shown(values))
    if options.json is not None:
        write_json(options.json, values | {"machine": machine(), "versions": versions()})
    return 0


def shown(values: dict[str, Any]) -> str:
    """Return the numbers as a table."""
    number: Callable[[float], str] = "{:.2f}".format
    head = (
        *("scenario", "items", "cpu ms", "p50", "p99", "with reasons", "p99"),
        *("predictions", "p99", "events/s", "after events"),
    )
    rows = [
        (
            name,
            f"{one['items']:,}",
            *(number(one["without_reasons"][key]) for key in ("cpu_ms", "p50_ms", "p99_ms")),
            *(number(one["with_reasons"][key]) for key in ("cpu_ms", "p99_ms")),
            *(number(one["predictions"][key]) for key in ("cpu_ms", "p99_ms")),
            f"{one['events_per_second']:,.0f}",
            number(one["after_events"]["cpu_ms"]),
        )
        for name, one in values["scenarios"].items()
    ]
    lines = [table(head, rows)]
    if "start" in values:
        start = values["start"]
        lines.append(
            f"first slate after {start['seconds']:.2f} s, {start['cpu_seconds']:.2f} processor seconds; "
            f"loaded of torch and transformers: {start['heavy_modules']}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
