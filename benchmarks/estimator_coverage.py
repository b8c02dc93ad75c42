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
from itertools import permutations
from pathlib import Path
from typing import Any

import prepared  # noqa: F401 - numpy reads it when it loads

# isort: split
import numpy as np

from measuring import measured
from polyscene.core.seeds import derived, generator
from polyscene.evaluation.offpolicy.estimator import Estimator
from polyscene.evaluation.offpolicy.interval import bernstein_bounds, bootstrap_bounds, normal_bounds
from polyscene.evaluation.offpolicy.log import Codes, LoggedDecisions, Values
from polyscene.evaluation.offpolicy.modelled import (
    Direct,
    DoublyRobust,
    ModelledSettings,
    SwitchDr,
    SwitchSettings,
)
from polyscene.evaluation.offpolicy.pseudo_inverse import (
    PseudoInverse,
    PseudoInverseSettings,
    second_moments_of,
)
from polyscene.evaluation.offpolicy.slates import CascadeDr, IndependentIps, RewardInteractionIps, SlateIps
from polyscene.evaluation.offpolicy.weighting import ClippedIps, ClippedSettings, Ips, Snips
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import resampled_sums
from polyscene.sample.behaviour import examination
from polyscene.sample.world import SampleWorld
from showing import table, write_json

SCENARIO = "shop"
PEOPLE, ITEMS, DAYS = 400, 40, 20
SINGLE_ITEMS, SLATE_ITEMS, PLACES, VISITS = 20, 8, 3, 20
PARTS = ("single", "rare", "visits", "slates", "uniform_slates")
LEVEL, LOW, HIGH = 0.95, 0.93, 0.97
CLIP, RARE = 3.0, 0.05
LOGGING_SHARPNESS, TARGET_SHARPNESS = 0.6, 1.2

Draw = Callable[[np.random.Generator, int], tuple[LoggedDecisions, Values, Values]]


@dataclass(frozen=True)
class People:
    """What is true of the people.

    Attributes:
        rates: (U, A) chance to take an item that is looked at.
        contexts: (U, d) what the log knows of them.
        tailored: (U, A) mean logit of the rates in the person's country.
        popular: (A,) mean logit of the rates.
    """

    rates: Values
    contexts: Values
    tailored: Values
    popular: Values

    @classmethod
    def of(cls, seed: int) -> People:
        """Generate the world and look at its newest items on its last day."""
        world = SampleWorld.generate(seed, PEOPLE, ITEMS, DAYS)
        live = np.flatnonzero(world.live(SCENARIO, world.end))[-SINGLE_ITEMS:]
        rates = world.preference(np.arange(PEOPLE)[:, None], SCENARIO, live[None, :], world.end)
        logits = np.log(rates) - np.log1p(-rates)
        country = world.users["country"].fill_null("")
        home = np.unique(country.to_numpy(), return_inverse=True)[1]
        at_home = np.eye(int(home.max()) + 1)[home]
        means = (at_home.T @ logits) / at_home.sum(axis=0)[:, None]
        age = world.users["age"].fill_null(strategy="mean").to_numpy().astype(np.float64)[:, None]
        return cls(rates, np.hstack([at_home, age]), means[home], logits.mean(axis=0))


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


