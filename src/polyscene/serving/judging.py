"""What another policy would have earned, from the logs of a service: `polyscene judge` in Python."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np

from polyscene.core.errors import ArgumentError, DataError, PolysceneError, Problem, UnknownIdError
from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.engine.updates import ActionWeights
from polyscene.evaluation.offpolicy.comparison import Comparison, compare
from polyscene.evaluation.offpolicy.learning import LearningSettings
from polyscene.evaluation.offpolicy.shown import Act, ShownSlate, join
from polyscene.policies.policy import Policy
from polyscene.policies.registry import choice_of, policy_named, policy_of
from polyscene.serving.checking import with_neutral_actions
from polyscene.serving.packing import limits_of
from polyscene.serving.policy_learning import learned_policy, parted
from polyscene.serving.stores.contract import (
    EPOCH,
    SCORES,
    DecisionRecord,
    DecisionStore,
    EventStore,
    LoggedEvent,
)

PAGE = 2_000
MICROSECONDS_PER_HOUR = 3_600_000_000
HOURS = 24.0
LOGGED = "logged"
"""Stands for the policy of the log itself."""
LEARNED = "learned"
"""Stands for the policy that half of the users teach; the other half judges it."""


@dataclass
class ServiceLog:
    """What a service decided and heard.

    Attributes:
        unreadable: by reason, how many decisions cannot be judged, such as those of earlier versions.
    """

    slates: list[ShownSlate] = field(default_factory=list)
    events: list[LoggedEvent] = field(default_factory=list)
    unreadable: Counter[str] = field(default_factory=Counter)
    _exported: str = field(default="", repr=False)

    @classmethod
    def of_stores(cls, events: EventStore, decisions: DecisionStore) -> ServiceLog:
        """Read both stores from their beginning.

        Raises:
            StoreError: one cannot be read.
        """
        log = cls()
        offset = 0
        while page := list(events.since(offset, PAGE)):
            log.events += [entry for _, entry in page if isinstance(entry, LoggedEvent)]
            offset = page[-1][0]
        number = 0
        while records := list(decisions.since(number, PAGE)):
            for _, record in records:
                log.take(record)
            number = records[-1][0]
        return log

    @classmethod
    def of_file(cls, path: Path) -> ServiceLog:
        """Read JSON Lines as a service exports them: `kind` is `decision` or `entry`; others are passed over.

        Raises:
            DataError: a line is none of these; all problems are counted.
        """
        log, wrong = cls(), list[tuple[int, str]]()
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    log.take_line(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    wrong.append((number, f"{type(error).__name__}: {error}"))
        if wrong:
            row, reason = wrong[0]
            raise DataError(
                Problem(
                    "a line of the log cannot be read",
                    "a JSON object as GET /v1/users/{user}/export writes it",
                    reason,
                    "export the log again, or take the line out",
                    file=path.name,
                    row=row,
                    count=len(wrong),
                )
            )
        return log

    def take_line(self, line: Mapping[str, Any]) -> None:
        """Take a line of an export; the profile of a user stands before their entries."""
        if line["kind"] == "profile":
            self._exported = line["user"]
        elif line["kind"] == "decision":
            scores = np.asarray(line["scores"], np.float64).astype(SCORES).tobytes()
            name, user, scenario, run = (str(line[key]) for key in ("decision", "user", "scenario", "run"))
            time, position = int(line["time"]), int(line["position"])
            self.take(DecisionRecord(name, time, user, scenario, run, position, scores=scores, details=line))
        elif line["kind"] == "entry" and "action" in line:
            moment = None if line["time"] is None else datetime.fromisoformat(line["time"])
            happened = None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)
            item, scenario, action = (str(line[key]) for key in ("item", "scenario", "action"))
            user = str(line.get("user", self._exported))
            self.events.append(LoggedEvent(user, item, scenario, action, line["value"], happened))

    def take(self, record: DecisionRecord) -> None:
        """Take a decision, or count why it cannot be judged."""
        try:
            self.slates.append(shown_slate(record))
        except (PolysceneError, ValueError, KeyError) as error:
            reason = "kept by an earlier version" if isinstance(error, KeyError) else str(error)
            self.unreadable[reason] += 1


def shown_slate(record: DecisionRecord) -> ShownSlate:
    """Return a decision as off-policy evaluation reads it.

    Raises:
        KeyError: an earlier version kept it, without its policy.
        UnknownIdError: its policy is one of a plug-in that is not installed.
    """
    details = record.details
    scores = np.frombuffer(record.scores, SCORES).astype(np.float32)
    policy = details["policy"]
    return ShownSlate(
        record.id,
        record.time,
        record.user,
        record.scenario,
        tuple(details["slate"]),
        np.asarray(details["places"], np.int64),
        np.asarray(details["propensities"], np.float32),
        scores,
        policy_of(PolicyChoice(**policy)),
        limits_of(details.get("limits"), len(scores)),
    )


@dataclass(frozen=True)
class ScenarioJudgement:
    """What the log of one scenario says of two policies.

    Attributes:
        policy, against: what they are told; None: the policy of the log.
        actions: that count as rewards.
        window: hours after a decision in which they do.
        counts: what became of every decision and act.
    """

    scenario: str
    policy: dict[str, object] | None
    against: dict[str, object] | None
    actions: tuple[str, ...]
    window: float
    counts: Mapping[str, int]
    comparison: Comparison

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can say it."""
        return {
            "scenario": self.scenario,
            "policy": self.policy or LOGGED,
            "against": self.against or LOGGED,
            "actions": list(self.actions),
            "window_hours": self.window,
            "counts": dict(self.counts),
            **self.comparison.plain(),
        }


