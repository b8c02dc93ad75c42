"""The two steps that use a split: `tune` (learn TRAIN, rank VALID) and `test` (learn both, rank TEST)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from polyscene.core.seeds import generator
from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.core.types import IntArray, LongArray
from polyscene.data.queries import HISTORY_LENGTH, LATEST, Choices, Queries, Timeline
from polyscene.data.schema import Dataset, EventLog, Part
from polyscene.data.splits.parts import Parts, mask_of
from polyscene.data.splits.phases import Phase


@dataclass(frozen=True)
class Fold:
    """One step of fitting and ranking in one scenario: what to learn from, what to rank."""

    learn: EventLog
    choices: Choices


class Folds:
    """The fitting and ranking steps of every scenario, with histories as they were known at the time.

    Args:
        whole: scenarios in which everything a user ever did is told, since nothing is chosen twice there.
        newcomers: by scenario, items that nothing is learned of before the fusion is taught: it meets choices
            of them as it will meet choices of new items.
    """

    def __init__(
        self,
        dataset: Dataset,
        parts: Mapping[str, Parts],
        settings: EvaluationSettings,
        whole: Collection[str] = (),
        newcomers: Mapping[str, IntArray] | None = None,
    ) -> None:
        self._dataset, self._parts, self._settings = dataset, parts, settings
        self._whole, self._newcomers = frozenset(whole), newcomers or {}
        n_users = len(dataset.users)
        self._timelines = {name: Timeline(s.events, n_users) for name, s in dataset.scenarios.items()}
        self._had = {name: Timeline(dataset.scenarios[name].events, n_users, True) for name in self._whole}

    def at(self, parts: Mapping[str, Parts]) -> Folds:
        """Return the steps under other parts, such as those of an earlier cut."""
        return Folds(self._dataset, parts, self._settings, self._whole, self._newcomers)

    def tune(self, name: str, most: int | None = None, seed: int = 0) -> Fold:
        """Return the step that teaches the fusion: learn TRAIN, rank VALID.

        Args:
            most: at most so many choices: the latest, or any where times only order one user's events.
        """
        latest = self._dataset.scenarios[name].clock == "time"
        return self._fold(name, Phase.PAST, Part.VALID, most, seed, latest)

    def test(self, name: str, seed: int = 0) -> Fold:
        """Return the step that judges: learn TRAIN and VALID, rank TEST (or `max_cases` of it)."""
        return self._fold(name, Phase.ALL, Part.TEST, self._settings.max_cases, seed)

    def learned(self, name: str, phase: Phase) -> EventLog:
        """Return what may be learned from in a scenario."""
        events = self._dataset.scenarios[name].events
        kept = mask_of(self._parts[name], *phase.parts)
        if phase is Phase.PAST and name in self._newcomers:
            kept &= ~np.isin(events.item, self._newcomers[name])
        return events.take(kept)

    @property
    def scenarios(self) -> list[str]:
        """Return their names."""
        return list(self._dataset.scenarios)

    def later(self, name: str, phase: Phase = Phase.ALL) -> EventLog:
        """Return what is ranked after a phase in a scenario, and may be learned from once it is."""
        judged = Part.VALID if phase is Phase.PAST else Part.TEST
        return self._dataset.scenarios[name].events.take(mask_of(self._parts[name], judged))

    def _fold(
        self,
        name: str,
        phase: Phase,
        judged: Part,
        most: int | None,
        seed: int,
        latest: bool = False,
    ) -> Fold:
        events = self._dataset.scenarios[name].events
        rows = np.flatnonzero((self._parts[name] == judged) & events.choice & (events.weight > 0))
        if most is not None and len(rows) > most and latest:
            rows = rows[-most:]
        elif most is not None and len(rows) > most:
            rows = np.sort(generator(seed, "cases", name).choice(rows, most, replace=False))
        chosen = events.take(rows)
        queries = self.queries(name, chosen.user, chosen.time, phase)
        return Fold(self.learned(name, phase), Choices(queries, chosen.item))

    def queries(self, name: str, user: IntArray, time: LongArray, phase: Phase = Phase.ALL) -> Queries:
        """Return requests of users at moments, with what they had done by then in every scenario."""
        here = self._dataset.scenarios[name]
        elsewhere = {}
        for other, scenario in self._dataset.scenarios.items():
            if other == name:
                continue
            if self._dataset.clocks_shared and scenario.clock == here.clock:
                elsewhere[other] = self._timelines[other].before(user, time)
            else:
                known = Timeline(self.learned(other, phase), len(self._dataset.users))
                elsewhere[other] = known.before(user, np.full(len(user), LATEST))
        length = None if name in self._whole else HISTORY_LENGTH
        had = self._had[name].before(user, time, None) if name in self._had else None
        return Queries(user, time, self._timelines[name].before(user, time, length), elsewhere, had)
