"""How signals fare in the other scenarios, cut down to as little as is known of a new one.

Where a scenario has few choices of its own, or none, these cannot tell which signal to use alone. The other
scenarios can: each is looked at as if it had as few events, of as few people, and the choices that its own
signals have not learned from say what every signal is worth then, to people with events there and without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from polyscene.core.seeds import derived, generator
from polyscene.core.settings.project import Settings
from polyscene.core.types import IntArray
from polyscene.data.queries import Choices
from polyscene.data.schema import EventLog
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.results import SYSTEM
from polyscene.learning.example_gains import CUTOFF, signal_gains
from polyscene.learning.fusion import MAX_MEASURED, MIN_CHOICES, FusionData
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import Values, mid_ranks, ndcg
from polyscene.recommenders.fusion.alone import alone
from polyscene.recommenders.fusion.features import HISTORY
from polyscene.recommenders.fusion.fusion import FOR_EVERYBODY
from polyscene.recommenders.fusion.training import BUILD
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.signal import Evidence, Need

WORTH = MIN_CHOICES
"""What the other scenarios say counts like so many choices of the own one at most."""
MAX_LENT = 400
"""At most so many choices of each other scenario are looked at."""
NAMED = 3
"""So many signals are named with their figures."""


@dataclass(frozen=True)
class SignalGains:
    """What choices of one kind of people say of signals, each used alone.

    Attributes:
        gains: mean NDCG@10 by signal.
        choices: how many there were.
    """

    gains: Mapping[str, float] = field(default_factory=dict)
    choices: int = 0

    @classmethod
    def of(cls, names: Sequence[str], gains: Values) -> SignalGains:
        """Return the means of (n, K) gains of K signals."""
        return (
            cls(dict(zip(names, gains.mean(axis=0).tolist(), strict=True)), len(gains))
            if len(gains)
            else cls()
        )

    def joined(self, lent: SignalGains) -> dict[str, float]:
        """Return by signal the means shrunk to what is lent: `(n · own + m · lent) / (n + m)`.

        m is `WORTH`, or the number of the choices that are lent where these are fewer.

        A signal that the other scenarios know nothing of counts as one that finds nothing there.
        """
        worth = lent.worth
        total = max(self.choices + worth, 1)
        return {
            name: (self.choices * self.gains.get(name, 0.0) + worth * lent.gains.get(name, 0.0)) / total
            for name in {**self.gains, **lent.gains}
        }

    @property
    def worth(self) -> int:
        """Return how many choices of another scenario these count like."""
        return min(self.choices, WORTH)

    @property
    def figures(self) -> str:
        """Return the best signals with their figures."""
        if not _tells(self.gains):
            return "no signal found anything"
        best = sorted(self.gains.items(), key=lambda one: -one[1])[:NAMED]
        return ", ".join(f"'{name}' {mean:.4f}" for name, mean in best)


@dataclass(frozen=True)
class Lent:
    """What the other scenarios say, cut down to as many events as a scenario has.

    Attributes:
        known, new: of people with events there, and without.
        scenarios: that tell it.
        events: that each was cut down to.
    """

    known: SignalGains = field(default_factory=SignalGains)
    new: SignalGains = field(default_factory=SignalGains)
    scenarios: tuple[str, ...] = ()
    events: int = 0


@dataclass(frozen=True)
class Alone:
    """What answers people with events here, a signal or the fusion; which signal those without; and why."""

    known: str
    new: str
    notes: tuple[str, ...] = ()


def met_new(own: FusionData) -> int:
    """Return how many of the choices that a fusion learns from are of people without events here."""
    return sum(bool(example.user[HISTORY] <= 0) for example in (*own.taught, *own.strangers))


def chosen_alone(
    name: str,
    usable: Sequence[str],
    own: FusionData,
    names: Sequence[str],
    lent: Lent,
    known: str | None = None,
) -> Alone:
    """Return what is used alone where no fusion is, or none for some: by own choices, and by what is lent.

    People without events here are answered by what suits such people. Where nothing tells that, a signal that
    hears from other scenarios answers them, and without one the same as the others; where nothing tells
    what suits people with events, what suits those without.

    Args:
        name: of the scenario.
        usable: its signals.
        own: its choices.
        names: of all signals, in the network's order.
        known: what answers people with events, a signal or the fusion; None: that is to be chosen too.
    """
    gains = signal_gains(own.examples, len(names))[:, [names.index(signal) for signal in usable]]
    has_events = np.array([example.user[HISTORY] > 0 for example in own.examples], np.bool_)
    own_known, own_new = SignalGains.of(usable, gains[has_events]), SignalGains.of(usable, gains[~has_events])
    of_known, of_new = own_known.joined(lent.known), own_new.joined(lent.new)
    order = in_stated_order(usable)
    notes = list[str]()
    if known is None:
        known = _best(order, of_known if _tells(of_known) else of_new)
        notes.append(_note(name, "with", known, own_known, lent.known, lent))
    untold = known == SYSTEM and not lent.new.choices  # a fusion is not left for an order alone
    hears_none = not _tells(of_new) and not _hears(order[0])
    new = known if untold or hears_none else _best(order, of_new)
    if new != SYSTEM:
        notes.append(_note(name, "without", new, own_new, lent.new, lent))
    return Alone(known, new, tuple(notes) if lent.scenarios or new != known else ())


def _best(order: Sequence[str], means: Mapping[str, float]) -> str:
    """Return the best signal, of equal ones the first in the order."""
    return max(order, key=lambda signal: means.get(signal, 0.0))


def _tells(means: Mapping[str, float]) -> bool:
    """Return whether some signal has found something."""
    return max(means.values(), default=0.0) > 0


def _note(name: str, kind: str, best: str, own: SignalGains, lent: SignalGains, source: Lent) -> str:
    """Return why a signal answers one kind of people."""
    head = f"{name}: people {kind} events here are answered by '{best}'"
    reasons = list[str]()
    if own.choices:
        reasons.append(f"on {own.choices:,} of their own choices NDCG@{CUTOFF} was {own.figures}")
    if lent.choices:
        where = " and ".join(source.scenarios)
        reasons.append(
            f"in {where}, cut down to {source.events:,} events and counted like {lent.worth} choices, on "
            f"{lent.choices:,} choices {lent.figures}"
        )
    if not _tells(own.gains) and not _tells(lent.gains):
        why = "needs no events of theirs here" if _hears(best) else "suits the others"
        reasons = [*(reasons or ["no choice tells what suits them"]), f"it {why}"]
    return f"{head}: {'; '.join(reasons)}"


def _hears(signal: str) -> bool:
    """Return whether a signal hears from other scenarios, so that it needs no event of the own one."""
    return Need.OTHER_SCENARIOS in SIGNALS[signal].needs


def in_stated_order(names: Sequence[str]) -> list[str]:
    """Return signals in the order in which they are used alone where nothing tells them apart.

    Those that hear from other scenarios come first: they alone need no event of the own one.
    """
    return sorted(names, key=lambda name: not _hears(name))


def lent(
    data: TrainingData,
    name: str,
    usable: Sequence[str],
    fusion_datas: Mapping[str, FusionData],
    settings: Settings,
) -> Lent:
    """Return what the scenarios with enough choices say of the signals of one that has too few.

    Args:
        name: of the scenario with few choices.
        usable: its signals.
        fusion_datas: of every scenario.
    """
    count = int(np.sum(data.folds.learned(name, Phase.ALL).weight > 0))
    others = [other for other, learned in fusion_datas.items() if other != name and learned.enough]
    parts = [_cut_down(data, other, count, usable, settings) for other in others]
    return Lent(
        _mean_of([known for known, _ in parts]), _mean_of([new for _, new in parts]), tuple(others), count
    )


def _mean_of(parts: Sequence[SignalGains]) -> SignalGains:
    """Return the mean by signal over the scenarios that know it, each counting the same."""
    names = dict.fromkeys(name for part in parts for name in part.gains)
    known = {name: [part.gains[name] for part in parts if name in part.gains] for name in names}
    gains = {name: float(np.mean(values)) for name, values in known.items()}
    return SignalGains(gains, sum(part.choices for part in parts))


def _cut_down(
    data: TrainingData, name: str, count: int, usable: Sequence[str], settings: Settings
) -> tuple[SignalGains, SignalGains]:
    """Return what a scenario's choices say as if it had so many events: of people with some, and without."""
    choices = data.folds.tune(name, MAX_LENT, derived(data.seed, "lent", name)).choices
    whole = data.evidence(name, Phase.PAST)
    events, people = first_people(whole.positive, count, generator(data.seed, "cut down", name))
    evidence = replace(whole, events=events, joint=None)
    able = [signal for signal in usable if evidence.meets(SIGNALS[signal].needs)]
    asked = _asked_by(choices, people)
    gains = alone_gains(data, name, evidence, asked, able, settings)
    has_events = asked.queries.history.lengths > 0
    return SignalGains.of(able, gains[has_events]), SignalGains.of(able, gains[~has_events])


