"""Slates, explanations and similar items, read from decisions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from polyscene.core.types import Item, LongArray, Recommendation, Slate
from polyscene.engine.decision import Decision, Request
from polyscene.engine.likeness import Likeness, likeness
from polyscene.engine.marks import rules_by_place
from polyscene.engine.notes import notes_of
from polyscene.engine.pipeline import decide
from polyscene.engine.reasons import Reasons
from polyscene.engine.stages import shares_of
from polyscene.engine.state import NO_USER, ScenarioState, System
from polyscene.policies.greedy import best_of
from polyscene.responsible.explanation import alike_because, why_closed

MAX_SLATE = 50
"""In slates up to so long `explain` gives the reason that stands there."""
SURE = 1.0
"""The propensity of what is not a choice among candidates."""


@dataclass(frozen=True)
class Explanation:
    """Why an item stands where it stands for a user.

    Attributes:
        rank: 1-based place among everything that may be shown; None where it may not be shown.
        candidates: how many items may be shown.
        reason: one sentence; where the item may not be shown, why not.
        shares: by signal, what it adds to the item's score.
        scores: by signal, its own score, in units of its spread.
        past: the user's past items that stand behind it, strongest first, each with the signal that says so;
            never the item itself.
        times_had: how often the user has had the item, as far as the system looks back.
        user_known: whether the user's id was met before.
        parts: which share of the item's vector is its text, each attribute and each medium; what it lacks is
            left out, and all where only texts count.
    """

    user: str
    item: Item
    rank: int | None
    candidates: int
    score: float
    reason: str
    shares: dict[str, float]
    scores: dict[str, float]
    past: tuple[tuple[str, Item], ...]
    times_had: int = 0
    user_known: bool = True
    parts: dict[str, float] = field(default_factory=dict)


def slate_of(decision: Decision, request: Request, run: str) -> Slate:
    """Return the slate of a decision."""
    items = decision.state.catalogue.items(decision.codes.tolist())
    reasons = decision.reasons or [""] * len(items)
    shares = decision.shares or [{} for _ in items]
    scores = decision.scores[decision.places].tolist()
    rules = rules_by_place(decision)
    rows = zip(items, scores, decision.propensities.tolist(), reasons, shares, rules, strict=True)
    return Slate(
        request.user,
        decision.state.name,
        tuple(Recommendation(*row) for row in rows),
        run,
        decision.user != NO_USER,
        notes_of(decision, request),
    )


def recommend(system: System, run: str, request: Request) -> Slate:
    """Return the best items for a user, fewer than asked where fewer may be shown."""
    return slate_of(decide(system, request), request, run)


def explain(system: System, user: str, item: str, scenario: str | None) -> Explanation:
    """Return why an item stands where it stands for a user."""
    request = Request(user, scenario, size=1, also=(item,), reasons=False)
    decision = decide(system, request)
    state = decision.state
    with system.lock.reading():
        code = state.catalogue.code(item)
        place = int(np.flatnonzero(decision.candidates == code)[0])
        shares = shares_of(decision, np.array([place]))[0]
        past = _past(decision, code, shares)
        times = int(np.sum(decision.queries.items_had() == code))
        closed = bool(decision.closed[code])
        fitted = state.fusion.fitted()
        rank = None if closed else rank_of(decision, place)
        return Explanation(
            user,
            state.catalogue.items([code])[0],
            rank,
            int(np.sum(~decision.closed)),
            float(decision.scores[place]),
            _why_closed(decision, code, times) if rank is None else _reason(decision, place, rank, shares),
            shares,
            {name: float(decision.features.signals[0, row, place]) for name, row in fitted.items()},
            tuple((name, state.catalogue.items([other])[0]) for name, other in past),
            times,
            decision.user != NO_USER,
            state.space.shares(code),
        )


def _why_closed(decision: Decision, code: int, times: int) -> str:
    """Return why an item may not be shown: taken out, a rule, or that it was had or is not there yet."""
    if decision.state.fusion.features.removed[code]:
        return why_closed(times, removed=True)
    rules = [rule for rule, items in decision.rules.blocked() if items[code]]
    return f"The rule “{rules[0]}” blocks it." if rules and not times else why_closed(times)


def _reason(decision: Decision, place: int, rank: int, shares: dict[str, float]) -> str:
    """Return the reason that a slate gives at this rank, or the first true one where none is that long.

    A slate says nothing twice, so what it says of an item depends on what it said of those before.
    """
    before: LongArray = np.zeros(0, np.int64)
    if rank <= MAX_SLATE:
        shown = np.where(decision.closed[decision.candidates], -np.inf, decision.scores)
        before = best_of(shown, rank)
        before = before[: int(np.argmax(before == place))]
    codes = decision.candidates[np.append(before, place)]
    return Reasons(decision, codes).all([*shares_of(decision, before), shares])[-1]


def rank_of(decision: Decision, place: int) -> int:
    """Return the 1-based place of an open candidate; one that nobody put forward stands behind all others."""
    open_ = ~decision.closed[decision.candidates]
    better = int(np.sum(open_ & (decision.scores > decision.scores[place])))
    fusion = decision.state.fusion
    if place < decision.ranked or fusion.small:
        return better + 1
    whole = fusion.score(decision.queries)[0]
    code = int(decision.candidates[place])
    return int(1 + np.sum(~decision.closed & (whole > whole[code])))


def _past(decision: Decision, code: int, shares: dict[str, float]) -> list[tuple[str, int]]:
    """Return the past items behind an item, by signal from the largest share down."""
    history = decision.queries.history.items
    if not len(history):
        return []
    signals = decision.state.fusion.present()
    behind: list[tuple[str, int]] = []
    for name in sorted(shares, key=lambda signal: -shares[signal]):
        if shares[name] > 0:
            support = signals[name].support(history, np.array([code]))[0]
            support = np.where(history == code, 0.0, support)  # nothing stands behind itself
            if support.max() > 0:
                behind.append((name, int(history[int(np.argmax(support))])))
    return behind


def similar(system: System, item: str, scenario: str | None, k: int) -> list[Recommendation]:
    """Return the items most like an item, in meaning and by what people choose beside it; see `likeness`.

    Fewer than k where less is known: what nothing links to the item is not said to be like it.
    """
    state = system.scenario(scenario)
    with system.lock.reading():
        code = state.catalogue.code(item)
        alike = likeness(state, code, system.now(state))
        scores = alike.scores
        known = np.flatnonzero(alike.known)
        best: LongArray = known[np.argsort(-scores[known], kind="stable")][:k]
        items = state.catalogue.items(best.tolist())
        whys = [_why_alike(state, alike, code, row) for row in best.tolist()]
        return [
            Recommendation(near, float(scores[row]), SURE, why)
            for near, row, why in zip(items, best, whys, strict=True)
        ]


def _why_alike(state: ScenarioState, alike: Likeness, item: int, other: int) -> str:
    chosen = alike.trust[other] * alike.together[other] > 0
    return alike_because(
        bool(alike.by_choices[other]),
        bool(chosen),
        state.catalogue.traits.shared(item, other),
        state.space.closest_part(item, other),
    )
