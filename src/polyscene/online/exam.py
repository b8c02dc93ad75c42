"""Old choices that no cycle trains on: what two systems make of them tells what the later one has forgotten.

Which choices these are follows from user, item and time alone, so that it is the same in every cycle. In what
is learned they weigh nothing, and tell no more than that their users have had the items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from polyscene.core.seeds import generator
from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.core.types import BoolArray, LongArray
from polyscene.data.queries import Choices
from polyscene.data.schema import Dataset, EventLog, Part
from polyscene.data.splits.folds import Folds
from polyscene.engine.state import System
from polyscene.metrics.ranking import mid_ranks
from polyscene.online.progressive import Placed
from polyscene.recommenders.fusion.blocks import block_size

MEGABYTES = 64
"""Working memory of ranking."""
_GOLDEN, _FIRST, _SECOND = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def held_out(log: EventLog, share: float) -> EventLog:
    """Return a log in which the choices of the exam weigh nothing.

    Args:
        share: of the choices.
    """
    rows = log.choice & (log.weight > 0) & (_mixed(log) < share)
    had = np.zeros(len(log), np.bool_) if log.had is None else log.had
    return replace(log, weight=np.where(rows, np.float32(0), log.weight), had=had | rows) if share else log


def of_the_exam(log: EventLog) -> BoolArray:
    """Return (n,) which events are choices that were held out."""
    if log.had is None:
        return np.zeros(len(log), np.bool_)
    rows: BoolArray = log.choice & (log.weight == 0) & log.had
    return rows


def on_the_exam(before: System, after: System, dataset: Dataset, most: int, seed: int) -> list[Placed]:
    """Return where two systems have the choices that the first was not trained on, nor the second.

    Args:
        before, after: systems with the codes of the data set.
        dataset: what the first one knows.
        most: a random sample of so many in each scenario.
        seed: of the sample.
    """
    placed: list[Placed] = []
    for name, scenario in dataset.scenarios.items():
        rows = np.flatnonzero(of_the_exam(scenario.events))
        if len(rows) > most:
            rows = np.sort(generator(seed, "exam", name).choice(rows, most, replace=False))
        if len(rows):
            placed += _placed({"before": before, "after": after}, dataset, name, rows)
    return placed


def _placed(systems: Mapping[str, System], dataset: Dataset, name: str, rows: LongArray) -> list[Placed]:
    events = dataset.scenarios[name].events.take(rows)
    parts = {other: np.full(len(one.events), Part.TRAIN, np.int8) for other, one in dataset.scenarios.items()}
    whole = [other for other, state in systems["before"].scenarios.items() if state.fusion.hide_seen]
    folds = Folds(dataset, parts, EvaluationSettings(), whole)
    choices = Choices(folds.queries(name, events.user, events.time), events.item)
    ranks = [_ranks(system, name, choices).tolist() for system in systems.values()]
    users = [dataset.users[user] for user in events.user.tolist()]
    return [Placed(name, user, first, second) for user, first, second in zip(users, *ranks, strict=True)]


def _ranks(system: System, name: str, choices: Choices) -> NDArray[np.float64]:
    fusion = system.scenarios[name].fusion
    ranks = []
    for rows, queries in choices.queries.blocks(block_size(fusion, MEGABYTES)):
        target = choices.target[rows].astype(np.int64)
        open_ = fusion.open(queries)
        open_[np.arange(len(target)), target] = True
        ranks.append(mid_ranks(fusion.score(queries), target, open_))
    return np.concatenate(ranks)


def _mixed(log: EventLog) -> NDArray[np.float64]:
    """Return (n,) numbers in [0, 1) that user, item and time decide (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = log.time.astype(np.uint64)
        for codes in (log.user, log.item):
            mixed = (mixed ^ codes.astype(np.uint64)) + _GOLDEN
            mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
            mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
            mixed ^= mixed >> np.uint64(31)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / 2.0**53)
