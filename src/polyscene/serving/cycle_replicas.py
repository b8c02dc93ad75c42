"""What a cycle reads, and the runs that learn it apart from any service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from polyscene.core.types import LongArray
from polyscene.data.schema import EventLog
from polyscene.engine.updates import ActionWeights
from polyscene.evaluation.offpolicy.shown import Act, ShownSlate
from polyscene.runs.run import Run
from polyscene.serving.catalogue_changes import CatalogueChanges
from polyscene.serving.checking import with_neutral_actions
from polyscene.serving.judging import PAGE, shown_slate
from polyscene.serving.known import Known
from polyscene.serving.log_learner import LogLearner
from polyscene.serving.stores.contract import (
    CODES,
    DecisionRecord,
    DecisionStore,
    Entry,
    EventStore,
    LoggedEvent,
)


class Replica:
    """A run that learns the log, apart from any service.

    Args:
        run: as it lies in its folder.
        known: keeps vectors of new texts, and is told nothing.
        erased: the offset of the last erasure that the run holds.
    """

    def __init__(self, run: Run, known: Known, erased: int = 0) -> None:
        self.run, self.system = run, run.system
        handlers = CatalogueChanges(run, known, records=False).handlers
        settings = {name: with_neutral_actions(one) for name, one in run.settings.items()}
        self.learner = LogLearner(run.intake, handlers, erased)
        self._actions = {name: ActionWeights.of(one) for name, one in settings.items()}

    def is_choice(self, event: LoggedEvent) -> bool:
        """Return whether an event is something to be predicted."""
        return event.scenario in self._actions and self._actions[event.scenario].of_action(event.action)[1]

    def rows_of(self, name: str, log: EventLog, acts: Sequence[Act]) -> LongArray:
        """Return the rows of a scenario's log that are some acts."""
        ids = self.system.scenarios[name].catalogue.ids
        keys = zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True)
        rows = {key: row for row, key in enumerate(keys)}
        wanted = ((self.system.user(one.user, name), ids.get(one.item), one.time) for one in acts)
        return np.array(sorted({rows[key] for key in wanted if key in rows}), np.int64)

    def take_out_what(self, other: Replica) -> None:
        """Take out the items that another run has taken out."""
        for name, state in other.system.scenarios.items():
            codes = np.flatnonzero(state.fusion.features.removed)
            self.run.intake.remove(name, [state.catalogue.ids[code] for code in codes.tolist()])


@dataclass(frozen=True)
class LoggedSlate:
    """A decision, and by what run its candidates have their codes."""

    slate: ShownSlate
    run: str
    candidates: bytes

    def candidates_of(self, replica: Replica) -> list[str] | None:
        """Return the ids of the candidates; None where another run's catalogue numbered them."""
        ids = replica.system.scenarios[self.slate.scenario].catalogue.ids
        codes = np.frombuffer(self.candidates, CODES)
        if self.run != replica.run.id or codes.max(initial=-1) >= len(ids):
            return None
        return [ids[code] for code in codes.tolist()]


@dataclass
class Logs:
    """What a cycle reads.

    Attributes:
        unreadable: decisions that were met and cannot be judged: of earlier versions, of missing plug-ins.
    """

    events: EventStore
    decisions: DecisionStore
    unreadable: int = 0

    def entries(self, first: int, last: int | None = None) -> Iterator[tuple[int, Entry]]:
        """Yield the entries after an offset, up to one; None: all there are."""
        reached, end = first, self.events.last if last is None else last
        while reached < end and (page := list(self.events.since(reached, PAGE))):
            yield from (pair for pair in page if pair[0] <= end)
            reached = page[-1][0]

    def happened(self, first: int, last: int) -> list[LoggedEvent]:
        """Return the events after an offset, up to one."""
        return [entry for _, entry in self.entries(first, last) if isinstance(entry, LoggedEvent)]

    def slates(self, first: int, last: int) -> list[LoggedSlate]:
        """Return the decisions between two moments, in their order."""
        slates, number = list[LoggedSlate](), 0
        while records := list(self.decisions.since(number, PAGE)):
            slates += [
                slate
                for _, record in records
                if first <= record.time <= last and (slate := self._slate(record)) is not None
            ]
            number = records[-1][0]
        return sorted(slates, key=lambda one: (one.slate.time, one.slate.id))

    def _slate(self, record: DecisionRecord) -> LoggedSlate | None:
        try:
            return LoggedSlate(shown_slate(record), record.run, record.candidates)
        except LookupError:  # an earlier version kept no policy, or its plug-in is not installed
            self.unreadable += 1
            return None
