"""Why an item is not in a slate: what stops it, in the order of the stages, and the least that lets it in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from polyscene.core.text import shown
from polyscene.engine.barring import Bar, Cause, bars_of
from polyscene.engine.decision import GREEDY, Decision, Request
from polyscene.engine.filters import unmet
from polyscene.engine.marks import capping
from polyscene.engine.pipeline import decide
from polyscene.engine.recommending import rank_of
from polyscene.engine.state import System

Change = Mapping[str, object]


@dataclass(frozen=True)
class Obstacle:
    """One thing that keeps an item out.

    Attributes:
        stage: `unknown`, one of `Cause`, `not put forward`, `cap`, `ranked`, `places taken`, or `chance`.
        sentence: the same for a person.
        change: the least that takes it away, by what would have to be changed: `k`, `seen`, `exclude`,
            `filter`, `only`, `cursor`, `rule`, `most`, `score`, `explore`, `item`.
    """

    stage: str
    sentence: str
    change: Change = field(default_factory=dict)


@dataclass(frozen=True)
class WhyNot:
    """What keeps an item out of the slate of a request.

    Attributes:
        place: 1-based in the slate; None where it is not in it.
        rank: 1-based by score among what may be shown; None where it may not be shown.
        score: its own; None where it is unknown.
        missing: what its score lacks for the last place that goes by score; None where that cannot be said.
        obstacles: in the order of the stages; empty where it is in the slate.
        enough: whether all changes together bring it in, as was tried; None: that cannot be tried.
    """

    user: str
    item: str
    scenario: str
    place: int | None
    rank: int | None
    score: float | None
    missing: float | None
    obstacles: tuple[Obstacle, ...]
    enough: bool | None = None


def why_not(system: System, request: Request, item: str) -> WhyNot:
    """Return what keeps an item out of the slate of a request.

    Raises:
        UnknownIdError: there is no such scenario.
        DataError: the request's filter or condition cannot be used.
    """
    request = replace(request, reasons=False)
    decision = decide(system, request)
    state, ids = decision.state, decision.state.catalogue.ids
    code = ids.get(item)
    if code is None:
        sentence = f"There is no item {shown(item)} in scenario '{state.name}'."
        unknown = Obstacle("unknown", sentence, {"item": "describe it"})
        return WhyNot(request.user, item, state.name, None, None, None, None, (unknown,))
    request = replace(request, seed=decision.seed)
    probe = decide(system, replace(request, also=(item,), policy=GREEDY))
    look = _Look(system, request, decision, probe, code)
    places = np.flatnonzero(decision.codes == code)
    obstacles = () if len(places) else tuple(look.obstacles())
    return WhyNot(
        request.user,
        item,
        state.name,
        int(places[0]) + 1 if len(places) else None,
        look.rank,
        look.score,
        look.missing if obstacles else None,
        obstacles,
        look.enough(obstacles) if obstacles else None,
    )


class _Look:
    """Looks at what keeps one item out.

    Args:
        request: with the seed of the decision.
        decision: on it.
        probe: the same without chance, the item among the candidates.
        code: of the item.
    """

    def __init__(
        self, system: System, request: Request, decision: Decision, probe: Decision, code: int
    ) -> None:
        self._system, self._request, self._decision, self._code = system, request, decision, code
        self._id = decision.state.catalogue.ids[code]
        place = int(np.flatnonzero(probe.candidates == code)[0])
        with system.lock.reading():
            self._bars = [bar for bar in bars_of(request, decision) if _closes(bar, code)]
            self.rank = None if self._bars else rank_of(probe, place)
        self.score = float(probe.scores[place])
        self.missing = self._missing()

    def _missing(self) -> float | None:
        decision = self._decision
        pinned = set(decision.limits.pins.values())
        by_score = [row for row in decision.places.tolist() if row not in pinned]
        if len(decision.places) < self._request.size or not by_score:
            return None
        return max(0.0, float(decision.scores[by_score].min()) - self.score)

    def obstacles(self) -> Iterator[Obstacle]:
        """Yield what keeps the item out."""
        for bar in self._bars:
            yield self._closed(bar)
        caps = capping(self._decision, self._code)
        for rule, most in caps:
            sentence = f"The slate has {most:,} of its kind already: the rule '{rule}' allows no more."
            yield Obstacle("cap", sentence, {"rule": rule, "most": most + 1})
        if self._code not in self._decision.candidates[: self._decision.ranked] and not self._bars:
            yield Obstacle("not put forward", "No signal puts it among its best for this user.")
        if self.rank is not None:
            yield from self._behind(self.rank, bool(caps))

    def _behind(self, rank: int, capped: bool) -> Iterator[Obstacle]:
        size = self._request.size
        if rank > size:
            change: dict[str, object] = {"k": rank}
            if self.missing is not None:
                change["score"] = self.missing
            yield Obstacle("ranked", f"It is ranked {rank:,} of what may be shown; {size:,} are.", change)
        elif (policy := self._decision.policy).explores and not capped:
            sentence = f"It is ranked {rank:,}, but the policy '{policy.name}' drew others."
            yield Obstacle("chance", sentence, {"explore": False})
        elif policy.reads_deviations and not capped:
            sentence = f"It is ranked {rank:,}, but the policy '{policy.name}' prefers what is less known."
            yield Obstacle("chance", sentence, {"explore": False})
        elif not capped:
            sentence = f"It is ranked {rank:,}, but rules give its place to others."
            yield Obstacle("places taken", sentence, {"k": self._wider()})

    def _wider(self) -> int:
        """Return how many places let in what ranks high enough: those that rules give away come on top."""
        decision = self._decision
        by_rules = sum(int(effect.amount) if effect.kind == "quota" else 1 for effect in decision.effects)
        return (self.rank or 0) + by_rules

    def _closed(self, bar: Bar) -> Obstacle:
        catalogue, cause = self._decision.state.catalogue, bar.cause
        if cause is Cause.BLOCKED:
            return Obstacle(cause, f"The rule '{bar.rule}' blocks it.", {"rule": bar.rule})
        if cause is Cause.FILTERED:
            rows = unmet(catalogue, self._request.filter, self._code)
            values = ", ".join(f"{name} is {shown(value)}" for name, value in rows)
            return Obstacle(
                cause, f"It does not meet the filter: {values}.", {"filter": [row[0] for row in rows]}
            )
        sentence, change = CLOSED[cause]
        return Obstacle(cause, sentence, {change: self._id if change in IDS else "allow"} if change else {})

    def enough(self, obstacles: tuple[Obstacle, ...]) -> bool | None:
        """Return whether the item is in the slate once all is changed; None where that cannot be asked."""
        if any(obstacle.stage in (Cause.ABSENT, Cause.REMOVED) for obstacle in obstacles):
            return None
        request = self._changed(obstacles)
        probe = decide(self._system, replace(request, also=(self._id,), policy=GREEDY))
        with self._system.lock.reading():
            rank = rank_of(probe, int(np.flatnonzero(probe.candidates == self._code)[0]))
        changed = decide(self._system, replace(request, policy=GREEDY, size=max(request.size, rank)))
        return self._code in changed.codes

    def _changed(self, obstacles: tuple[Obstacle, ...]) -> Request:
        request, changes = self._request, [obstacle.change for obstacle in obstacles]
        rules = [str(change["rule"]) for change in changes if "rule" in change]
        dropped = {name for change in changes for name in _names(change.get("filter"))}
        wanted = any("only" in change for change in changes)
        sizes = [int(str(change["k"])) for change in changes if "k" in change]
        return replace(
            request,
            seen="allow" if any("seen" in change for change in changes) else request.seen,
            exclude=[item for item in request.exclude if item != self._id],
            earlier=[item for item in request.earlier if item != self._id],
            filter={name: one for name, one in request.filter.items() if name not in dropped},
            only=[*request.only, self._id] if wanted and request.only is not None else request.only,
            where=None if wanted else request.where,
            without_rules=[*request.without_rules, *rules],
            size=max([request.size, *sizes]),
        )


CLOSED: Mapping[Cause, tuple[str, str]] = {
    Cause.REMOVED: ("It was taken out of the catalogue.", ""),
    Cause.ABSENT: ("It is not there yet.", ""),
    Cause.SEEN: ("The user had it already, and what was had is not shown again.", "seen"),
    Cause.EXCLUDED: ("The request excludes it.", "exclude"),
    Cause.EARLIER: ("An earlier page showed it.", "cursor"),
    Cause.UNWANTED: ("It is not among those that the request asks for.", "only"),
}
"""What is said of a closed item, and what would have to be changed."""
IDS = ("exclude", "cursor", "only")


def _closes(bar: Bar, code: int) -> bool:
    if bar.items.dtype == np.bool_:
        return bool(bar.items[code])
    return bool(np.any(bar.items == code))


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []
