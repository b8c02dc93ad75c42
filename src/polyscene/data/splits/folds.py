"""Which events may be learned from, and which choices are judged.

Every protocol ends in the same four parts: TRAIN is learned from, VALID is the latest slice of it that the
fusion learns on, TEST is judged, CONTEXT is known when scoring and never learned from. `Folds` then offers
the two steps that use them: `tune` (learn TRAIN, rank VALID) and `test` (learn both, rank TEST).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.seeds import generator
from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.core.types import BoolArray, IntArray, LongArray
from polyscene.data.queries import HISTORY_LENGTH, LATEST, Choices, Queries, Timeline
from polyscene.data.schema import UNKNOWN_TIME, Dataset, EventLog, Part, Scenario
from polyscene.data.splits.phases import Phase

Parts = NDArray[np.int8]

DAY = 86_400_000_000  # microseconds
NEWCOMERS = 0.1


@dataclass(frozen=True)
class Fold:
    """One step of fitting and ranking in one scenario: what to learn from, what to rank."""

    learn: EventLog
    choices: Choices


def split(dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
    """Return, by scenario, the part (n,) of each event under the protocol.

    Raises:
        ConfigError: the protocol asks for what the tables do not have (times, a split column).
    """
    if settings.protocol in ("temporal", "progressive"):
        parts = _by_time(dataset, settings)
    elif settings.protocol == "given":
        parts = {name: _given(scenario, settings) for name, scenario in dataset.scenarios.items()}
    else:
        parts = {name: _last_out(scenario) for name, scenario in dataset.scenarios.items()}
    return {name: _hidden(dataset.scenarios[name], part, settings) for name, part in parts.items()}


def _hidden(scenario: Scenario, part: Parts, settings: EvaluationSettings) -> Parts:
    """Keep some items from training: their events are context, so that they are new when they are judged."""
    many = int(len(scenario.catalogue) * settings.hidden_items)
    if not many:
        return part
    items = generator(0, "hidden items", scenario.name).choice(len(scenario.catalogue), many, replace=False)
    unseen = np.isin(scenario.events.item, items) & mask_of(part, Part.TRAIN, Part.VALID)
    return np.where(unseen, Part.CONTEXT, part).astype(np.int8)


def everything(dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
    """Return parts without a test: for a run that serves and is not judged."""
    held = (Part.TEST,) if settings.protocol == "given" else (Part.TEST, Part.CONTEXT)
    return {
        name: np.where(mask_of(part, *held), Part.VALID, part).astype(np.int8)
        for name, part in split(dataset, settings).items()
    }


def _by_time(dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
    """Cut all scenarios at the same two moments, so that none of them sees another's future."""
    for name, scenario in dataset.scenarios.items():
        if scenario.clock != "time" and not (len(dataset.scenarios) == 1 or dataset.clocks_shared):
            raise _needs(settings.protocol, name, "time stamps", "sequence numbers", "leave_last_out")
    times = np.sort(np.concatenate([s.events.time for s in dataset.scenarios.values()]))
    share = settings.test_share if settings.protocol == "temporal" else 1 - settings.warmup
    last = _moment(times, share)
    cut = _moment(times[times < last], settings.valid_share, last)
    return {name: _cut_at(s.events.time, cut, last) for name, s in dataset.scenarios.items()}


def _moment(times: LongArray, share: float, otherwise: int = LATEST) -> int:
    """Return when the latest share of the ordered times begins; `otherwise` where there are none."""
    return int(times[min(int(len(times) * (1 - share)), len(times) - 1)]) if len(times) else otherwise


def _cut_at(time: LongArray, valid: int, test: int) -> Parts:
    return np.select([time >= test, time >= valid], [Part.TEST, Part.VALID], Part.TRAIN).astype(np.int8)


def _given(scenario: Scenario, settings: EvaluationSettings) -> Parts:
    """Use the split column; where it names no VALID, take the latest share of TRAIN."""
    if not scenario.has_split:
        raise _needs("given", scenario.name, "a split column", "none", "temporal")
    part = scenario.events.part.copy()
    if not np.any(part == Part.VALID):
        rows = np.flatnonzero((part == Part.TRAIN) & scenario.events.choice)
        late = rows[int(len(rows) * (1 - settings.valid_share)) :]
        if len(late):
            moment = scenario.events.time[late[0]]
            part[(part == Part.TRAIN) & (scenario.events.time >= moment)] = Part.VALID
    return part


