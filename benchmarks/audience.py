"""Thirty days of people who answer, over HTTP: a service that learns and explores beside one that does
neither.

    python benchmarks/audience.py --json audience.json --figure audience.svg
    python benchmarks/audience.py --days 10 --seeds 1 --users 300

A newspaper of the sample world (`polyscene.sample.audience`): people tire of topics, drift in taste, leave
when they find nothing, look at the first places most, and are heard of late; new stories come every day. Each
service is `polyscene serve` in a process of its own, asked by the Python client; stories are put when they
appear. One hears every click, explores, and has a cycle each night. The other is the same run with learning
and exploration off: it hears no click (what a person has had is named in the request) and has no cycle. A
third learns as the first one does and explores nothing.

In its first week the first service shows slates by one policy; by that log `polyscene.serving.judging`
foretells what another policy would earn, which is the one that it is given for the other weeks. Beside what
was foretold stand what that policy was worth on the same visits, which only the world knows, and what it
earned afterwards.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from audience_service import SCENARIO, newspaper, served
from curves import Panel, draw
from measuring import measured
from newsroom import PLACES, Days, Newsroom
from polyscene.client.clients import Client
from polyscene.core.clock import DAY
from polyscene.core.threads import prepare_environment
from polyscene.evaluation.provenance import machine, versions
from polyscene.policies.registry import policy_named
from polyscene.project import Project
from polyscene.sample.audience import Audience
from polyscene.sample.clock import START
from polyscene.sample.world import SampleWorld
from polyscene.serving.cycle_service import cycle
from polyscene.serving.judging import ServiceLog, judge
from polyscene.serving.stores.contract import CODES
from polyscene.serving.stores.copies import stores_to_read
from projects import WORK
from showing import table, write_json

WEEK = 7
DRAWS = 64
"""Slates of the other policy by which its worth on the same visits is known."""
LOGGED, OTHER = "plackett_luce:0.5", "plackett_luce:0.35"
POLICY = '{ name = "plackett_luce", temperature = 0.5 }'
HOURS = 24.0
SECONDS_TO_DISK = 0.3
"""Decisions reach it a little after their answers."""
ARMS = ("learns and explores", "learns", "neither")


@dataclass(frozen=True)
class Sizes:
    """Of every world: days of log, days that are lived, people, stories."""

    history: int
    days: int
    users: int
    items: int


def lived(
    arm: str, folder: Path, world: SampleWorld, sizes: Sizes, seed: int
) -> tuple[Days, dict[str, float] | None]:
    """Let people come for so many days; return what was had, and what was foretold in the first week."""
    project = Project.open(folder / "polyscene.toml")
    service = folder / "service" / "polyscene"
    audience = Audience(world, SCENARIO, sizes.history, seed)
    learns, explores = arm != ARMS[2], arm == ARMS[0]
    had, foretold = Days(), None
    with served(folder / "polyscene.toml") as url, Client(url) as client:
        room = Newsroom(world, audience, client, learns)
        room.skip(START + sizes.history * DAY)
        for number in range(sizes.days):
            name = (LOGGED if number < WEEK else OTHER) if explores else None
            policy = None if name is None else policy_named(name)
            clicks, expected, best, slates = room.day(sizes.history + number, policy, number < WEEK)
            had.add(clicks, expected, best, slates)
            if explores and number == WEEK - 1:
                foretold = _foretold(project, service, room, audience, seed)
            if learns:
                start = time.perf_counter()
                had.verdicts.append(cycle(project, service, service=url).verdict)
                had.seconds.append(round(time.perf_counter() - start, 2))
    had.gone = int(audience.gone.sum())
    return had, foretold


def _foretold(
    project: Project, service: Path, room: Newsroom, audience: Audience, seed: int
) -> dict[str, float]:
    """Return what the other policy was foretold to earn a slate, with bounds, and what it was worth.

    Stories are put in the order in which the world has them, so a candidate's code is that of the world.
    """
    time.sleep(SECONDS_TO_DISK)
    with stores_to_read(service, project.settings.name) as stores:
        log = ServiceLog.of_stores(*stores)
        records = {record.id: record for _, record in stores[1].since(0, 1_000_000)}
    comparison = judge(log, project.settings.scenarios, OTHER, hours=HOURS, seed=seed)[0].comparison
    answer, other = comparison.answer, policy_named(OTHER)
    chance, worth, logged = np.random.default_rng(seed), list[float](), list[float]()
    for slate in log.slates:
        codes = np.frombuffer(records[slate.id].candidates, CODES).astype(np.int64)
        room.demand(codes[slate.places], slate.items)
        appeal = room.appeals[slate.id]
        drawn = [codes[other.choose(slate.scores, PLACES, chance)[0]] for _ in range(DRAWS)]
        worth.append(float(np.mean([audience.worth(appeal, one) for one in drawn])))
        logged.append(audience.worth(appeal, codes[slate.places]))
    return {
        "foretold": answer.policy.value,
        "low": answer.policy.low,
        "high": answer.policy.high,
        "effective": comparison.support["policy"].effective_sample_size,
        "decisions": float(comparison.decisions),
        "log earned": comparison.earned,
        "log worth": float(np.mean(logged)),
        "worth": float(np.mean(worth)),
    }


def run(arms: Sequence[str], sizes: Sizes, seeds: Sequence[int], work: Path) -> dict[str, Any]:
    """Let every service have its people, in a world for each seed."""
    had: dict[str, list[Days]] = {arm: [] for arm in arms}
    foretold = list[dict[str, float]]()
    for seed in seeds:
        home = work / f"audience-{seed}"
        shutil.rmtree(home, ignore_errors=True)
        world = SampleWorld.generate(seed, sizes.users, sizes.items, sizes.history + sizes.days)
        project = newspaper(world, home / "first", sizes.history, POLICY, seed)
        project.train(everything_counts=True)
        for number, arm in enumerate(arms):
            folder = shutil.copytree(home / "first", home / str(number))
            lived_days, estimate = lived(arm, folder, world, sizes, seed)
            had[arm].append(lived_days)
            foretold += [] if estimate is None else [estimate | {"came": _afterwards(lived_days)}]
            clicks, seconds = sum(lived_days.clicks), sum(lived_days.seconds)
            print(f"seed {seed}, {arm}: {clicks:,.0f} clicks, cycles took {seconds:.0f} s", file=sys.stderr)
    return {"arms": {arm: [asdict(one) for one in each] for arm, each in had.items()}, "foretold": foretold}


def _afterwards(had: Days) -> float:
    """Return the clicks a slate of the week after the first one."""
    return sum(had.clicks[WEEK : 2 * WEEK]) / max(sum(had.slates[WEEK : 2 * WEEK]), 1)


def joined(files: Sequence[Path]) -> dict[str, Any]:
    """Return the results that several calls wrote as those of one.

    Raises:
        ValueError: they are of different services.
    """
    results = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    if len({tuple(one["arms"]) for one in results}) != 1:
        raise ValueError("expected results of the same services, found different ones; join like with like")
    arms = {arm: [days for one in results for days in one["arms"][arm]] for arm in results[0]["arms"]}
    return {"arms": arms, "foretold": [estimate for one in results for estimate in one["foretold"]]}


def tables(results: Mapping[str, Any]) -> str:
    """Return the results as text."""
    rows = []
    for arm, each in results["arms"].items():
        days = [_per_day(one["clicks"]) for one in each]
        weeks = [np.array([_per_day(one["clicks"][-WEEK:]) for one in each])]
        slates = [sum(one["clicks"]) / sum(one["slates"]) for one in each]
        best = [sum(one["expected"]) / sum(one["best"]) for one in each]
        nights = np.array([second for one in each for second in one["seconds"]] or [0.0])
        verdicts = [verdict for one in each for verdict in one["verdicts"]]
        rows.append(
            [
                arm,
                _spread(days, "{:.1f}"),
                _spread(weeks[0].tolist(), "{:.1f}"),
                _spread(slates, "{:.3f}"),
                _spread(best, "{:.1%}"),
                _spread([one["gone"] for one in each], "{:.0f}"),
                f"{nights.mean():.1f}",
                f"{verdicts.count('promoted')} of {len(verdicts)}",
            ]
        )
    head = [
        "service",
        "clicks a day",
        "last week",
        "a slate",
        "of the oracle's",
        "left",
        "night s",
        "promoted",
    ]
    parts = [table(head, rows)]
    if results["foretold"]:
        keys = ("log earned", "foretold", "low", "high", "worth", "came", "effective", "decisions")
        values = [
            [
                f"world {number}",
                *(f"{one[key]:.3f}" for key in keys[:-2]),
                *(f"{one[key]:,.0f}" for key in keys[-2:]),
            ]
            for number, one in enumerate(results["foretold"], 1)
        ]
        parts.append(table([f"{OTHER} by the log of {LOGGED}", *keys], values))
    return "\n\n".join(parts)


def _per_day(clicks: Sequence[float]) -> float:
    return sum(clicks) / max(len(clicks), 1)


def _spread(values: Sequence[float], form: str) -> str:
    mean, least, most = (form.format(one) for one in (np.mean(values), min(values), max(values)))
    return f"{mean} [{least}, {most}]"


def drawn(path: Path, results: Mapping[str, Any]) -> None:
    """Draw clicks a day, the mean of three days, and all clicks so far."""
    clicks = {arm: np.array([one["clicks"] for one in each]) for arm, each in results["arms"].items()}
    days = np.arange(1, next(iter(clicks.values())).shape[1] + 1, dtype=np.float64)
    smooth = {
        arm: np.stack([np.convolve(one, np.ones(3) / 3, "valid") for one in each])
        for arm, each in clicks.items()
    }
    panels = [
        Panel("clicks a day, mean of three", days[1:-1], smooth, {}),
        Panel("all clicks so far", days, {arm: each.cumsum(axis=1) for arm, each in clicks.items()}, {}),
    ]
    draw(path, panels, "day", "clicks")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--days", type=int, default=30, metavar="N", help="at least 15; default: 30")
    arguments.add_argument(
        "--history", type=int, default=7, metavar="N", help="days of log before them; default: 7"
    )
    arguments.add_argument("--users", type=int, default=600, metavar="N", help="default: 600")
    arguments.add_argument("--items", type=int, default=400, metavar="N", help="stories in all; default: 400")
    arguments.add_argument("--seeds", type=int, default=3, metavar="N", help="worlds; default: 3")
    arguments.add_argument("--seed", type=int, default=7, metavar="N", help="of the first; default: 7")
    arguments.add_argument(
        "--arms", nargs="+", choices=ARMS, default=list(ARMS), help="services; default: all"
    )
    arguments.add_argument(
        "--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work"
    )
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    arguments.add_argument(
        "--from", dest="files", type=Path, nargs="+", metavar="FILE", help="join what earlier calls wrote"
    )
    arguments.add_argument("--figure", type=Path, metavar="FILE", help="draw here, .svg or .png")
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Let days pass, print, draw, write."""
    options = parser().parse_args(arguments)
    if options.files:
        results = joined(options.files)
        print(tables(results))
        if options.figure is not None:
            drawn(options.figure, results)
        return 0
    if options.days < 2 * WEEK + 1 or options.seeds < 1:
        print(
            f"expected --days of at least {2 * WEEK + 1} and --seeds of at least 1, "
            f"found {options.days} and {options.seeds}",
            file=sys.stderr,
        )
        return 1
    seeds = [options.seed + number for number in range(options.seeds)]
    sizes = Sizes(options.history, options.days, options.users, options.items)
    with measured() as cost:
        results = run(options.arms, sizes, seeds, options.work)
    print(tables(results))
    print(f"\n{options.seeds} worlds of {options.days} days, {cost.seconds:.0f} s")
    if options.figure is not None:
        drawn(options.figure, results)
    if options.json is not None:
        facts = {
            **asdict(sizes),
            "seeds": seeds,
            "cost": cost.to_json(),
            "machine": machine(),
            "versions": versions(),
        }
        write_json(options.json, results | facts)
    return 0


if __name__ == "__main__":
    prepare_environment()
    sys.exit(main())
