"""Ten million generated events: what loading, checking and training cost in seconds and memory.

    python benchmarks/scale.py --json scale.json
    python benchmarks/scale.py --events 1000000 --seed 3

Every step runs in a process of its own, so that its peak memory is its own; fitting a signal includes loading
in memory, not in seconds. Users and items follow power laws; there is no text, as that is measured elsewhere.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from measuring import Cost, measured
from polyscene.core.clock import DAY
from polyscene.core.threads import prepare_environment
from polyscene.evaluation.provenance import machine, versions
from projects import WORK
from showing import table, write_json

EVENTS = 10_000_000
PER_USER, PER_ITEM = 50, 200
YEAR = 365 * DAY
CONFIG = """
name = "scale"

[scenarios.shop]
signals = ["popularity", "transitions"]
items = { path = "items.parquet", id = "item" }
events = { path = "events.parquet", user = "user", item = "item", time = "at" }
"""


def generate(folder: Path, events: int, seed: int) -> None:
    """Write the tables and the configuration."""
    draws = np.random.default_rng(seed)
    users, items = max(events // PER_USER, 10), max(events // PER_ITEM, 10)
    at = 1_700_000_000_000_000 + np.sort(draws.integers(0, YEAR, events))
    log = pl.DataFrame(
        {
            "user": _power_law(draws, users, events),
            "item": _power_law(draws, items, events),
            "at": pl.Series(at).cast(pl.Datetime("us", "UTC")),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    log.write_parquet(folder / "events.parquet")
    pl.DataFrame({"item": np.arange(items)}).write_parquet(folder / "items.parquet")
    (folder / "polyscene.toml").write_text(CONFIG, encoding="utf-8")


def _power_law(draws: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Return codes whose frequency falls with about rank to the power -0.7."""
    return (n * draws.random(size) ** (1 / 0.3)).astype(np.int64)


def load(folder: Path) -> Cost:
    """Read the tables."""
    from polyscene.project import Project

    with measured() as cost:
        len(Project.open(folder / "polyscene.toml").dataset.users)
    return cost


def check(folder: Path) -> Cost:
    """Look for problems in every row."""
    from polyscene.project import Project

    with measured() as cost:
        report = Project.open(folder / "polyscene.toml").check()
    if not report.ok:
        raise SystemExit("\n".join(str(problem) for problem in report.problems))
    return cost


def fit(folder: Path, signal: str) -> Cost:
    """Fit one signal on all events."""
    from polyscene.data.schema import UNKNOWN_TIME
    from polyscene.project import Project
    from polyscene.recommenders.registry import SIGNALS
    from polyscene.recommenders.signal import Evidence
    from polyscene.representation.item_space import ItemSpace

    dataset = Project.open(folder / "polyscene.toml").dataset
    shop = dataset.scenarios["shop"]
    n_items = len(shop.catalogue)
    since = np.full(n_items, UNKNOWN_TIME)
    evidence = Evidence(shop.events, len(dataset.users), n_items, ItemSpace.empty(n_items), since, shop.clock)
    with measured() as cost:
        SIGNALS[signal]().fit(evidence)
    return cost


def train(folder: Path) -> Cost:
    """Train the whole project: split, both signals twice, the fusion, the run on disk."""
    from polyscene.project import Project

    with measured() as cost:
        Project.open(folder / "polyscene.toml").train()
    return cost


STEPS: dict[str, Callable[[Path], Cost]] = {
    "load": load,
    "check": check,
    "popularity": lambda folder: fit(folder, "popularity"),
    "transitions": lambda folder: fit(folder, "transitions"),
    "train": train,
}


def measure(step: str, folder: Path) -> dict[str, float]:
    """Take one step in a process of its own and return what it cost."""
    command = [sys.executable, __file__, "--step", step, "--work", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def shown(costs: Mapping[str, Mapping[str, float]], events: int) -> str:
    """Return the table."""
    rows = [
        [
            step,
            f"{cost['seconds']:,.1f}",
            f"{events / max(cost['seconds'], 1e-3):,.0f}",
            f"{cost['peak_mb']:,.0f}",
        ]
        for step, cost in costs.items()
    ]
    return table([f"{events:,} events", "seconds", "events/s", "peak MiB"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate, take every step, print, write."""
    options = _parser().parse_args(arguments)
    prepare_environment()
    if options.step is not None:
        print(json.dumps(STEPS[options.step](options.work).to_json()))
        return 0
    folder = options.work / "scale"
    generate(folder, options.events, options.seed)
    costs = {step: measure(step, folder) for step in STEPS}
    print(shown(costs, options.events))
    if options.json is not None:
        write_json(options.json, _summary(costs, options.events, options.seed))
    return 0


def _summary(costs: Mapping[str, Mapping[str, float]], events: int, seed: int) -> dict[str, Any]:
    return {
        "events": events,
        "seed": seed,
        "steps": dict(costs),
        "machine": machine(),
        "versions": versions(),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=EVENTS, metavar="N", help=f"default: {EVENTS:,}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the generated events")
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
