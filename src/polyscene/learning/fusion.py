"""What the fusion learns from and is judged on: choices that the signals have not learned from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.fusion import FusionSettings
from polyscene.core.settings.project import Settings
from polyscene.core.types import BoolArray, IntArray
from polyscene.data.queries import Choices
from polyscene.learning.new_items import new_share
from polyscene.learning.strangers import newcomers, strangers
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.features import MIN_PEAK, USER_FACTS, Features, Signals
from polyscene.recommenders.fusion.second_look import RERANKED, second_look
from polyscene.recommenders.fusion.stream import Learners, living
from polyscene.recommenders.fusion.training import Example, examples
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence

HELD_OUT_SHARE = 0.2
"""The share of the people whose choices the fusion is judged on and does not learn from."""
MAX_JUDGED = 2000
"""At most so many held-out choices decide between the fusion and the best signal."""
MAX_MEASURED = 256
"""The signals' scales are measured on at most so many requests."""
ENOUGH_HELD_OUT = 200
"""With fewer held-out choices of the split's own, earlier ones help to tell better weights from worse."""
MIN_CHOICES = 30
"""A scenario with fewer choices to learn from gets no weights of its own, and its best signal alone."""


@dataclass(frozen=True)
class FusionData:
    """One scenario's signals fitted on the past, and the choices after it.

    Attributes:
        training: choices to learn from.
        held_out: choices of other people, which decide when to stop: the split's own first.
        judged: the split's own of them, at most `MAX_JUDGED`, to be ranked over the whole catalogue.
        reranker: of the text ranker, where there is one.
        held_people: codes of the users who are held out.
        earlier: choices to learn from that lie before the split's own.
        earlier_seconds: what these took.
        n_own: how many of the choices, held out or not, are the split's own.
        strangers: some of the choices to learn from, as if nothing or little was known of who made them.
    """

    signals: Signals
    features: Features
    training: list[Example]
    held_out: list[Example]
    judged: Choices
    reranker: Reranker | None = None
    held_people: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    earlier: Sequence[Example] = ()
    earlier_seconds: float = 0.0
    n_own: int = 0
    strangers: Sequence[Example] = ()

    @property
    def n_own_held_out(self) -> int:
        """Return how many of the choices held out are the split's own; they come first."""
        return self.n_own - len(self.training)

    @property
    def enough(self) -> bool:
        """Return whether a fusion can learn from so many choices."""
        return bool(self.training) and len(self.taught) >= MIN_CHOICES

    @property
    def taught(self) -> list[Example]:
        """Return every choice to learn from, earlier ones too."""
        return [*self.training, *self.earlier]

    def without(self, place: int) -> FusionData:
        """Return the same without the signal at a place, as if it had said nothing of any choice."""
        for example in (*self.examples, *self.strangers):
            example.signals[place], example.peaks[place] = 0.0, MIN_PEAK
            example.user[USER_FACTS + place] = np.log1p(MIN_PEAK)
        signals = [None if number == place else one for number, one in enumerate(self.signals)]
        return replace(self, signals=signals)

    @property
    def examples(self) -> list[Example]:
        """Return every choice, held out or not."""
        return [*self.taught, *self.held_out]


@dataclass(frozen=True)
class PastSignals:
    """One scenario's signals as they were fitted before the choices that the fusion learns from.

    Attributes:
        names: of all signals, in the network's order.
        signals: fitted on the evidence, in that order.
        reranker: of the text ranker, where there is one.
    """

    names: Sequence[str]
    signals: Signals
    evidence: Evidence
    reranker: Reranker | None = None


