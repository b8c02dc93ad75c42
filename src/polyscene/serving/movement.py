"""How an item has moved, from the log of a service; and the change that sets it back to an earlier moment.

A run of its own is read and learns the log once more with nothing but the posterior, so the live one is not
asked for anything. That gives the beliefs of any moment to the last bit: the order of the log is the order
in which the live system learned. What is older than the log, the run's own events, is learned once more too;
there it is exact unless the run has learned on since it was trained, or somebody was erased.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from polyscene.core.errors import ConflictError, DataError, Problem, StoreError, UnknownIdError
from polyscene.engine.catalogue import Numbering
from polyscene.engine.movement import (
    Movement,
    code_in,
    posterior_of,
    retraced,
    told,
    with_posterior,
)
from polyscene.engine.state import ScenarioState
from polyscene.recommenders.posterior.item_beliefs import ItemBeliefs
from polyscene.recommenders.posterior.movement import Ledger, Watched
from polyscene.runs.run import Run
from polyscene.runs.snapshots import snapshots_in
from polyscene.serving.cycle_replicas import Replica
from polyscene.serving.known import Known
from polyscene.serving.live import ENTRIES_PER_PAGE, held_of
from polyscene.serving.snapshots import resume_newest
from polyscene.serving.stores.contract import ChangeKind, Entry, EventStore, LoggedChange, LoggedEvent

RETRACING = Lock()
"""Held while a run is read for one history: several at once would take the memory of several runs."""
SECONDS_FOR_ANOTHER = 1.0
OWN_CHANGES = (ChangeKind.item, ChangeKind.movement)


@dataclass(frozen=True)
class Source:
    """What histories are told from.

    Attributes:
        run: that is live, or was; a copy of it is read.
        known: vectors of texts that were put.
        snapshots: the folder of a service's snapshots, where the beginning of the log was forgotten.
    """

    run: Run
    store: EventStore
    known: Known
    snapshots: Path

    def fresh(self) -> Run:
        """Return the run as it lies in its folder."""
        return Run(self.run.folder, self.run.present, self.run.index)


@dataclass(frozen=True)
class Moment:
    """Up to where a history is told: the first of the two that is reached.

    Attributes:
        time: by the scenario's clock; the first event of the scenario that is later ends it.
        offset: in the log, the last one that counts.
    """

    time: int | None = None
    offset: int | None = None

    def is_before(self, offset: int, entry: Entry, clock: str) -> bool:
        """Return whether an entry of the log lies behind the moment."""
        if self.offset is not None and offset > self.offset:
            return True
        late = isinstance(entry, LoggedEvent) and clock == "time" and self.time is not None
        return late and isinstance(entry, LoggedEvent) and (entry.time or 0) > (self.time or 0)


@dataclass(frozen=True)
class Rollback:
    """A change that sets an item back.

    Attributes:
        goal: how the item stood at the moment.
        undone: events of the item after it.
    """

    change: LoggedChange
    goal: Movement
    undone: int


class Retracing:
    """The history of one item, learned once more up to a moment.

    Args:
        moment: None: the end of the log.
        ledger: says what is kept.

    Raises:
        UnknownIdError: no such scenario, or no such item at that moment.
        DataError: the scenario has no posterior.
        ConflictError: another history is being told.
        StoreError: the log cannot be read, or has forgotten what was to be learned.
    """

    def __init__(
        self, source: Source, scenario: str, item: str, ledger: Ledger, moment: Moment | None = None
    ) -> None:
        self.source, self.item, self._notes = source, item, list[str]()
        self._moment = moment or Moment()
        if not RETRACING.acquire(timeout=SECONDS_FOR_ANOTHER):
            raise ConflictError("expected one history at a time, found another being told; try again")
        try:
            self._learn(scenario, ledger)
        finally:
            RETRACING.release()

    def _learn(self, scenario: str, ledger: Ledger) -> None:
        run, store = self.source.fresh(), self.source.store
        held, erased = held_of(run, store)
        whole = held >= store.forgotten
        if not whole:
            held, erased = self._resumed(run)
            self._notes.append(f"the log was forgotten up to {store.forgotten:,}; told from there on")
        state = self.state = run.system.scenario(scenario)
        self._users = run.system.users
        signal, code_of = posterior_of(state), code_in(state, self.item)
        self.gap, self.undone = 0.0, 0
        if self._lies_within(state, held):
            _, self.gap = retraced(state, self.item, Ledger(longest=0))
            self.watched, _ = retraced(state, self.item, ledger, self._moment.time)
            self._count(self._own_events(state), held)
            return
        if whole and code_of() is not None:
            _, self.gap = retraced(state, self.item, ledger)
        # from here on what the run believed counts, to the last bit
        self.watched = Watched.of(signal, code_of, ledger)
        state.fusion = with_posterior(state.fusion, self.watched, alone=True)
        reached = self._follow(Replica(run, self.source.known, erased), held)
        self._count(0, reached)

    def _resumed(self, run: Run) -> tuple[int, int]:
        """Bring a run to its first usable snapshot; return the offset, and that of the last erasure."""
        store, folder = self.source.store, self.source.snapshots
        usable = [
            one.offset
            for one in snapshots_in(folder)
            if (one.run, one.log) == (run.id, store.identity) and one.offset >= store.forgotten
        ]
        snapshot = resume_newest(run, store, folder, most=min(usable)) if usable else None
        if snapshot is None:
            raise StoreError(
                f"expected a snapshot of the run that holds the log up to {store.forgotten:,}, since older "
                "events were forgotten, found none; keep events for longer"
            )
        return snapshot.offset, snapshot.erased

    def _lies_within(self, state: ScenarioState, held: int) -> bool:
        """Return whether the moment lies before what the run knows, so that the log is not asked."""
        moment = self._moment
        if moment.offset is not None and moment.offset < held:
            raise DataError(
                Problem(
                    "the run does not know that moment of the log",
                    f"an offset from {held:,} on, where it begins to follow the log",
                    f"{moment.offset:,}",
                    "name a time",
                )
            )
        if moment.time is None:
            return False
        if state.clock != "time":
            raise DataError(
                Problem(
                    f"scenario '{state.name}' knows only an order of events",
                    "an offset of the log",
                    "a time",
                    "name the last offset that counts",
                )
            )
        events = state.log.events()
        return bool(len(events) and int(events.time[-1]) > moment.time)

    def _own_events(self, state: ScenarioState) -> int:
        """Return how many of the run's events of the item are later than the moment."""
        events, code = state.log.events(), state.catalogue.ids.get(self.item)
        return int(((events.item == code) & (events.time > (self._moment.time or 0))).sum())

    def _follow(self, replica: Replica, held: int) -> int:
        """Learn the log up to the moment; return the offset of the last entry that counts."""
        name, reached = self.state.name, held
        while page := list(self.source.store.since(reached, ENTRIES_PER_PAGE)):
            for offset, entry in page:
                if _concerns(entry, name):
                    if self._moment.is_before(offset, entry, self.state.clock):
                        return reached
                    self.watched.offset = offset
                    replica.learner.learn([(offset, entry)])
                reached = offset
        return reached

    def _count(self, undone: int, reached: int) -> None:
        """Count the events of the item behind the moment: those of the run, and those of the log."""
        name, self.undone = self.state.name, undone
        while page := list(self.source.store.since(reached, ENTRIES_PER_PAGE)):
            self.undone += sum(
                isinstance(one, LoggedEvent) and (one.scenario, one.item) == (name, self.item)
                for _, one in page
            )
            reached = page[-1][0]

    @property
    def users(self) -> Numbering:
        """Return the numbering of the users, for who may know them."""
        return self._users

    def movement(self) -> Movement:
        """Return the history.

        Raises:
            UnknownIdError: the item is not known.
        """
        self._demand_known()
        notes = list(self._notes)
        if self.gap:
            notes.append(
                f"what the run knew before the log was learned once more, up to {self.gap:.3g} apart from "
                "what it believed: it has learned on since it was trained, or somebody was erased"
            )
        return told(self.state, self.item, self.watched, self.gap, tuple(notes))

    def beliefs(self) -> ItemBeliefs:
        """Return what was believed of the item at the moment.

        Raises:
            UnknownIdError: the item was not known then.
        """
        return ItemBeliefs.of(self.watched, self._demand_known())

    def _demand_known(self) -> int:
        code = self.watched.code_of()
        if code is None:
            self.state.catalogue.code(self.item)
            raise UnknownIdError(f"expected an item that is known, found {self.item!r}")
        return code


