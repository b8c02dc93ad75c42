"""How many users a second get a slate when many are asked for at once, beside one after the other; one core.

    python benchmarks/bulk.py --items 1200 --items 10000 --json bulk.json
    python benchmarks/bulk.py --set online_retail

With --items, over generated catalogues (`generated.py`) of half as many people; with --set or --data, over a
run of that project, trained if there is none yet. Processor time counts; a first block, with which compiled
loops are loaded, does not. Of the users that are asked both ways it is counted how many get the same slate.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from generated import generated_system
from measuring import peak_mb
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.core.threads import set_threads
from polyscene.engine.bulk import BulkRequest, recommend_many
from polyscene.engine.decision import Request
from polyscene.engine.recommending import recommend
from polyscene.engine.state import System
from polyscene.evaluation.provenance import machine, versions
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

SIZE, WARM_UP, ALONE = 10, 512, 200


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument(
        "--items",
        type=int,
        action="append",
        help="over a generated catalogue of so many items; may be repeated",
    )
    arguments.add_argument("--users", type=int, default=5000, help="how many are asked for at once")
    return arguments


def systems(options: argparse.Namespace) -> Iterator[System]:
    """Yield what is measured: generated systems, or that of a project's run."""
    for items in options.items or ():
        yield generated_system(items, max(items // 2, 1000), options.seed or 0)
    if not options.items:
        project = chosen_project(options, Telling())
        yield (project.run() if project.runs() else project.train()).system


def measure(system: System, scenario: str, count: int, seed: int) -> dict[str, float]:
    """Return users a second at once and one by one, and the share of users whose slates agree."""
    state = system.scenario(scenario)
    active = np.unique(state.log.events().user)
    drawn = generator(seed, "bulk").choice(active, count)
    users = [system.users[int(code)] for code in drawn]
    recommend_many(system, "", BulkRequest(users[:WARM_UP], scenario, SIZE))
    start = time.process_time()
    many = recommend_many(system, "", BulkRequest(users, scenario, SIZE))
    at_once = time.process_time() - start
    few = users[:ALONE]
    start = time.process_time()
    alone = [recommend(system, "", Request(user, scenario, SIZE, reasons=False)).ids for user in few]
    one_by_one = time.process_time() - start
    return {
        "items": len(state.catalogue),
        "signals": len(state.fusion.fitted()),
        "users_per_second": len(users) / at_once,
        "users_per_second_one_by_one": len(few) / one_by_one,
        "same_slates": float(np.mean([many[row] == slate for row, slate in enumerate(alone)])),
        "peak_mb": peak_mb(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser().parse_args(arguments)
    set_threads(1)
    results: list[dict[str, Any]] = []
    try:
        for system in systems(options):
            results += [
                {"scenario": name} | measure(system, name, options.users, options.seed or 0)
                for name in system.scenarios
            ]
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    head = ("scenario", "items", "signals", "users/s at once", "one by one", "same slates", "peak MiB")
    rows = [
        (
            one["scenario"],
            f"{one['items']:,}",
            str(one["signals"]),
            f"{one['users_per_second']:,.0f}",
            f"{one['users_per_second_one_by_one']:,.0f}",
            f"{100 * one['same_slates']:.1f} %",
            f"{one['peak_mb']:,.0f}",
        )
        for one in results
    ]
    print(table(head, rows))
    if options.json is not None:
        write_json(options.json, {"catalogues": results, "machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
