"""The live run and the candidate on what neither has seen: ranked, then learned, block after block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from polyscene.core.seeds import generator
from polyscene.core.settings.cycle import CycleSettings
from polyscene.core.types import FloatArray
from polyscene.engine.bulk import score_items
from polyscene.engine.decision import Request
from polyscene.evaluation.offpolicy.comparison import Comparison, compare
from polyscene.evaluation.offpolicy.shown import Act, ShownSlate, join
from polyscene.online.progressive import Placed, rank
from polyscene.serving.cycle_replicas import LoggedSlate, Replica
from polyscene.serving.judging import MICROSECONDS_PER_HOUR
from polyscene.serving.stores.contract import Entry, LoggedEvent

Log = list[tuple[int, Entry]]


@dataclass
class Contest:
    """Both runs while they learn what judges them.

    Attributes:
        placed: the choices that were ranked.
        passed_over: decisions whose candidates are not known any more.
    """

    live: Replica
    candidate: Replica
    settings: CycleSettings
    seed: int
    placed: list[Placed] = field(default_factory=list)
    passed_over: int = 0
    _rescored: dict[str, FloatArray] = field(default_factory=dict)
    _slates: list[ShownSlate] = field(default_factory=list)

    def hold(self, entries: Log, slates: Sequence[LoggedSlate]) -> None:
        """Let both rank a sample of the choices, and score the latest decisions, each at its moment."""
        waiting = list(reversed(slates[-self.settings.max_decisions :]))
        judged = self._sample(entries)
        for block in blocks(entries):
            first = block[0][1]
            moment = first.time if isinstance(first, LoggedEvent) else None
            while waiting and moment is not None and waiting[-1].slate.time <= moment:
                self._score(waiting.pop())
            self.placed += [self._placed(judged[offset]) for offset, _ in block if offset in judged]
            for replica in (self.live, self.candidate):
                replica.learner.learn(block)
        for one in reversed(waiting):
            self._score(one)

    def valued(self, events: Sequence[LoggedEvent]) -> dict[str, Comparison]:
        """Return by scenario what the live policy would have earned by the candidate's scores.

        Scenarios in which fewer than two users were decided for are left out.
        """
        end = max((one.time for one in events if one.time is not None), default=0)
        window = int(self.settings.hours * MICROSECONDS_PER_HOUR)
        comparisons = {}
        for name, state in self.live.system.scenarios.items():
            acts = [Act(one.user, one.item, name, one.time) for one in events if self._counts(one, name)]
            joined = join([one for one in self._slates if one.scenario == name], acts, window, end)
            if len({one.user for one in joined.slates}) > 1:
                scores = [self._rescored[one.id] for one in joined.slates]
                comparisons[name] = compare(joined, state.policy, None, rescored=scores, seed=self.seed)
        return comparisons

    def _counts(self, event: LoggedEvent, scenario: str) -> bool:
        return event.scenario == scenario and self.live.is_choice(event)

    def _sample(self, entries: Log) -> Mapping[int, LoggedEvent]:
        choices = {
            offset: one
            for offset, one in entries
            if isinstance(one, LoggedEvent) and self.live.is_choice(one)
        }
        most = self.settings.max_choices
        if len(choices) <= most:
            return choices
        drawn = generator(self.seed, "new choices").choice(np.array([*choices]), most, replace=False)
        return {offset: choices[offset] for offset in drawn.tolist()}

    def _placed(self, event: LoggedEvent) -> Placed:
        ranks = (
            rank(one.system, event.scenario, event.user, event.item) for one in (self.live, self.candidate)
        )
        return Placed(event.scenario, event.user, *ranks)

    def _score(self, logged: LoggedSlate) -> None:
        """Score what the live run had as candidates by the candidate; what was closed stays closed."""
        slate, items = logged.slate, logged.candidates_of(self.live)
        known = self.candidate.system.scenarios[slate.scenario].catalogue.ids
        if not items or any(known.get(item) is None for item in items):
            self.passed_over += 1
            return
        scores = score_items(self.candidate.system, Request(slate.user, slate.scenario), items)
        closed = slate.scores == -np.inf
        self._rescored[slate.id] = np.where(closed, np.float32(-np.inf), scores).astype(np.float32)
        self._slates.append(slate)


def blocks(entries: Log) -> Iterator[Log]:
    """Yield entries with a user's simultaneous events together, so that none is ranked knowing another."""
    block: Log = []
    for offset, entry in entries:
        if block and not _together(block[-1][1], entry):
            yield block
            block = []
        block.append((offset, entry))
    if block:
        yield block


def _together(one: Entry, other: Entry) -> bool:
    if not (isinstance(one, LoggedEvent) and isinstance(other, LoggedEvent)) or one.time is None:
        return False
    return (one.user, one.scenario, one.time) == (other.user, other.scenario, other.time)
