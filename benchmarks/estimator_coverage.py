"""Bias of off-policy estimators and coverage of their intervals where the truth is known: the sample world.

    python benchmarks/estimator_coverage.py --json coverage.json
    python benchmarks/estimator_coverage.py --repetitions 100 --decisions 1000 --seed 3

A person is drawn, the logging policy shows items of the sample world's shop, and each is clicked with the
chance that it is looked at (by its position) times the chance that this person takes it
(`SampleWorld.preference`). The target is another policy; what it earns is summed exactly over all people
and all slates. Five parts:

- single: one item of 20, logged by popularity, the target tailored to the person's country;
- rare: the same with a twentieth of the clicks, some twenty in a log;
- visits: as single, each person asked twenty times; bounds over people, and over decisions as if independent;
- slates: three of 8 items, logged by a Plackett-Luce policy;
- uniform slates: the same, logged with all slates alike.

An interval is honest where its coverage lies within 93 and 97 %, cautious above, and not honest below; 500
repetitions know the coverage of a right one to about a point. Clipped IPS, switch-DR and the direct method
are biased by construction: "widened" is the coverage with the stated bias bound added.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import prepared  # noqa: F401 - numpy reads it when it loads

# isort: split
import numpy as np

from known_worlds import LOGGING_SHARPNESS, Part, People, single, slates
from measuring import measured
from polyscene.core.seeds import derived, generator
from polyscene.evaluation.offpolicy.interval import bernstein_bounds, bootstrap_bounds, normal_bounds
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import resampled_sums
from showing import table, write_json

PARTS = ("single", "rare", "visits", "slates", "uniform_slates")
LEVEL, LOW, HIGH = 0.95, 0.93, 0.97
RARE, VISITS = 0.05, 20


@dataclass
class Tally:
    """What one estimator said, a number per repetition.

    Attributes:
        values: the estimates.
        hits: by kind of interval, whether it held the truth.
        widths: of the normal interval.
    """

    values: list[float] = field(default_factory=list)
    hits: dict[str, list[bool]] = field(default_factory=dict)
    widths: list[float] = field(default_factory=list)

    def hit(self, kind: str, bounds: tuple[float, float], truth: float) -> None:
        """Note whether bounds held the truth."""
        self.hits.setdefault(kind, []).append(bounds[0] <= truth <= bounds[1])

    def summary(self, truth: float) -> dict[str, Any]:
        """Return bias, spread and coverage."""
        values, count = np.array(self.values), len(self.values)
        coverage = {kind: float(np.mean(hits)) for kind, hits in self.hits.items()}
        return {
            "bias": float(values.mean() - truth),
            "bias_error": float(values.std(ddof=1) / np.sqrt(count)),
            "sd": float(values.std(ddof=1)),
            "width": float(np.mean(self.widths)),
            "coverage": coverage,
            "verdict": verdict(coverage["normal"]),
        }


def verdict(coverage: float) -> str:
    """Return what a coverage allows to say of an interval."""
    return "not honest" if coverage < LOW else "cautious" if coverage > HIGH else "honest"


def study(part: Part, name: str, repetitions: int, n: int, resamples: int, seed: int) -> dict[str, Any]:
    """Repeat a part and return what every estimator and interval did."""
    tallies = {label: Tally() for label in part.estimators}
    for repetition in range(repetitions):
        log, target, marginal = part.draw(generator(seed, "coverage", name, str(repetition)), n)
        one_repetition(
            part, log, (target, marginal), tallies, resamples, derived(seed, "draws", str(repetition))
        )
    return {
        "truth": part.truth,
        "estimators": {label: tally.summary(part.truth) for label, tally in tallies.items()},
    }


def one_repetition(
    part: Part,
    log: LoggedDecisions,
    targets: tuple[Values, Values],
    tallies: Mapping[str, Tally],
    resamples: int,
    seed: int,
) -> None:
    """Ask every estimator once; all of them share the bootstrap's draws."""
    owners = log.owners
    parts = {
        label: estimator.contributions(log, targets[estimator.reads == "marginal"])
        for label, estimator in part.estimators.items()
    }
    sums = {label: contributions.cluster_sums(owners) for label, contributions in parts.items()}
    drawn = resampled_sums(np.hstack(list(sums.values())), resamples, seed)
    for place, (label, tally) in enumerate(tallies.items()):
        each, own = sums[label], drawn[:, 2 * place : 2 * place + 2]
        normal = normal_bounds(each, LEVEL)
        tally.values.append(float(each[:, 0].sum() / each[:, 1].sum()))
        tally.widths.append(normal[1] - normal[0])
        tally.hit("normal", normal, part.truth)
        tally.hit("percentile", bootstrap_bounds(each, own, LEVEL, corrected=False), part.truth)
        tally.hit("bca", bootstrap_bounds(each, own, LEVEL, corrected=True), part.truth)
        if parts[label].bounds is not None:
            tally.hit("bernstein", bernstein_bounds(parts[label], each, owners, LEVEL), part.truth)
        if more := parts[label].bias_bound:
            tally.hit("widened", (normal[0] - more, normal[1] + more), part.truth)
        elif label in {"clipped_ips", "switch_dr"}:
            tally.hit("widened", normal, part.truth)
        if len(each) < len(log):
            alone = parts[label].cluster_sums(np.arange(len(log)))
            tally.hit("as if independent", normal_bounds(alone, LEVEL), part.truth)


