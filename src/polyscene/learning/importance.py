"""Measures what a scenario's fusion rests on: each signal, and what people did in other scenarios."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from polyscene.core.progress import Progress
from polyscene.core.seeds import generator
from polyscene.data.queries import Choices, Queries
from polyscene.evaluation.importance import Contribution, Cost, Kind, ScenarioImportance
from polyscene.evaluation.judge import Case, judge
from polyscene.evaluation.results import Judgement
from polyscene.evaluation.significance import Interval, Values, paired_bootstrap
from polyscene.recommenders.fusion.blocks import block_size
from polyscene.recommenders.fusion.candidates import PER_SIGNAL, proposed
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.withholding import WHOLE, Way, Withholding, model_name, other_scenarios
from polyscene.recommenders.registry import SIGNALS

MAX_CHOICES = 2000
"""At most so many choices are ranked anew for every part, unless more are asked for."""
TIMED = 40
"""The cost of a request is the median over so many."""
WARM = 3
"""The first requests are not counted: what is read lazily is read by them."""


THE_OTHERS = "all that do not carry"
"""Those together of which none is shown to carry: each may stand in for another."""
NO_CHOICES = "There is no choice to rank"
ONE_BY_ONE = "Nothing is exchanged between people where choices are learned one by one"

NOT_WHILE_LEARNING = (
    "what each part carries is not measured on held-out choices that signals learn one by one; ask for the "
    "test choices"
)


@dataclass(frozen=True)
class Measuring:
    """How it is measured.

    Attributes:
        cutoff: k of NDCG.
        resamples: of every interval.
        seed: of those draws, of the sample and of what is exchanged.
        blocks_mb: how large a block of requests may be.
        max_choices: at most so many are ranked; None: all.
    """

    cutoff: int
    resamples: int
    seed: int
    blocks_mb: int
    max_choices: int | None = MAX_CHOICES

    def sample(self, choices: Choices, scenario: str, in_order: bool) -> Choices:
        """Return the choices that are ranked, in a random order unless they are learned one by one.

        In such an order those that stand together in a block are hardly ever of one person.
        """
        order = generator(self.seed, "importance", scenario).permutation(len(choices))[: self.max_choices]
        return choices.pick(np.sort(order) if in_order else order)

    def loss(self, whole: Judgement, other: Judgement, model: str) -> Interval:
        """Return how much NDCG the choices lose that another model ranks, `model` of the second judgement."""
        before, after = self._gains(whole, WHOLE), self._gains(other, model)
        return paired_bootstrap(before, after, whole.users, resamples=self.resamples, seed=self.seed)

    def ndcg(self, judged: Judgement) -> float:
        """Return the mean NDCG of the whole."""
        return float(self._gains(judged, WHOLE).mean())

    def _gains(self, judged: Judgement, model: str) -> Values:
        return judged.per_choice(model, (self.cutoff,))[f"ndcg@{self.cutoff}"]


@dataclass(frozen=True)
class Measured:
    """What was measured of one scenario.

    Attributes:
        judged: where every variant of the fusion put the choices.
        importance: what follows.
    """

    judged: Judgement
    importance: ScenarioImportance


def measured_importance(
    case: Case,
    fusion: Fusion,
    fit_seconds: Mapping[str, float],
    measuring: Measuring,
    progress: Progress,
    learn: Callable[[int], None] | None = None,
) -> Measured:
    """Rank choices by a fusion as it is, and without each part of what it knows.

    Args:
        case: what is ranked, as `Measuring.sample` gives the choices.
        fusion: whose signals have not learned from them.
        fit_seconds: by signal.
        learn: as of `judge`.
    """
    queries, scenario = case.choices.queries, case.scenario
    costs = signal_costs(fit_seconds, request_costs(fusion, queries))  # before anything is learned
    variants = Withholding(fusion, generator(measuring.seed, "exchanged", scenario), learn is None)
    size = block_size(fusion, measuring.blocks_mb)
    judged = judge(case, variants.score_all, size, 0, progress, learn)
    if not judged.n_choices:
        return Measured(judged, ScenarioImportance(scenario, 0, 0, 0.0, (), fusion.fallback, (NO_CHOICES,)))
    parts = [
        *(_contribution(measuring, judged, "signal", name, costs[name]) for name in fusion.fitted()),
        *(_contribution(measuring, judged, "scenario", name, Cost()) for name in other_scenarios(queries)),
    ]
    idle = [part for part in parts if part.kind == "signal" and not part.carries]
    if len(idle) > 1 and learn is None:
        names = [part.name for part in idle]
        without = judge(case, lambda some: {WHOLE: variants.score_without(some, names)}, size, 0, progress)
        loss = measuring.loss(judged, without, WHOLE)
        parts.append(Contribution("signals", THE_OTHERS, loss, cost=summed(part.cost for part in idle)))
    importance = ScenarioImportance(
        scenario,
        judged.n_users,
        judged.n_choices,
        measuring.ndcg(judged),
        tuple(parts),
        fusion.fallback,
        () if learn is None else (ONE_BY_ONE,),
    )
    return Measured(judged, importance)


def held_out_importance(
    name: str,
    fusion: Fusion,
    choices: Choices,
    fit_seconds: Mapping[str, float],
    measuring: Measuring,
    progress: Progress,
) -> ScenarioImportance:
    """Measure the same on the choices that are held out while a fusion learns.

    Args:
        name: of the scenario.
        fusion: whose signals have learned from the past alone.
        choices: of people from whom the fusion has not learned.
    """
    counts = fusion.features.counts.astype(np.int64)
    people = np.zeros(int(choices.queries.user.max(initial=-1)) + 1, np.int64)
    seen = "removed" if fusion.hide_seen else "kept"
    sample = measuring.sample(choices, name, in_order=False)
    case = Case(name, sample, fusion.open, counts, people, None, seen, "valid")
    return measured_importance(case, fusion, fit_seconds, measuring, progress).importance


def fit_seconds(parts: Mapping[str, float], scenario: str) -> dict[str, float]:
    """Return by signal the seconds that its fits took in a scenario, at every cut.

    Args:
        parts: seconds by "SCENARIO: SIGNAL: WHEN", as a budget of time tells them.
    """
    seconds: dict[str, float] = {}
    for part, taken in parts.items():
        signal = part.removeprefix(f"{scenario}: ").partition(": ")[0]
        if part.startswith(f"{scenario}: ") and signal in SIGNALS:
            seconds[signal] = seconds.get(signal, 0.0) + float(taken)
    return seconds


def language_cost(parts: Mapping[str, float], scenarios: Collection[str]) -> Cost:
    """Return what the language model took to read all texts and to learn, and its share of the training.

    Args:
        parts: as of `fit_seconds`; what is of no signal is the language model's.
        scenarios: all names.
    """
    signals = sum(sum(fit_seconds(parts, name).values()) for name in scenarios)
    total = sum(parts.values())
    return Cost(total - signals, None, (total - signals) / total) if total else Cost()


def _contribution(measuring: Measuring, judged: Judgement, kind: Kind, name: str, cost: Cost) -> Contribution:
    models = {way: model_name(kind, name, way) for way in Way}
    losses = {
        way: measuring.loss(judged, judged, model) for way, model in models.items() if model in judged.ranks
    }
    return Contribution(kind, name, losses[Way.WITHHELD], losses.get(Way.PEOPLE), losses.get(Way.ITEMS), cost)


def request_costs(fusion: Fusion, queries: Queries) -> dict[str, float]:
    """Return by signal the microseconds of a request: to look at it, put items forward, score the candidates.

    Requests are answered one by one, as a service does; what counts is the median.
    """
    taken: dict[str, list[float]] = {name: [] for name in fusion.fitted()}
    for row in range(min(len(queries), WARM + TIMED)):
        for name, seconds in _request_seconds(fusion, queries.take(row, row + 1)).items():
            taken[name].append(seconds)
    kept = {name: seconds[WARM:] or seconds for name, seconds in taken.items()}
    return {name: 1e6 * float(np.median(seconds)) for name, seconds in kept.items() if seconds}


def _request_seconds(fusion: Fusion, request: Queries) -> dict[str, float]:
    closed, taken = fusion.closed(request), dict[str, float]()
    prepared = fusion.prepare(request)
    candidates = proposed(prepared, 0, closed[0], fusion.small)[None]
    for name, signal in fusion.present().items():
        began = time.perf_counter()
        scores = signal.prepare(request)
        if not fusion.small:
            scores.best(0, PER_SIGNAL, closed[0])
        scores.at(candidates)
        scores.peaks()
        taken[name] = time.perf_counter() - began
    return taken


def signal_costs(fit_seconds: Mapping[str, float], microseconds: Mapping[str, float]) -> dict[str, Cost]:
    """Return what each signal takes, and its share of what all of them take."""
    names = {**fit_seconds, **microseconds}
    costs = {}
    for name in names:
        shares = [
            taken[name] / total
            for taken in (fit_seconds, microseconds)
            if name in taken and (total := sum(taken.values())) > 0
        ]
        costs[name] = Cost(fit_seconds.get(name), microseconds.get(name), max(shares, default=None))
    return costs


def summed(costs: Iterable[Cost]) -> Cost:
    """Return what several signals take together; their shares are added, so it is a bound from above."""
    every = list(costs)
    seconds, microseconds, shares = (
        [value for value in column if value is not None]
        for column in zip(*((one.fit_seconds, one.request_us, one.share) for one in every), strict=True)
    )
    return Cost(
        sum(seconds) if seconds else None,
        sum(microseconds) if microseconds else None,
        min(sum(shares), 1.0) if shares else None,
    )