def softmax(logits: Values) -> Values:
    """Return probabilities over the last axis."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Part:
    """One kind of log.

    Attributes:
        truth: what the target earns.
        draw: from a generator and n to a log, the target given the places before, and its marginals.
        estimators: that are asked; a name may bear a note behind a space.
    """

    truth: float
    draw: Draw
    estimators: Mapping[str, Estimator]


def single(people: People, visits: int) -> Part:
    """Return decisions of one item, each person asked `visits` times."""
    logging = softmax(LOGGING_SHARPNESS * people.popular)
    target = softmax(TARGET_SHARPNESS * people.tailored)

    def draw(chance: np.random.Generator, n: int) -> tuple[LoggedDecisions, Values, Values]:
        users = np.repeat(chance.integers(0, PEOPLE, n // visits), visits)
        actions = chance.choice(len(logging), len(users), p=logging)
        rewards = chance.random(len(users)) < people.rates[users, actions]
        clusters = np.repeat(np.arange(n // visits), visits)
        log = LoggedDecisions.single(
            actions,
            logging[actions],
            rewards,
            len(logging),
            clusters=clusters,
            contexts=people.contexts[users],
        )
        return log, target[users][:, None], target[users][:, None]

    most = float((target / logging).max())
    known: dict[str, Any] = {"reward_range": (0.0, 1.0), "max_weight": most}
    estimators = {
        "ips": Ips(Ips.Settings(**known)),
        "clipped_ips": ClippedIps(ClippedSettings(reward_range=(0.0, 1.0), clip=CLIP)),
        "snips": Snips(),
        "direct": Direct(),
        "direct (ridge)": Direct(ModelledSettings(reward_model="ridge")),
        "doubly_robust": DoublyRobust(ModelledSettings(**known)),
        "doubly_robust (ridge)": DoublyRobust(ModelledSettings(reward_model="ridge", **known)),
        "switch_dr": SwitchDr(SwitchSettings(reward_range=(0.0, 1.0))),
    }
    return Part(float((target * people.rates).sum(axis=1).mean()), draw, estimators)


@dataclass(frozen=True)
class SlateSpace:
    """All slates (S, k), and what a Plackett-Luce policy of weights (…, A) does with them."""

    slates: Codes

    def conditional(self, weights: Values) -> Values:
        """Return (…, S, k, A) the chance of every item at each place given those before it."""
        places = [self._left(weights, place) for place in range(self.slates.shape[1])]
        left = np.stack(places, axis=-2)
        return np.asarray(left / left.sum(axis=-1, keepdims=True))

    def _left(self, weights: Values, place: int) -> Values:
        open_ = np.ones((len(self.slates), weights.shape[-1]))
        np.put_along_axis(open_, self.slates[:, :place], 0.0, axis=1)
        return np.asarray(weights[..., None, :] * open_)

    def chances(self, conditional: Values) -> Values:
        """Return (…, S) the probability of each slate."""
        index = np.broadcast_to(self.slates[:, :, None], (*conditional.shape[:-1], 1))
        return np.asarray(np.take_along_axis(conditional, index, axis=-1)[..., 0].prod(axis=-1))

    def marginals(self, chances: Values, n_actions: int) -> Values:
        """Return (…, k, A) the chance of every item at each place."""
        shown = np.eye(n_actions)[self.slates]  # (S, k, A)
        return np.asarray(np.tensordot(chances, shown, axes=([-1], [0])))


def slates(people: People, sharpness: float) -> Part:
    """Return decisions of three places; `sharpness` 0 logs all slates alike."""
    rates, space = (
        people.rates[:, :SLATE_ITEMS],
        SlateSpace(np.array([*permutations(range(SLATE_ITEMS), PLACES)])),
    )
    logging = space.conditional(np.exp(sharpness * people.popular[:SLATE_ITEMS]))  # (S, k, A)
    target = space.conditional(np.exp(TARGET_SHARPNESS * people.tailored[:, :SLATE_ITEMS]))  # (U, S, k, A)
    chances, wanted = space.chances(logging), space.chances(target)
    shown, marginal = space.marginals(chances, SLATE_ITEMS), space.marginals(wanted, SLATE_ITEMS)
    looks = examination(PLACES)
    truth = float((marginal * rates[:, None, :] * looks[:, None]).sum(axis=(1, 2)).mean())

    def draw(chance: np.random.Generator, n: int) -> tuple[LoggedDecisions, Values, Values]:
        users = chance.integers(0, PEOPLE, n)
        rows = chance.choice(len(chances), n, p=chances)
        actions = space.slates[rows]
        at = np.take_along_axis(logging[rows], actions[:, :, None], axis=2)[:, :, 0]
        rewards = chance.random(actions.shape) < looks * rates[users[:, None], actions]
        log = LoggedDecisions(
            actions,
            at,
            rewards.astype(np.float64),
            SLATE_ITEMS,
            contexts=people.contexts[users],
            marginals=shown[np.arange(PLACES), actions],
        )
        return log, target[users, rows], marginal[users]

    how = PseudoInverse(
        PseudoInverseSettings(logging="general"), second_moments_of(space.slates, chances, SLATE_ITEMS)
    )
    estimators: dict[str, Estimator] = {
        "slate_ips": SlateIps(),
        "independent_ips": IndependentIps(),
        "reward_interaction_ips": RewardInteractionIps(),
        "cascade_dr": CascadeDr(),
        "pseudo_inverse": how if sharpness else PseudoInverse(),
    }
    return Part(truth, draw, estimators)


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
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    made.add_argument("--seed", type=int, default=7, metavar="N", help="of world and logs; default: 7")
    made.add_argument("--part", action="append", choices=PARTS, help="only this one; may be said again")
    made.add_argument("--repetitions", type=int, default=500, metavar="N", help="logs per part; default: 500")
    made.add_argument("--decisions", type=int, default=2000, metavar="N", help="in a log; default: 2000")
    made.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="of the bootstrap; default: 1000"
    )
    return made


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