def _concerns(entry: Entry, scenario: str) -> bool:
    """Return whether an entry can change what is believed in a scenario."""
    if isinstance(entry, LoggedChange) and entry.kind is ChangeKind.erasure:
        return True
    own = entry.scenario == scenario
    return own and (isinstance(entry, LoggedEvent) or entry.kind in OWN_CHANGES)


def movement_of(source: Source, scenario: str, item: str, ledger: Ledger) -> dict[str, Any]:
    """Return the history of an item's movement as an answer, with what telling it took.

    Raises:
        UnknownIdError, DataError, ConflictError, StoreError: as `Retracing`.
    """
    start = time.perf_counter()
    movement = Retracing(source, scenario, item, ledger).movement()
    return movement.plain() | {"seconds": time.perf_counter() - start}


def rollback_of(source: Source, scenario: str, item: str, moment: Moment, now: int) -> Rollback:
    """Return the change that sets an item back to what was believed at a moment.

    Args:
        now: by the scenario's clock: what happened to the item since the moment and until now is undone.

    Raises:
        UnknownIdError: the item was not known then.
        DataError, ConflictError, StoreError: as `Retracing`.
    """
    then = Retracing(source, scenario, item, Ledger(longest=0), moment)
    since = moment.time if moment.time is not None else then.state.latest
    fields = {"since": since, "until": now, "undone": then.undone, "beliefs": then.beliefs().plain()}
    change = LoggedChange(ChangeKind.movement, then.state.name, item, fields)
    return Rollback(change, then.movement(), then.undone)
