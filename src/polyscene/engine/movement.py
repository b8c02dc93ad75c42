"""How an item has moved by what people did: told from the log of a live system, or watched while it learns.

    movement = movement_of(run.system, "sku-7", "shop")       # what the run has learned, learned once more
    with watching(run.system, "sku-7", "shop") as ledger:     # what it learns from now on
        run.observe(event)

Told from the log, it is exact where nobody was erased and no text was edited since the fit; `gap` says by how
much it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from polyscene.core.errors import DataError, Problem
from polyscene.core.types import LongArray
from polyscene.data.schema import EventLog
from polyscene.engine.state import ScenarioState, System
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.posterior.item_beliefs import ItemBeliefs
from polyscene.recommenders.posterior.movement import Ledger, Move, Place, Watched
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.signal import Signal

MAX_PEOPLE = 10
"""So many of those who did something to the item are told one by one."""


@dataclass(frozen=True)
class Neighbour:
    """An item near another."""

    id: str
    title: str


@dataclass(frozen=True)
class ItemMove:
    """One move of an item.

    Attributes:
        kind: `own`, `compared`, `described` or `rolled_back`; see `MoveKind`.
        time: by the scenario's clock: microseconds since 1970, UTC, or a place in the order of events.
        offset: in the log of a service; None: it is older than that.
        person: who did it, as a number that means something in this history alone; None: nobody, or somebody
            who chose another item.
        action: what they did.
        length: of the move, where the text's vector has the length 1.
        distance_before, distance_after: from where the text puts the item.
        bias_before, bias_after: of the item.
        nearest_before, nearest_after: the nearest items.
    """

    kind: str
    time: int
    offset: int | None
    person: int | None
    action: str | None
    length: float
    distance_before: float
    distance_after: float
    bias_before: float
    bias_after: float
    nearest_before: tuple[Neighbour, ...]
    nearest_after: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Person:
    """How somebody who did something to an item moved it.

    Attributes:
        person: as in `ItemMove`.
        code: of the user, for who may know it; never in `plain`.
    """

    person: int
    moves: int
    path: float
    code: int


@dataclass(frozen=True)
class Movement:
    """The history of one item's movement.

    Attributes:
        clock: `time` or `sequence`.
        distance: of its vector from where its text puts it, now; None: the item is not known.
        bias: now.
        kinds: by what moved it: how many moves, and their lengths together.
        moves: the longest, in the order in which they happened.
        people: who moved it furthest, and `n_people` in all.
        curve: moment, distance and bias after some of the moves.
        nearest: to it now.
        gap: how far what was learned once more lies from what is believed; 0: the history is exact.
        notes: sentences.
    """

    scenario: str
    item: str
    title: str
    clock: str
    distance: float | None
    bias: float | None
    kinds: dict[str, dict[str, float]]
    moves: tuple[ItemMove, ...]
    people: tuple[Person, ...]
    n_people: int
    curve: tuple[tuple[int, float, float], ...]
    nearest: tuple[Neighbour, ...]
    gap: float
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can say it; nobody is named."""
        values = asdict(self)
        people = [{"person": one.person, "moves": one.moves, "path": one.path} for one in self.people]
        return values | {"people": people}


def find_posterior(state: ScenarioState) -> Posterior | None:
    """Return the posterior of a scenario; None: it has none."""
    signals = state.fusion.present().values()
    return next((signal for signal in signals if isinstance(signal, Posterior)), None)


def posterior_of(state: ScenarioState) -> Posterior:
    """Return the posterior of a scenario.

    Raises:
        DataError: it has none.
    """
    signal = find_posterior(state)
    if signal is not None:
        return signal
    raise DataError(
        Problem(
            "nothing is believed of items here",
            "a scenario with the signal 'posterior', which alone moves items",
            f"'{state.name}' without it",
            "list it among the scenario's signals and train",
        )
    )


def movement_of(
    system: System, item: str, scenario: str | None = None, ledger: Ledger | None = None
) -> Movement:
    """Return how an item has moved, by learning once more all that a live system knows.

    Costs time in proportion to the events of the scenario; the system is only read.

    Args:
        ledger: says which moves are kept, and is written to.

    Raises:
        UnknownIdError: no such scenario or item.
        DataError: the scenario has no posterior.
    """
    with system.lock.reading():
        state = system.scenario(scenario)
        state.catalogue.code(item)
        watched, gap = retraced(state, item, ledger or Ledger())
        return told(state, item, watched, gap)


def standing_of(state: ScenarioState, item: str) -> Movement:
    """Return where an item stands now, without its history; nobody may change the system meanwhile.

    Raises:
        UnknownIdError: no such item.
        DataError: the scenario has no posterior.
    """
    state.catalogue.code(item)
    return told(state, item, Watched.of(posterior_of(state), code_in(state, item), Ledger()))


