"""From a request to a slate: score, keep what may be shown, take the best, give reasons."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from polyscene.core.types import FloatArray, Item, Recommendation, Slate
from polyscene.data.queries import Histories, Queries
from polyscene.engine.system import ScenarioState, System
from polyscene.recommenders.content import Content
from polyscene.responsible.explanation import reason

GREEDY = 1.0
"""The propensity of a policy that never explores."""


@dataclass(frozen=True)
class Explanation:
    """Why an item stands where it stands for a user.

    Attributes:
        rank: 1-based place among everything that may be shown; None where it may not be shown.
        candidates: how many items may be shown.
        shares: by signal, what its word for the item adds to the score.
        scores: by signal, its own score, in units of its spread.
        past: the user's past items that speak for it, strongest first, each with the signal that says so.
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


def recommend(
    system: System, run: str, user: str, scenario: str | None, k: int, exclude: Collection[str]
) -> Slate:
    """Return the k best items for a user, fewer where fewer may be shown."""
    place = system.place(scenario)
    queries = system.queries(user, place)
    open_ = place.fusion.open(queries)[0]
    for item in exclude:
        open_[place.code(item)] = False
    scores = np.where(open_, place.fusion.score(queries)[0], -np.inf)
    best = np.argsort(-scores, kind="stable")[: min(k, int(open_.sum()))]
    return Slate(user, place.name, tuple(_with_reasons(place, queries, best, scores)), run)


def _with_reasons(
    place: ScenarioState, queries: Queries, best: np.ndarray, scores: FloatArray
) -> list[Recommendation]:
    if not len(best):
        return []
    shares = _shares(place, queries, best)
    found = []
    for row, code in enumerate(best):
        past = _spokesmen(place, queries, int(code), shares[row])
        title = place.catalogue.title[past[0][1]] if past else None
        found.append(
            Recommendation(
                place.item(int(code)), float(scores[code]), GREEDY, reason(shares[row], title), shares[row]
            )
        )
    return found


def _shares(place: ScenarioState, queries: Queries, codes: np.ndarray) -> list[dict[str, float]]:
    """Return each item's share by fitted signal."""
    fusion = place.fusion
    table = fusion.shares(queries, codes[None].astype(np.int32))[0]  # (C, K)
    return [
        {name: float(row[at]) for at, name in enumerate(fusion.names) if fusion.signals[at] is not None}
        for row in table
    ]


def _spokesmen(
    place: ScenarioState, queries: Queries, item: int, shares: dict[str, float]
) -> list[tuple[str, int]]:
    """Return the past items that speak for an item, by signal from the largest share down."""
    history = queries.history.items
    found = []
    for name in sorted(shares, key=lambda signal: -shares[signal]):
        signal = place.fusion.signals[place.fusion.names.index(name)]
        if shares[name] <= 0 or signal is None:
            continue
        support = signal.support(history, item) if len(history) else np.zeros(0)
        if len(support) and support.max() > 0:
            found.append((name, int(history[int(np.argmax(support))])))
        elif not found:
            break
    return found


def explain(system: System, user: str, item: str, scenario: str | None) -> Explanation:
    """Return why an item stands where it stands for a user."""
    place = system.place(scenario)
    code = place.code(item)
    queries = system.queries(user, place)
    open_ = place.fusion.open(queries)[0]
    scores = place.fusion.score(queries)[0]
    shares = _shares(place, queries, np.array([code]))[0]
    past = _spokesmen(place, queries, code, shares)
    raw = place.fusion.score_all(queries)
    return Explanation(
        user,
        place.item(code),
        int(1 + np.sum(open_ & (scores > scores[code]))) if open_[code] else None,
        int(open_.sum()),
        float(scores[code]),
        reason(shares, place.catalogue.title[past[0][1]] if past else None),
        shares,
        {name: float(values[0, code]) for name, values in raw.items() if name != "polyscene"},
        tuple((name, place.item(other)) for name, other in past),
    )


def similar(system: System, item: str, scenario: str | None, k: int) -> list[Recommendation]:
    """Return the items most like an item: nearest in meaning where it has text, else in behaviour."""
    place = system.place(scenario)
    code = place.code(item)
    fusion = place.fusion
    content = next((signal for signal in fusion.signals if type(signal) is Content), None)
    if content is not None and np.any(content.vectors[code]):
        scores, why = content.vectors @ content.vectors[code], "It reads much like it."
    else:
        history = Histories.of([[code]])
        queries = Queries(np.array([-1], np.int32), np.array([system.now(place)]), history)
        scores, why = fusion.score(queries)[0], "It is chosen by people who choose it."
    scores = np.where(np.arange(len(scores)) == code, -np.inf, scores)
    best = np.argsort(-scores, kind="stable")[: min(k, len(scores) - 1)]
    return [Recommendation(place.item(int(at)), float(scores[at]), GREEDY, why) for at in best]