def judge(
    log: ServiceLog,
    settings: Mapping[str, ScenarioSettings],
    policy: str | Policy,
    against: str | Policy = LOGGED,
    *,
    scenario: str | None = None,
    actions: Sequence[str] = (),
    hours: float = HOURS,
    estimators: Sequence[str] = (),
    interval: Literal["normal", "percentile"] = "normal",
    level: float = 0.95,
    seed: int = 0,
) -> list[ScenarioJudgement]:
    """Return what two policies would have earned, in every scenario that has decisions.

    Both choose by the scores that the log kept: what is compared is how slates are chosen, not how items are
    scored. A place earns 1 where its user did something that counts with its item within the window.

    Args:
        log: of a service.
        settings: of the scenarios.
        policy, against: as typed (`greedy`, `epsilon:0.1`, `plackett_luce:0.5`), or as objects; `logged`: the
            policy of the log; `learned`, of `policy` alone: one that half of the users teach
            (`policy_learning`), so that both are judged on the other half.
        scenario: one alone; None: all.
        actions: that count; none: those that the scenario counts as choices.
        hours: of the window.
        estimators: by name; none: the usual ones.
        interval, level, seed: see `comparison.compare`.

    Raises:
        ArgumentError: a policy or an estimator cannot be used, or nothing can be judged.
        UnknownIdError: no such scenario or estimator.
    """
    names = _scenarios(log, settings, scenario)
    learns = policy == LEARNED
    one, other = None if learns else _policy(policy), _policy(against)
    judgements = []
    end = max((event.time for event in log.events if event.time is not None), default=0)
    for name in names:
        counted = _counted(log.events, name, settings[name], actions)
        acts = [Act(one.user, one.item, name, one.time) for one in counted]
        slates = [slate for slate in log.slates if slate.scenario == name]
        joined = join(slates, acts, int(hours * MICROSECONDS_PER_HOUR), end)
        if learns:
            teaching, joined = parted(joined, seed)
            one = learned_policy(teaching, LearningSettings(seed=seed))
        comparison = compare(
            joined, one, other, estimators=estimators, interval=interval, level=level, seed=seed
        )
        unreadable = {f"decisions left out: {reason}": count for reason, count in log.unreadable.items()}
        judgements.append(
            ScenarioJudgement(
                name,
                None if one is None else choice_of(one),
                None if other is None else choice_of(other),
                tuple(sorted({act.action for act in counted})) or tuple(actions),
                hours,
                {**joined.counts, **unreadable},
                comparison,
            )
        )
    return judgements


def _scenarios(log: ServiceLog, settings: Mapping[str, ScenarioSettings], scenario: str | None) -> list[str]:
    if scenario is not None and scenario not in settings:
        raise UnknownIdError(f"expected a scenario out of {', '.join(settings)}, found '{scenario}'")
    decided = {slate.scenario for slate in log.slates}
    names = [name for name in settings if name in decided and scenario in (None, name)]
    if not names:
        where = "the log" if scenario is None else f"scenario '{scenario}'"
        raise ArgumentError(f"expected decisions in {where}, found none; let the service decide first")
    return names


def _policy(policy: str | Policy) -> Policy | None:
    if isinstance(policy, Policy):
        return policy
    return None if policy == LOGGED else policy_named(policy)


def _counted(
    events: Iterable[LoggedEvent], scenario: str, settings: ScenarioSettings, actions: Sequence[str]
) -> list[LoggedEvent]:
    return list(
        _counting(events, scenario, ActionWeights.of(with_neutral_actions(settings)), frozenset(actions))
    )


def _counting(
    events: Iterable[LoggedEvent], scenario: str, weights: ActionWeights, actions: frozenset[str]
) -> Iterator[LoggedEvent]:
    """Yield the events that are rewards: of named actions, else those that the scenario counts as choices."""
    for event in events:
        if event.scenario != scenario:
            continue
        if event.action in actions or (not actions and weights.of_action(event.action)[1]):
            yield event
