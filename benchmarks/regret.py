"""Regret of every policy against the oracle in worlds whose truth is known, and a controller that holds
budgets.

    python benchmarks/regret.py --json regret.json --figure regret.svg
    python benchmarks/regret.py --days 200 --visits 200 --seeds 10 --json regret.json

Worlds are calm, drifting or shocked half-way, see `polyscene.sample.bandit_world`: people tire, wander and
leave, items come every day, clicks depend on the place and are known up to two days late. Regret is the
clicks that the best slate for a person at that moment would have had, less those that the shown one had, both
expected. The oracle knows the truth; it does not plan ahead. The controller's worlds are served greedily but
for slates drawn uniformly, at most 5 % of them and for at most 2 % of the clicks; beside it stands a fixed
share of 5 %. What it truly cost is told by the world, not by the controller.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import prepared  # noqa: F401 - numpy reads it when it loads
from bandit_agents import Controlled, agent_of, agents, live, world_of
from curves import Panel, draw
from measuring import measured
from polyscene.evaluation.provenance import machine, versions
from polyscene.policies.controller import Controller, ControllerSettings
from polyscene.sample.bandit_world import Climate
from showing import table, write_json

EXPLORATION, LOSS = 0.05, 0.02
POINTS = 60
"""Curves are kept at so many moments."""

Values = NDArray[np.float64]


def compared(climate: str, days: int, visits: int, seeds: Sequence[int]) -> dict[str, dict[str, Values]]:
    """Return by policy (seeds, POINTS) regret a slate summed up, and (seeds,) how many people left."""
    results = {}
    for name in agents():
        curves, left = list[Values](), list[int]()
        for seed in seeds:
            world = world_of(climate, days, seed)
            regrets, gone = live(agent_of(name, world), world, visits, seed)
            curves.append(_thinned(np.cumsum(regrets)))
            left.append(gone)
        results[name] = {"regret": np.stack(curves), "left": np.array(left, np.float64)}
    return results


def controlled(climate: str, days: int, visits: int, seeds: Sequence[int]) -> dict[str, Any]:
    """Return what a controller spends beside a fixed share, by slate since the start, and its adjustments."""
    held: dict[str, list[tuple[Values, Values]]] = {"controller": [], "fixed share": []}
    adjustments: list[dict[str, Any]] = []
    for seed in seeds:
        for name, spent in held.items():
            controller = None
            if name == "controller":
                controller = Controller(ControllerSettings(exploration=EXPLORATION, loss=LOSS))
            world = world_of(climate, days, seed)
            agent = Controlled(controller, EXPLORATION, world)
            live(agent, world, visits, seed)
            spent.append(agent.spent())
            if controller is not None and seed == seeds[0]:
                adjustments = [one.to_json() for one in controller.adjustments]
    return {
        "spent": {
            name: {
                "exploration": np.stack([_thinned(share) for share, _ in spent]),
                "loss": np.stack([_thinned(loss) for _, loss in spent]),
            }
            for name, spent in held.items()
        },
        "adjustments": adjustments,
    }


def _thinned(values: Values) -> Values:
    """Return (POINTS,) of the values, the last one among them."""
    ends = np.ceil(np.linspace(0, len(values), POINTS + 1)[1:]).astype(int)
    thinned: Values = values[ends - 1]
    return thinned


def run(climates: Sequence[str], days: int, visits: int, seeds: int, seed: int) -> dict[str, Any]:
    """Compare all policies in worlds of some climates, and let the controller hold its budgets there."""
    numbers = [seed + each for each in range(seeds)]
    return {
        "worlds": {climate: compared(climate, days, visits, numbers) for climate in climates},
        "controller": {climate: controlled(climate, days, visits, numbers) for climate in climates},
    }


def tables(results: Mapping[str, Any], slates: int) -> str:
    """Return the results as text."""
    parts = []
    for climate, policies in results["worlds"].items():
        rows = []
        for name, one in sorted(policies.items(), key=lambda pair: float(pair[1]["regret"][:, -1].mean())):
            ends = one["regret"][:, -1] / slates
            half = one["regret"][:, POINTS // 2 - 1]
            late = (one["regret"][:, -1] - half) / (slates / 2)
            rows.append(
                [
                    name,
                    f"{ends.mean():.4f}",
                    f"[{ends.min():.4f}, {ends.max():.4f}]",
                    f"{late.mean():.4f}",
                    f"{one['left'].mean():,.0f}",
                ]
            )
        head = [f"{climate}: clicks lost a slate", "mean", "least and most", "second half", "people left"]
        parts.append(table(head, rows))
    rows = []
    for climate, one in results["controller"].items():
        for name, spent in one["spent"].items():
            explored, loss = (spent[what][:, -1] for what in ("exploration", "loss"))
            numbers = (explored.mean(), explored.max(), loss.mean(), loss.max())
            rows.append([f"{climate}, {name}", *(f"{number:.2%}" for number in numbers)])
    head = ["budgets 5 % and 2 %", "explored", "most", "clicks lost", "most"]
    return "\n\n".join([*parts, table(head, rows)])


def drawn(path: Path, results: Mapping[str, Any], slates: int) -> None:
    """Draw regret in every world, and what the controller spent beside it."""
    at = slates * np.arange(1, POINTS + 1) / POINTS
    regrets = [
        Panel(climate, at, {name: one["regret"] for name, one in policies.items()}, {})
        for climate, policies in results["worlds"].items()
    ]
    draw(path, regrets, "slates", "clicks lost against the oracle")
    spent = [
        Panel(
            f"{climate}: {what}",
            at,
            {name: 100 * spent[what] for name, spent in one["spent"].items()},
            {"budget": 100 * {"exploration": EXPLORATION, "loss": LOSS}[what]},
        )
        for what in ("exploration", "loss")
        for climate, one in results["controller"].items()
    ]
    draw(path.with_name(f"{path.stem}-controller{path.suffix}"), spent, "slates", "% since the start")


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a result is made of
    """Return results as JSON takes them."""
    if isinstance(value, np.ndarray):
        return np.round(value, 6).tolist()
    return {name: plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--climate",
        nargs="+",
        choices=get_args(Climate),
        default=list(get_args(Climate)),
        help="of the worlds; default: all",
    )
    arguments.add_argument("--days", type=int, default=80, metavar="N", help="of every world; default: 80")
    arguments.add_argument(
        "--visits", type=int, default=60, metavar="N", help="a day, at most 300; default: 60"
    )
    arguments.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="worlds of each kind; default: 3"
    )
    arguments.add_argument("--seed", type=int, default=7, metavar="N", help="of the first; default: 7")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    arguments.add_argument(
        "--figure", type=Path, metavar="FILE", help="draw here, .svg or .png; and FILE-controller"
    )
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, print, draw, write."""
    options = parser().parse_args(arguments)
    if options.days < 2 or not 1 <= options.visits <= 300 or options.seeds < 1:
        wanted = "--days of at least 2, --visits of 1 to 300 and --seeds of at least 1"
        print(
            f"expected {wanted}, found {options.days}, {options.visits} and {options.seeds}", file=sys.stderr
        )
        return 1
    with measured() as cost:
        results = run(options.climate, options.days, options.visits, options.seeds, options.seed)
    slates = options.days * options.visits
    print(tables(results, slates))
    print(f"\n{slates:,} slates a world, {options.seeds} worlds of each kind, {cost.seconds:.0f} s")
    if options.figure is not None:
        drawn(options.figure, results, slates)
    if options.json is not None:
        sizes = {"days": options.days, "visits": options.visits, "seeds": options.seeds, "seed": options.seed}
        facts = {"cost": cost.to_json(), "machine": machine(), "versions": versions()}
        write_json(options.json, plain(results) | sizes | facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