def retraced(
    state: ScenarioState, item: str, ledger: Ledger, until: int | None = None
) -> tuple[Watched, float]:
    """Return a posterior that has learned the events of a scenario once more, and its gap to the present.

    Args:
        until: later events are left out, and the gap is 0 then: there is nothing to compare with.
    """
    signal = posterior_of(state)
    watched = Watched.of(signal, code_in(state, item), ledger)
    watched.begin_again()
    events = learned_events(state)
    if until is not None:
        events = events.take(events.time <= until)
    watched.retrace(events)
    if until is not None:
        return watched, 0.0
    return watched, _gap(watched.place(), Watched.of(signal, watched.code_of, Ledger()).place())


def learned_events(state: ScenarioState) -> EventLog:
    """Return the events that the posterior of a scenario has learned, in its order.

    A run that was trained to be judged knows the latest events and has not learned them: its stream tells
    how many choices it has.
    """
    events, added = state.log.as_they_came(), len(state.log.changes())
    start = len(events) - added
    counted = events.weight > 0
    learned = int(posterior_of(state).stream.counts[0]) - int(np.count_nonzero(counted[start:]))
    before: LongArray = np.cumsum(counted) - counted
    return events.take((before < learned) | (np.arange(len(events)) >= start))


def code_in(state: ScenarioState, item: str) -> Callable[[], int | None]:
    """Return what tells the code of an item of a scenario; None: it is not known (yet)."""
    return lambda: state.catalogue.ids.get(item)


def _gap(one: Place | None, other: Place | None) -> float:
    if one is None or other is None:
        return 0.0
    return float(np.hypot(np.linalg.norm(one.vector - other.vector), one.bias - other.bias))


@contextmanager
def watching(
    system: System, item: str, scenario: str | None = None, ledger: Ledger | None = None
) -> Iterator[Ledger]:
    """Write down how an item moves while a live system learns; `told_by` makes a history of it.

    Raises:
        UnknownIdError: no such scenario.
        DataError: it has no posterior.
    """
    state, kept = system.scenario(scenario), ledger or Ledger()
    with system.lock.writing():
        watched = Watched.of(posterior_of(state), code_in(state, item), kept)
        state.fusion = with_posterior(state.fusion, watched)
    try:
        yield kept
    finally:
        with system.lock.writing():
            state.fusion = with_posterior(state.fusion, watched.plain)


def with_posterior(fusion: Fusion, signal: Posterior, alone: bool = False) -> Fusion:
    """Return a fusion with another posterior in its place.

    Args:
        alone: without any other signal: it then only learns.
    """
    pairs = [
        (name, signal if isinstance(one, Posterior) else one)
        for name, one in zip(fusion.names, fusion.signals, strict=True)
        if not alone or isinstance(one, Posterior)
    ]
    names: list[str] = [name for name, _ in pairs]
    signals: list[Signal | None] = [one for _, one in pairs]
    return Fusion(
        names,
        signals,
        fusion.features,
        fusion.weights,
        fusion.scenario,
        fusion.hide_seen,
        fusion.fallback,
        fusion.reranker,
        None if alone else fusion.moving,  # one layer, which goes on learning
        fusion.fallback_of_new,
    )


def told(
    state: ScenarioState, item: str, watched: Watched, gap: float = 0.0, notes: tuple[str, ...] = ()
) -> Movement:
    """Return the history that a watched posterior has written down."""
    ledger, place, code = watched.ledger, watched.place(), watched.code_of()
    numbers = {user: number for number, user in enumerate(ledger.people, 1)}
    furthest = sorted(ledger.people.items(), key=lambda pair: -pair[1].path)[:MAX_PEOPLE]
    return Movement(
        state.name,
        item,
        "" if code is None else state.catalogue.titles[code],
        state.clock,
        None if place is None else place.distance,
        None if place is None else place.bias,
        {kind.value: asdict(share) for kind, share in ledger.kinds.items() if share.moves},
        tuple(_move(state, move, numbers) for move in ledger.moves),
        tuple(Person(numbers[user], share.moves, share.path, user) for user, share in furthest),
        len(ledger.people),
        tuple(ledger.points),
        () if place is None else _neighbours(state, watched.nearest(place.vector)),
        gap,
        notes,
    )


def _move(state: ScenarioState, move: Move, numbers: dict[int, int]) -> ItemMove:
    before, after = (_neighbours(state, codes) for codes in move.nearest)
    return ItemMove(
        move.kind.value,
        move.time,
        move.offset,
        numbers.get(move.user),
        move.action,
        move.length,
        *move.distance,
        *move.bias,
        before,
        after,
    )


def _neighbours(state: ScenarioState, codes: tuple[int, ...]) -> tuple[Neighbour, ...]:
    return tuple(Neighbour(state.catalogue.ids[code], state.catalogue.titles[code]) for code in codes)


def roll_back(state: ScenarioState, item: str, beliefs: ItemBeliefs) -> bool:
    """Let a scenario believe of an item what was believed earlier; return whether the numbers fitted.

    Decisions before it cannot be computed again from then on, as after an item was put.

    Raises:
        UnknownIdError: the item is not in the catalogue.
        DataError: the scenario has no posterior.
    """
    code = state.catalogue.code(item)
    fits = beliefs.put_into(posterior_of(state), code)
    state.catalogue.puts.append(code)
    return fits
