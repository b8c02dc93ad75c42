"""The reason for every place of a slate: what lifted it, the past item behind it, and what both share.

Nothing is said that is not so: a past item is named only where the signal links it to the recommended one,
and never the recommended item itself; what two items share is looked up, not taken from a vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from polyscene.core.types import FloatArray, LongArray
from polyscene.engine.decision import Decision
from polyscene.responsible.explanation import OTHERWISE, fact_and_trait, had_before, reason
from polyscene.responsible.traits import NAMED

ENOUGH_SHARE, LITTLE_SHARE = 0.3, 0.1
"""A signal may give the reason where it adds this much of what the strongest one adds; where everything that
those have to say was said already, this much."""
ENOUGH_SUPPORT = 0.25
"""A past item is named first where it adds this much of what the strongest one adds, and shares a trait."""
MAX_LOOKED_AT = 5
"""So many of the past items behind an item are looked at."""
MAX_NAMED = 3
"""A past item that was named so often in a slate stands back behind others."""

Sentence = tuple[str, int | None]
"""What may be said, and the past item that it names."""


class _Past(NamedTuple):
    """A past item behind an item: whether it adds much, and what both share."""

    item: int
    strong: bool
    traits: tuple[str, ...]


class Reasons:
    """Gives reasons for items of one decision, each different from those before where the truth allows it.

    Args:
        decision: whose candidates are scored.
        codes: (m,) of all items that may be asked about.
    """

    def __init__(self, decision: Decision, codes: LongArray) -> None:
        self._catalogue, self._history = decision.state.catalogue, decision.queries.history.items
        self._times, self._clock = decision.queries.history.times, decision.state.clock
        self._signals, self._codes = decision.state.fusion.present(), codes
        self._user = int(decision.queries.user[0])
        self._rows = {code: row for row, code in enumerate(codes.tolist())}
        self._wording = {name: signal.wording() for name, signal in self._signals.items()}
        self._supports: dict[str, tuple[FloatArray, LongArray]] = {}
        self._pasts: dict[tuple[str, int], list[_Past]] = {}
        self._facts: dict[tuple[str, int], str | None] = {}
        self._given: set[str] = set()
        self._named: Counter[int] = Counter()

    def all(self, shares: Sequence[Mapping[str, float]]) -> list[str]:
        """Return a sentence for every item.

        Args:
            shares: by item, what each signal adds.
        """
        return [self.of(code, row) for code, row in zip(self._codes.tolist(), shares, strict=True)]

    def of(self, code: int, shares: Mapping[str, float]) -> str:
        """Return the sentence for an item: the first that was not given yet of those that are true of it."""
        first: str | None = None
        for sentence, past in self._sentences(code, shares):
            first = first or sentence
            if sentence not in self._given:
                self._given.add(sentence)
                if past is not None:
                    self._named[past] += 1
                return sentence
        return first or OTHERWISE

    def _sentences(self, code: int, shares: Mapping[str, float]) -> Iterator[Sentence]:
        """Yield what is true of an item, the most telling first."""
        had = np.flatnonzero(self._history == code)
        if not len(had):
            yield from self._why(code, shares)
            return
        last = self._when(int(had[-1]))
        yield had_before(len(had), last), None
        for sentence, past in self._why(code, shares):
            if past is not None:
                yield had_before(len(had), last, sentence), past

    def _when(self, place: int) -> str:
        """Return in words when the event at a place of the history happened."""
        if self._clock == "time":
            return f"on {np.datetime64(int(self._times[place]), 'us').astype('datetime64[D]')}"
        since = len(self._history) - place
        return "just now" if since == 1 else f"{since:,} choices ago"

    def _why(self, code: int, shares: Mapping[str, float]) -> Iterator[Sentence]:
        """Yield why an item stands there, from the signal that adds most down.

        First what the strong signals say of past items that add much, and facts. Where all of that was given
        already: facts with what the item shares with what was chosen last, then weaker signals and past
        items, those with a shared trait before those without.
        """
        most = max(shares.values(), default=0.0)
        names = [name for name in sorted(shares, key=shares.__getitem__, reverse=True) if shares[name] > 0]
        strong = [name for name in names if shares[name] >= ENOUGH_SHARE * most]
        weak = [name for name in names if LITTLE_SHARE * most <= shares[name] < ENOUGH_SHARE * most]
        for name in strong:
            yield from self._of_signal(name, code)
        for name in strong:
            if not self._signals[name].tells_facts and not self._past(name, code):
                yield self._wording[name].alone, None
        for name in strong:
            yield from self._fact_and_trait(name, code)
        for with_trait in (True, False):
            for name in (*weak, *strong):
                yield from self._of_past(name, code, name in weak, with_trait, False)
                yield from self._of_past(name, code, name in weak, with_trait, True)

    def _of_signal(self, name: str, code: int) -> Iterator[Sentence]:
        if self._signals[name].tells_facts:
            fact = self._fact(name, code)
            if fact is not None:
                yield fact, None
            return
        personal = self._signals[name].personal(self._user, code)
        if personal is not None:
            yield personal, None
        if not self._past(name, code):
            return
        for often in (False, True):
            for with_trait in (True, False):
                yield from self._of_past(name, code, True, with_trait, often)

    def _fact(self, name: str, code: int) -> str | None:
        """Return a signal's fact, asked for once."""
        key = name, code
        if key not in self._facts:
            self._facts[key] = self._signals[name].fact(code)
        return self._facts[key]

    def _fact_and_trait(self, name: str, code: int) -> Iterator[Sentence]:
        """Yield a signal's fact, and what the item shares with one of those that were chosen last."""
        fact = self._fact(name, code) if self._signals[name].tells_facts else None
        if fact is None:
            return
        latest = dict.fromkeys(self._history[::-1].tolist())
        for item in list(latest)[:MAX_LOOKED_AT]:
            if item != code and (traits := self._catalogue.traits.shared(code, item)):
                yield fact_and_trait(fact, self._catalogue.titles[item], traits), item

    def _of_past(
        self, name: str, code: int, strong: bool, with_trait: bool, often: bool
    ) -> Iterator[Sentence]:
        """Yield what a signal says of past items.

        Args:
            strong: of those that add much, or of the others.
            with_trait: of those that share a trait with the item, or of the others.
            often: of those that the slate named `MAX_NAMED` times already, or of the others.
        """
        words, titles = self._wording[name], self._catalogue.titles
        for past in self._past(name, code):
            if past.strong != strong or bool(past.traits) != with_trait:
                continue
            if (self._named[past.item] >= MAX_NAMED) != often:
                continue
            for start in range(0, max(len(past.traits), 1), NAMED):
                traits = past.traits[start : start + NAMED]
                yield reason(words, titles[past.item], traits), past.item

    def _past(self, name: str, code: int) -> list[_Past]:
        """Return `_behind`, worked out once."""
        key = name, code
        if key not in self._pasts:
            self._pasts[key] = self._behind(name, code)
        return self._pasts[key]

    def _behind(self, name: str, code: int) -> list[_Past]:
        """Return the past items that add most to the signal's score of an item, the strongest first.

        The item itself is never among them: what was had has a sentence of its own.
        """
        if not len(self._history) or self._signals[name].tells_facts or self._wording[name].with_past is None:
            return []
        support, order = self._support(name)
        row = self._rows[code]
        strongest = order[row]
        values, items = support[row, strongest].tolist(), self._history[strongest].tolist()
        least = ENOUGH_SUPPORT * values[0]
        behind: dict[int, bool] = {}
        for value, item in zip(values, items, strict=True):
            if value <= 0 or len(behind) == MAX_LOOKED_AT:
                break
            behind.setdefault(item, value >= least)
        return [_Past(item, strong, self._shared(name, code, item)) for item, strong in behind.items()]

    def _shared(self, name: str, code: int, past: int) -> tuple[str, ...]:
        """Return what an item and a past one share, by a signal that knows it or by the catalogue."""
        known = self._signals[name].shared(code, past)
        return self._catalogue.traits.all_shared(code, past) if known is None else tuple(known)

    def _support(self, name: str) -> tuple[FloatArray, LongArray]:
        """Return (m, h) what each past item adds to each item but itself, and their order, largest first."""
        if name not in self._supports:
            support = self._signals[name].support(self._history, self._codes)
            support = np.where(self._history == self._codes[:, None], 0.0, support)
            self._supports[name] = support, np.argsort(-support, axis=1, kind="stable")
        return self._supports[name]