def run(repetitions: int, n: int, resamples: int, seed: int, names: Sequence[str] = PARTS) -> dict[str, Any]:
    """Study the parts of these names."""
    people = People.of(seed)
    makers: dict[str, Callable[[], Part]] = {
        "single": lambda: single(people, 1),
        "rare": lambda: single(replace(people, rates=RARE * people.rates), 1),
        "visits": lambda: single(people, VISITS),
        "slates": lambda: slates(people, LOGGING_SHARPNESS),
        "uniform_slates": lambda: slates(people, 0.0),
    }
    return {
        "parts": {name: study(makers[name](), name, repetitions, n, resamples, seed) for name in names},
        "repetitions": repetitions,
        "decisions": n,
        "resamples": resamples,
        "seed": seed,
    }


def tables(results: Mapping[str, Any]) -> str:
    """Return the results as text, numbers in percent of the truth."""
    return "\n\n".join(_part(name, part) for name, part in results["parts"].items())


def _part(name: str, part: Mapping[str, Any]) -> str:
    kinds = list(dict.fromkeys(kind for each in part["estimators"].values() for kind in each["coverage"]))
    head = ["estimator", "bias", "sd", "width", *kinds, "normal interval"]
    body = [
        [
            label,
            f"{each['bias'] / part['truth']:+.1%} ± {each['bias_error'] / part['truth']:.1%}",
            *(f"{each[key] / part['truth']:.1%}" for key in ("sd", "width")),
            *(f"{each['coverage'][kind]:.1%}" if kind in each["coverage"] else "" for kind in kinds),
            each["verdict"],
        ]
        for label, each in part["estimators"].items()
    ]
    return f"{name}: truth {part['truth']:.4f}; bias, spread and width as shares of it\n{table(head, body)}"


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    arguments.add_argument("--seed", type=int, default=7, metavar="N", help="of world and logs; default: 7")
    arguments.add_argument("--part", action="append", choices=PARTS, help="only this one; may be said again")
    arguments.add_argument(
        "--repetitions", type=int, default=500, metavar="N", help="logs per part; default: 500"
    )
    arguments.add_argument("--decisions", type=int, default=2000, metavar="N", help="in a log; default: 2000")
    arguments.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="of the bootstrap; default: 1000"
    )
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Study, print, write."""
    options = parser().parse_args(arguments)
    if min(options.repetitions, options.resamples) < 2 or options.decisions < 2 * VISITS:
        print(f"expected at least 2 repetitions and resamples, {2 * VISITS} decisions", file=sys.stderr)
        return 1
    with measured() as cost:
        results = run(
            options.repetitions, options.decisions, options.resamples, options.seed, options.part or PARTS
        )
    results |= {"cost": cost.to_json(), "machine": machine(), "versions": versions()}
    print(tables(results))
    print(f"{cost.seconds:.1f} s, peak memory {cost.peak_mb:,.0f} MiB")
    if options.json is not None:
        write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