def fusion_data(
    data: TrainingData, name: str, past: PastSignals, settings: Settings, progress: Progress
) -> FusionData:
    """Return what one scenario's fusion learns from and is judged on.

    Args:
        name: of the scenario.
        past: its signals, which know nothing of the choices.
    """
    limits = settings.fusion
    choices = data.folds.tune(name, limits.max_choices, derived(data.seed, "fusion", name)).choices
    stream = generator(data.seed, "fusion", name)
    held = held_out_rows(choices.queries.user, stream)
    scored = examples_of(data, name, past, choices, held, settings, stream, progress)
    sample = stream.permutation(np.flatnonzero(held))[:MAX_JUDGED]
    people, learned = np.unique(choices.queries.user[held]), choices.pick(np.flatnonzero(~held))
    return FusionData(
        past.signals,
        scored.features,
        scored.training,
        scored.held_out,
        choices.pick(np.sort(sample) if data.learns_on else sample),
        past.reranker,
        people,
        n_own=len(choices),
        strangers=_of_strangers(data, name, past, learned, scored.features, limits),
    )


def _of_strangers(
    data: TrainingData,
    name: str,
    past: PastSignals,
    learned: Choices,
    features: Features,
    limits: FusionSettings,
) -> list[Example]:
    """Return some choices again, as if nobody was known, or barely; none where a reader looks twice."""
    if data.learns_on or past.reranker is not None or not len(learned):
        return []
    full, share = past.evidence.n_items <= limits.max_catalogue, new_share(data, name, past.evidence)
    draws = generator(data.seed, "strangers", name)
    unknown = strangers(learned, limits.strangers, draws)
    of_unknown = examples(features, past.signals, unknown, full, draws, hide_seen=False, new_share=share)
    draws = generator(data.seed, "newcomers", name)
    barely, unseen = newcomers(learned, limits.newcomers, draws), data.hide_seen[name]
    of_barely = examples(features, past.signals, barely, full, draws, unseen, new_share=share)
    return list(itertools.chain.from_iterable(itertools.chain(of_unknown, of_barely)))


@dataclass(frozen=True)
class ScoredChoices:
    """Choices as examples, on both sides, and the features that made them."""

    features: Features
    training: list[Example]
    held_out: list[Example]


def examples_of(
    data: TrainingData,
    name: str,
    past: PastSignals,
    choices: Choices,
    held: BoolArray,
    settings: Settings,
    stream: np.random.Generator,
    progress: Progress,
) -> ScoredChoices:
    """Let a scenario's signals score the candidates of choices that they know nothing of.

    Args:
        name: of the scenario.
        held: (n,) which of the choices are held out.
    """
    learned, judged = np.flatnonzero(~held), np.flatnonzero(held)
    features, signals, learn = data.features(past.evidence), past.signals, None
    features.measure(signals, choices.queries.pick(stream.permutation(learned)[:MAX_MEASURED]))
    parts = [learned, judged]
    if data.learns_on:
        signals, parts = living(signals, past.evidence.space), [np.arange(len(choices))]
        learn = data.stream(name, Learners(features, signals)).learn_before
    full = past.evidence.n_items <= settings.fusion.max_catalogue
    reread = None
    if past.reranker is not None:
        reread = second_look(past.reranker, features, past.names.index(RERANKED))
    share = new_share(data, name, past.evidence)
    scored: dict[int, Example] = {}
    unseen = data.hide_seen[name]
    with progress.track(f"{name}: choices", len(choices), "choices") as advance:
        for rows in parts:
            chosen, order = choices.pick(rows), iter(rows.tolist())
            for batch in examples(features, signals, chosen, full, stream, unseen, reread, share, learn):
                scored |= zip(itertools.islice(order, len(batch)), batch, strict=True)
                advance(len(batch))
    untaught = data.features(past.evidence)
    untaught.scales = features.scales
    return ScoredChoices(untaught, *([scored[int(row)] for row in side] for side in (learned, judged)))


def held_out_rows(user: IntArray, stream: np.random.Generator) -> BoolArray:
    """Return (n,) True for the choices of a fifth of the users: a person is on one side only."""
    people = np.unique(user)
    size = max(int(len(people) * HELD_OUT_SHARE), min(len(people), 1))
    return np.isin(user, stream.choice(people, size, replace=False))