def first_people(events: EventLog, count: int, draws: np.random.Generator) -> tuple[EventLog, IntArray]:
    """Return so many events of people drawn one after the other, and those of whom all are among them."""
    users, lengths = np.unique(events.user, return_counts=True)
    order = draws.permutation(len(users))
    place = np.zeros(int(users.max(initial=0)) + 1, np.int64)
    place[users[order]] = np.arange(len(users))
    kept = np.sort(np.lexsort((events.time, place[events.user]))[:count])
    known = users[order][np.cumsum(lengths[order]) <= count]
    return events.take(kept), known


def _asked_by(choices: Choices, known: IntArray) -> Choices:
    """Return the choices as if of everybody else nothing was known here."""
    queries = choices.queries
    unknown = ~np.isin(queries.user, known)
    had = None if queries.had is None else queries.had.emptied(unknown)
    return Choices(replace(queries, history=queries.history.emptied(unknown), had=had), choices.target)


def alone_gains(
    data: TrainingData,
    name: str,
    evidence: Evidence,
    choices: Choices,
    usable: Sequence[str],
    settings: Settings,
) -> Values:
    """Return (n, K) NDCG@10 of every choice by each signal used alone, the open catalogue ranked.

    Args:
        evidence: that the signals are fitted on.
        usable: K names of signals.
    """
    signals = [SIGNALS[signal](settings.signal(signal)).fit(evidence) for signal in usable]
    popularity = usable.index(FOR_EVERYBODY) if FOR_EVERYBODY in usable else None
    features = data.features(evidence)
    features.measure(signals, choices.queries.take(0, min(MAX_MEASURED, len(choices))))
    parts = [np.zeros((0, len(usable)))]
    for rows, queries in choices.queries.blocks(BUILD):
        block = features.block(signals, queries)
        target = choices.target[rows].astype(np.int64)
        open_ = ~features.closed(queries, data.hide_seen[name])
        open_[np.arange(len(target)), target] = True
        ranks = [mid_ranks(alone(block, place, popularity), target, open_) for place in range(len(usable))]
        parts.append(np.stack([ndcg(one, CUTOFF) for one in ranks], axis=1))
    return np.concatenate(parts)
