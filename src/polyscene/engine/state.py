"""The live state of a fitted system: who is known, what there is, what happened, and what was fitted on it.

One writer at a time changes it, many readers ask it, and none of them sees half an event. It knows no files.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from polyscene.core.errors import UnknownIdError
from polyscene.core.ids import optional_name
from polyscene.core.locks import ReadWriteLock
from polyscene.core.types import Attribute, BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import HISTORY_LENGTH, Queries
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Clock, Dataset, EventLog, Ids
from polyscene.data.timeline import NOTHING_AROUND, LiveTimeline
from polyscene.engine.catalogue import LiveCatalogue, Numbering
from polyscene.engine.rules import RuleBook
from polyscene.policies.greedy import Greedy
from polyscene.policies.policy import Policy
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.representation.item_space import ItemSpace, ViewName

NO_USER = -1


@dataclass(frozen=True)
class CodedEvent:
    """An event in codes.

    Attributes:
        action: code into the scenario's actions.
        weight: how much it counts; 0 is kept in the log and teaches nothing.
        choice: whether it is something to be predicted when the log is learned from.
        time: by the scenario's clock; None: right after everything that is known.
        had: whether it counts for nothing but that its user has had the item.
    """

    user: int
    item: int
    action: int
    value: float
    weight: float
    choice: bool
    time: int | None = None
    had: bool = False


@dataclass(frozen=True)
class ItemDescription:
    """A new item, or a known one described anew.

    Attributes:
        vectors: (d,) by view of the item space, as the language model gives them.
        since: when it becomes available; UNKNOWN_TIME: it is there.
        media: (d,) by medium, of length 1; one that is not there is missing.
    """

    id: str
    text: str
    title: str
    attributes: dict[str, Attribute]
    vectors: Mapping[ViewName, FloatArray]
    since: int = UNKNOWN_TIME
    media: Mapping[str, FloatArray] = field(default_factory=dict)


class LiveLog:
    """A scenario's events, those that came since at the end.

    Args:
        log: to start from.
    """

    def __init__(self, log: EventLog) -> None:
        self._start, self._added = log, list[tuple[CodedEvent, int]]()
        self.actions = list(log.actions)

    def __len__(self) -> int:
        return len(self._start) + len(self._added)

    def add(self, event: CodedEvent, time: int) -> None:
        """Keep an event."""
        self._added.append((event, time))

    def forget(self, user: int) -> None:
        """Drop the events of a user."""
        self._start = self._start.take(self._start.user != user)
        self._added = [row for row in self._added if row[0].user != user]

    def changes(self) -> list[tuple[CodedEvent, int]]:
        """Return a copy of the events that came since the start, with their moments."""
        return self._added.copy()

    def resume(
        self, changes: Sequence[tuple[CodedEvent, int]], actions: Sequence[str], erased: IntArray
    ) -> None:
        """Take in `changes`; the events of users who were erased since the start are none any more."""
        if len(erased):
            self._start = self._start.take(~np.isin(self._start.user, erased))
        self._added, self.actions = list(changes), list(actions)

    def action(self, name: str) -> int:
        """Return the code of an action, which is made known."""
        if name not in self.actions:
            self.actions.append(name)
        return self.actions.index(name)

    def events(self) -> EventLog:
        """Return all events, ordered by time."""
        log = self.as_they_came()
        return log.take(np.argsort(log.time, kind="stable")) if self._added else log

    def as_they_came(self) -> EventLog:
        """Return all events, those that came since the start in the order in which they came."""
        start, rows = self._start, self._added
        if not rows:
            return start

        def column(old: np.ndarray, new: Sequence[float]) -> np.ndarray:
            return np.concatenate([old, np.array(new, old.dtype)])

        return EventLog(
            user=column(start.user, [event.user for event, _ in rows]),
            item=column(start.item, [event.item for event, _ in rows]),
            action=column(start.action, [event.action for event, _ in rows]),
            value=column(start.value, [event.value for event, _ in rows]),
            weight=column(start.weight, [event.weight for event, _ in rows]),
            time=column(start.time, [time for _, time in rows]),
            part=column(start.part, [0] * len(rows)),
            choice=column(start.choice, [event.choice for event, _ in rows]),
            actions=tuple(self.actions),
            had=column(_had(start), [event.had for event, _ in rows]),
        )


def _had(log: EventLog) -> BoolArray:
    return np.zeros(len(log), np.bool_) if log.had is None else log.had


@dataclass
class ScenarioState:
    """One scenario while it serves.

    Attributes:
        timeline: what counts, by user.
        had: what counts for nothing but that its user has had the item.
        space: the vectors of its items.
        fusion: the signals and what weighs them.
        latest: the scenario's clock: the moment of the last event that counts, or since when the last item
            that was put is there. What counts for nothing, such as an impression, does not move it: else
            popularity would fade by being looked at.
        policy: by which its slates are chosen unless a request says otherwise.
        shadow: what it would choose is written down beside each decision, and not shown; None: no policy.
        rules: may be replaced at any time; a decision reads them once.
    """

    name: str
    catalogue: LiveCatalogue
    log: LiveLog
    timeline: LiveTimeline
    had: LiveTimeline
    clock: Clock
    space: ItemSpace
    fusion: Fusion
    latest: int = field(default=0)
    policy: Policy = field(default_factory=Greedy)
    rules: RuleBook = field(default_factory=RuleBook)
    shadow: Policy | None = None

    @classmethod
    def of(
        cls,
        name: str,
        catalogue: Catalogue,
        events: EventLog,
        clock: Clock,
        space: ItemSpace,
        fusion: Fusion,
        n_users: int,
    ) -> ScenarioState:
        """Build from what was read and fitted."""
        timeline, had = LiveTimeline(events, n_users), LiveTimeline(events, n_users, only_had=True)
        latest = int(events.time[events.weight > 0].max(initial=0))
        return cls(
            name, LiveCatalogue(catalogue, name), LiveLog(events), timeline, had, clock, space, fusion, latest
        )

    def observe(self, event: CodedEvent) -> None:
        """Take in one event: the next request sees it."""
        user, item, weight = event.user, event.item, event.weight
        moment = self.latest + 1 if event.time is None else event.time
        self.log.add(event, moment)
        action = self.log.actions[event.action]
        if weight > 0:
            if moment > self.latest:
                self.latest = moment
            around = self.timeline.add(user, item, moment, weight)
            self.fusion.observe(Observation(user, item, moment, weight, *around, action, event.value))
            return
        if event.had:
            self.had.add(user, item, moment, weight)
        self.fusion.notice(Observation(user, item, moment, weight, *NOTHING_AROUND, action, event.value))

    def put(self, items: Sequence[ItemDescription]) -> None:
        """Take in new and changed items: they can be recommended by the next request."""
        distinct = {item.id: item for item in items}
        rows = {
            self.catalogue.put(item.id, item.text, item.title, item.attributes): item
            for item in distinct.values()
        }
        codes: LongArray = np.array(sorted(rows), np.int64)
        ordered = [rows[code] for code in codes.tolist()]
        names = {name for item in ordered for name in item.vectors}
        self.space.put(
            codes,
            {name: np.stack([item.vectors[name] for item in ordered]) for name in names},
            [item.attributes for item in ordered],
            self._media(ordered),
        )
        since: LongArray = np.array([item.since for item in ordered], np.int64)
        if self.clock == "time":
            present = time.time_ns() // 1000
            self.latest = max([self.latest, *(item.since for item in ordered if item.since <= present)])
        self.fusion.extend(codes, since)

    def _media(self, items: Sequence[ItemDescription]) -> dict[str, FloatArray]:
        """Return (m, d) by medium that is known here; zero where an item has none."""
        media = {}
        for name, known in self.space.media.items():
            media[name] = np.zeros((len(items), known.shape[1]), np.float32)
            for row, item in enumerate(items):
                if name in item.media:
                    media[name][row] = item.media[name]
        return media

    def remove(self, items: Sequence[str]) -> None:
        """Take items out: they are shown to nobody until they are put again, and their events stay.

        Raises:
            UnknownIdError: one is not in the catalogue.
        """
        codes = np.array([self.catalogue.code(item) for item in items], np.int64)
        self.fusion.features.remove(codes)
        self.catalogue.puts += codes.tolist()

    def forget(self, user: int) -> None:
        """Let a user have done nothing here; what all events together have taught stays learned."""
        self.log.forget(user)
        self.timeline.forget(user)
        self.had.forget(user)
        self.fusion.forget(user)


class System:
    """All scenarios, and the users they share.

    Args:
        users: local ones are called `SCENARIO/ID`.
        scenarios: by name.
        clocks_shared: whether times of different scenarios can be compared.
    """

    def __init__(self, users: Ids, scenarios: Mapping[str, ScenarioState], clocks_shared: bool) -> None:
        self.users, self.scenarios, self.clocks_shared = Numbering(users), dict(scenarios), clocks_shared
        self.lock = ReadWriteLock()

    @classmethod
    def of(cls, dataset: Dataset, spaces: Mapping[str, ItemSpace], fusions: Mapping[str, Fusion]) -> System:
        """Join a data set with what was fitted on it."""
        scenarios = {
            name: ScenarioState.of(
                name,
                scenario.catalogue,
                scenario.events,
                scenario.clock,
                spaces[name],
                fusions[name],
                len(dataset.users),
            )
            for name, scenario in dataset.scenarios.items()
        }
        return cls(dataset.users, scenarios, dataset.clocks_shared)

    @property
    def position(self) -> int:
        """How many events are known: tells states of the stream apart."""
        return sum(len(state.log) for state in self.scenarios.values())

    def scenario(self, name: str | None) -> ScenarioState:
        """Return a scenario by name; None is allowed where there is only one.

        Raises:
            UnknownIdError: there is no such scenario, or several and none was named.
            ArgumentError: it is no name.
        """
        name = optional_name(name, "scenario")
        if name is None and len(self.scenarios) == 1:
            return next(iter(self.scenarios.values()))
        if name is None or name not in self.scenarios:
            wanted = "none" if name is None else f"'{name}'"
            raise UnknownIdError(f"expected a scenario out of {', '.join(self.scenarios)}, found {wanted}")
        return self.scenarios[name]

    def user(self, user: str, scenario: str) -> int:
        """Return the code of a user, local to the scenario or shared; -1 where nobody knows them."""
        code = self.users.get(f"{scenario}/{user}")
        if code is None:
            code = self.users.get(user)
        return NO_USER if code is None else code

    def queries(self, user: int, state: ScenarioState) -> Queries:
        """Return one request of a user right after everything that is known; strangers have no history."""
        elsewhere = {
            name: other.timeline.history(user, HISTORY_LENGTH)
            for name, other in self.scenarios.items()
            if name != state.name
        }
        here = state.timeline.history(user, None if state.fusion.hide_seen else HISTORY_LENGTH)
        now = np.array([self.now(state)], np.int64)
        return Queries(np.array([user], np.int32), now, here, elsewhere, state.had.history(user, None))

    def now(self, state: ScenarioState) -> int:
        """Return the moment after the last event of all scenarios with the same clock."""
        others = self.scenarios.values() if self.clocks_shared else [state]
        return max(other.latest for other in others) + 1