def _last_out(scenario: Scenario) -> Parts:
    """Each user's last choice is TEST, the last but one VALID; users with fewer than 3 choices only train."""
    events = scenario.events
    order = np.lexsort((np.arange(len(events)), events.time, events.user))
    order = order[events.choice[order]]
    user = events.user[order]
    ends = np.append(user[1:] != user[:-1], True) if len(user) else np.zeros(0, bool)
    last = np.flatnonzero(ends)
    size = np.diff(np.concatenate([[-1], last]))
    part = np.zeros(len(events), np.int8)
    part[order[last[size >= 3]]] = Part.TEST
    part[order[last[size >= 3] - 1]] = Part.VALID
    return _not_after(events, part)


def _not_after(events: EventLog, part: Parts) -> Parts:
    """Hold out, too, what a user did after a held-out choice, so that nothing of it is learned too early.

    What came after the VALID choice becomes VALID (learned, never ranked), after the TEST choice CONTEXT.
    """
    for held, later in ((Part.VALID, Part.VALID), (Part.TEST, Part.CONTEXT)):
        first = np.full(int(events.user.max(initial=-1)) + 1, LATEST)
        chosen = part == held
        np.minimum.at(first, events.user[chosen], events.time[chosen])
        learned = mask_of(part, Part.TRAIN, Part.VALID)
        part[learned & (events.time > first[events.user])] = later
    return part


def _needs(protocol: str, scenario: str, expected: str, found: str, instead: str) -> ConfigError:
    return ConfigError(
        Problem(
            f"the protocol '{protocol}' does not fit scenario '{scenario}'",
            f"{expected} in its events",
            found,
            f'name the column in [scenarios.{scenario}.events], or set [evaluation] protocol = "{instead}"',
            column="evaluation.protocol",
            scenario=scenario,
        )
    )


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
        return Queries(user, time, self._timelines[name].before(user, time, length), elsewhere)


def available(since: LongArray, learned: EventLog) -> LongArray:
    """Return (n,) when each item may first be shown; UNKNOWN_TIME where its catalogue does not say.

    Where events that may be learned from come before the item's own time, the two clocks differ in grain (one
    tells days, the other seconds): then an item counts as there from the start of its day, or from its first
    such event. Held-out events are not looked at, so no item's first event can see itself.
    """
    early = learned.time < since[learned.item]
    if not early.any():
        return since
    first = np.full(len(since), LATEST)
    np.minimum.at(first, learned.item, learned.time)
    from_day = np.minimum(since - since % DAY, first)
    return np.where(since == UNKNOWN_TIME, since, from_day).astype(np.int64)


def newcomers(scenario: Scenario, settings: EvaluationSettings, share: float | None) -> IntArray:
    """Return the items that a fusion is to meet as new ones.

    Args:
        share: of the catalogue; None: none where the split is a moment of time, since new items then come by
            themselves, and a tenth where every user's events are split by their order.
    """
    if share is None:
        share = 0.0 if scenario.clock == "time" and settings.protocol != "leave_last_out" else NEWCOMERS
    many = int(len(scenario.catalogue) * share)
    draws = generator(0, "newcomers", scenario.name)
    return draws.choice(len(scenario.catalogue), many, replace=False).astype(np.int32)


def repeated(log: EventLog) -> bool:
    """Return whether any user chose the same item twice, at different moments."""
    key = log.user.astype(np.int64) * (int(log.item.max(initial=0)) + 1) + log.item
    order = np.lexsort((log.time, key))
    key, time = key[order], log.time[order]
    return bool(np.any((key[1:] == key[:-1]) & (time[1:] > time[:-1])))


def mask_of(parts: Parts, *kept: Part) -> BoolArray:
    """Return (n,) True where an event belongs to one of the parts."""
    return np.isin(parts, kept)
