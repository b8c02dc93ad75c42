"""What a fusion says when one signal is withheld from it, or its scores are dealt out to the wrong ones.

Nothing is learned again: a signal that is withheld is absent, as one that a scenario lacks, so its scores and
its best score are 0 and it puts nothing forward. Scores that are exchanged keep how they are distributed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories, Queries
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.scores import Scores

WHOLE = "polyscene"
"""The fusion as it is."""
ALL_OTHERS = "all others"
"""Stands for every other scenario."""


class Way(StrEnum):
    """What is done to a part."""

    WITHHELD = "withheld"
    PEOPLE = "exchanged between people"
    """Everybody gets what the signal says to somebody else: what is the same for everybody stays."""
    ITEMS = "exchanged between items"
    """Every item gets what the signal says of another one: nothing true stays."""


def model_name(kind: str, name: str, way: Way) -> str:
    """Return what the fusion is called after something was done to one part of what it knows."""
    return f"{kind} {name}: {way}"


class OfOthers(Scores):
    """Each request gets the scores of another one.

    Args:
        rows: (B,) whose.
    """

    def __init__(self, inner: Scores, rows: LongArray) -> None:
        self._inner, self._rows = inner, rows

    def whole(self) -> FloatArray:
        """Return the others' rows."""
        others: FloatArray = self._inner.whole()[self._rows]
        return others

    def at(self, candidates: IntArray | LongArray) -> FloatArray:
        """Look the candidates up in the others' rows."""
        return np.take_along_axis(self.whole(), candidates.astype(np.int64), axis=1)

    def best(self, row: int, most: int, closed: BoolArray) -> IntArray | LongArray:
        """Put the other request's best forward, of what is open here."""
        return self._inner.best(int(self._rows[row]), most, closed)

    def peaks(self) -> FloatArray:
        """Return the others' largest scores."""
        others: FloatArray = self._inner.peaks()[self._rows]
        return others


class OfOtherItems(Scores):
    """Each item gets the score of another one, of another one in each request.

    Args:
        items: (B, n) whose.
    """

    def __init__(self, inner: Scores, items: LongArray) -> None:
        self._inner, self._items = inner, items

    def whole(self) -> FloatArray:
        """Return the other items' scores."""
        return np.take_along_axis(self._inner.whole(), self._items, axis=1)

    def at(self, candidates: IntArray | LongArray) -> FloatArray:
        """Return the scores of the items in whose place the candidates stand."""
        return np.take_along_axis(self.whole(), candidates.astype(np.int64), axis=1)

    def best(self, row: int, most: int, closed: BoolArray) -> IntArray | LongArray:
        """Put those forward that got the best scores."""
        items = self._items[row]
        place, shut = np.empty_like(items), np.empty_like(closed)
        place[items], shut[items] = np.arange(len(items)), closed
        best: LongArray = place[self._inner.best(row, most, shut)]
        return best

    def peaks(self) -> FloatArray:
        """Return the largest scores, which are the same."""
        return self._inner.peaks()


@dataclass(frozen=True)
class Withholding:
    """Scores requests by a fusion as it is, and without each part of what it knows.

    Attributes:
        chance: draws whose scores go where.
        between_people: whether scores are exchanged between requests too.
    """

    fusion: Fusion
    chance: np.random.Generator
    between_people: bool = True

    def score_all(self, queries: Queries) -> dict[str, FloatArray]:
        """Return (B, n) scores by `model_name`, and as the fusion is under the name `WHOLE`."""
        fusion = self.fusion
        prepared = fusion.prepare(queries)
        whole = fusion.reread(fusion.features.scaled(prepared, len(queries)), queries)
        scores = {WHOLE: fusion.ranked(whole, prepared, queries)}
        for name, place in fusion.fitted().items():
            for way, instead, column in self._ways(prepared[place], whole[:, place]):
                changed = [instead if number == place else one for number, one in enumerate(prepared)]
                kept = whole[:, place].copy()
                whole[:, place] = column
                scores[model_name("signal", name, way)] = fusion.ranked(whole, changed, queries)
                whole[:, place] = kept
        return scores | {
            model_name("scenario", name, Way.WITHHELD): fusion.score(without_scenarios(queries, names))
            for name, names in other_scenarios(queries).items()
        }

    def score_without(self, queries: Queries, names: Collection[str]) -> FloatArray:
        """Return (B, n) scores where several signals are withheld at once."""
        fusion = self.fusion
        prepared = list(fusion.prepare(queries))
        whole = fusion.reread(fusion.features.scaled(prepared, len(queries)), queries)
        for place, name in enumerate(fusion.names):
            if name in names:
                whole[:, place], prepared[place] = 0.0, None
        return fusion.ranked(whole, prepared, queries)

    def _ways(
        self, one: Scores | None, column: FloatArray
    ) -> Iterator[tuple[Way, Scores | None, FloatArray]]:
        """Yield what is done to a signal: what it says then, and its (B, n) scaled scores."""
        yield Way.WITHHELD, None, np.zeros_like(column)
        if one is None:
            return
        if self.between_people:
            rows = self._other_rows(len(column))
            yield Way.PEOPLE, OfOthers(one, rows), column[rows]
        items = self._other_items(*column.shape)
        yield Way.ITEMS, OfOtherItems(one, items), np.take_along_axis(column, items, axis=1)

    def _other_rows(self, count: int) -> LongArray:
        """Return (B,) for each request another one, where there is another."""
        order, rows = self.chance.permutation(count), np.empty(count, np.int64)
        rows[order] = np.roll(order, 1)
        return rows

    def _other_items(self, count: int, n_items: int) -> LongArray:
        """Return (B, n) for each item another one: one order of the items, turned differently in each row."""
        order = self.chance.permutation(n_items)
        turns = self.chance.integers(1, max(n_items, 2), count)[:, None]
        ranks = np.empty(n_items, np.int64)
        ranks[order] = np.arange(n_items)
        others: LongArray = order[(ranks[None] + turns) % max(n_items, 1)]
        return others


def other_scenarios(queries: Queries) -> dict[str, list[str]]:
    """Return what can be withheld of what people did: in each other scenario, and in all of several."""
    names = {name: [name] for name in queries.elsewhere}
    return names if len(names) < 2 else names | {ALL_OTHERS: list(names)}


def without_scenarios(queries: Queries, names: list[str]) -> Queries:
    """Return the same requests of people who did nothing in some other scenarios."""
    nothing = Histories.of([[] for _ in range(len(queries))])
    return replace(queries, elsewhere={**queries.elsewhere, **dict.fromkeys(names, nothing)})
