"""A zoo of plain recommenders, known by name, fitted and judged as the signals of a run are.

None of them reads a text, so nothing has to be trained first. What a run makes of them is another matter.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import ClassVar, Protocol

import numpy as np

from polyscene.core.errors import UnknownIdError
from polyscene.core.progress import Progress
from polyscene.core.seeds import generator
from polyscene.core.settings.project import Settings
from polyscene.core.types import FloatArray
from polyscene.data.queries import Queries
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.judge import Case, judge
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import Judgement, Results
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.signal import Evidence, Need
from polyscene.responsible.explanation import Sentences

LISTED = 20
"""At least so many items are kept of every list, for coverage and exposure."""
FLOATS_PER_SCORE = 4
MAX_BLOCK = 512

RANDOM = "random"
ALIASES: Mapping[str, str] = {
    "als": "factors",
    "ease": "linear",
    "item_knn": "neighbours",
    "markov": "transitions",
    "most_popular": "popularity",
}
"""Names under which others know our signals."""


class Scorer(Protocol):
    """What is judged."""

    def score(self, queries: Queries) -> FloatArray:
        """Return (B, n_items) scores over the whole catalogue."""
        ...


class Random:
    """Scores by chance: what any model has to beat.

    Args:
        n_items: of the catalogue.
        seed: the same one draws the same scores for the same requests in the same order.
    """

    sentences: ClassVar[Sentences] = Sentences("It was drawn by chance.")

    def __init__(self, n_items: int, seed: int) -> None:
        self._n_items, self._chance = n_items, generator(seed, RANDOM)

    def score(self, queries: Queries) -> FloatArray:
        """Return (B, n_items) draws from [0, 1)."""
        return self._chance.random((len(queries), self._n_items), dtype=np.float32)


def baselines() -> dict[str, str]:
    """Return every baseline that can be judged by name, with what it is in one sentence.

    They are `random`, the signals that read no text (those of plug-ins too), and other names of these.
    """
    plain = {name: SIGNALS[name] for name in SIGNALS if Need.TEXT not in SIGNALS[name].needs}
    known = {
        RANDOM: cleandoc(Random.__doc__ or "").split("\n")[0],
        **{name: _sentence(kind) for name, kind in plain.items()},
    }
    return known | {alias: f"The same as `{name}`." for alias, name in ALIASES.items() if name in known}


def judge_baselines(
    data: TrainingData, names: Sequence[str], settings: Settings, progress: Progress
) -> Results:
    """Fit baselines on what may be learned from, and judge them on the test part of every scenario.

    Args:
        data: what fitting and judging stand on.
        names: see `baselines`.
        settings: the project's.
        progress: hears how far it is.

    Raises:
        UnknownIdError: there is no such baseline.
        ConfigError: `[signals.NAME]` of one cannot be used.
    """
    known = baselines()
    for name in names:
        if name not in known:
            raise UnknownIdError(f"expected baselines out of {', '.join(known)}, found {name!r:.60}")
    seen = np.zeros(len(data.dataset.users), np.int64)
    for scenario in data.dataset.scenarios:
        seen += np.bincount(data.folds.learned(scenario, Phase.ALL).user, minlength=len(seen))
    return Results(
        tuple(_judged(data, name, names, settings, seen, progress) for name in data.dataset.scenarios),
        tuple(settings.evaluation.cutoffs),
        settings.evaluation.bootstrap,
        settings.seed,
        machine(),
        versions(),
    )


def _judged(
    data: TrainingData,
    scenario: str,
    names: Sequence[str],
    settings: Settings,
    seen: np.ndarray,
    progress: Progress,
) -> Judgement:
    evidence, evaluation = data.evidence(scenario, Phase.ALL), settings.evaluation
    fitted = _fitted(evidence, scenario, names, settings, progress)
    fold, features, hidden = (
        data.folds.test(scenario, settings.seed),
        Features.of(evidence),
        data.hide_seen[scenario],
    )
    case = Case(
        scenario,
        fold.choices,
        lambda queries: ~features.closed(queries, hidden),
        np.bincount(fold.learn.item, minlength=evidence.n_items),
        seen,
        None,
        "removed" if hidden else "kept",
        evaluation.protocol,
    )

    def scores(queries: Queries) -> dict[str, FloatArray]:
        return {name: model.score(queries) for name, model in fitted.items()}

    row_bytes = 4 * evidence.n_items * FLOATS_PER_SCORE * max(len(fitted), 1)
    block = max(1, min(MAX_BLOCK, settings.runtime.blocks_mb * 2**20 // row_bytes))
    return judge(case, scores, block, max(LISTED, *evaluation.cutoffs), progress)


def _fitted(
    evidence: Evidence, scenario: str, names: Sequence[str], settings: Settings, progress: Progress
) -> dict[str, Scorer]:
    """Return the baselines that have something to learn from in a scenario, under the names asked for."""
    fitted: dict[str, Scorer] = {}
    with progress.track(f"{scenario}: baselines", len(names), "baselines") as advance:
        for name in dict.fromkeys(names):
            signal = ALIASES.get(name, name)
            if name == RANDOM:
                fitted[name] = Random(evidence.n_items, settings.seed)
            elif evidence.meets(SIGNALS[signal].needs):
                fitted[name] = SIGNALS[signal](settings.signal(signal)).fit(evidence)
            else:
                needs = ", ".join(need.value for need in SIGNALS[signal].needs)
                progress.say(f"{scenario}: '{name}' is left out: it needs {needs}")
            advance(1)
    return fitted


def _sentence(kind: type) -> str:
    """Return the first sentence of the module that a signal lives in: what it is, without its formula."""
    text = cleandoc(sys.modules[kind.__module__].__doc__ or kind.__doc__ or "").split("\n\n")[0]
    return " ".join(text.split())
