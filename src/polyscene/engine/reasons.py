"""The reason for every place of a slate: what lifted it, the past item behind it, and what both share.

Nothing is said that is not so: a past item is named only where the signal links it to the recommended one,
and never the recommended item itself; what two items share is looked up, not taken from a vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from polyscene.core.types import FloatArray, LongArray
from polyscene.engine.decision import Decision
from polyscene.recommenders.signal import Signal
from polyscene.responsible.explanation import OTHERWISE, had_before, reason

ENOUGH_SHARE = 0.3
"""A signal may give the reason where it adds this much of what the strongest one adds."""
ENOUGH_SUPPORT = 0.25
"""A past item is named first where it adds this much of what the strongest one adds, and shares a trait."""
MAX_LOOKED_AT = 5
"""So many of the past items behind an item are looked at."""


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
        self._rows = {code: row for row, code in enumerate(codes.tolist())}
        self._supports: dict[str, FloatArray] = {}
        self._given: set[str] = set()

    def all(self, shares: Sequence[Mapping[str, float]]) -> list[str]:
        """Return a sentence for every item.

        Args:
            shares: by item, what each signal adds.
        """
        return [self.of(code, row) for code, row in zip(self._codes.tolist(), shares, strict=True)]

    def of(self, code: int, shares: Mapping[str, float]) -> str:
        """Return the sentence for an item: the first that was not given yet of those that are true of it."""
        had = np.flatnonzero(self._history == code)
        if len(had):
            return had_before(len(had), self._when(int(had[-1])))
        first: str | None = None
        for sentence in self._sentences(code, shares):
            first = first or sentence
            if sentence not in self._given:
                self._given.add(sentence)
                return sentence
        return first or OTHERWISE

    def _when(self, place: int) -> str:
        """Return in words when the event at a place of the history happened."""
        if self._clock == "time":
            return f"on {np.datetime64(int(self._times[place]), 'us').astype('datetime64[D]')}"
        since = len(self._history) - place
        return "just now" if since == 1 else f"{since:,} choices ago"

    def _sentences(self, code: int, shares: Mapping[str, float]) -> Iterator[str]:
        """Yield what is true of an item, from the signal that adds most down."""
        least = ENOUGH_SHARE * max(shares.values(), default=0.0)
        for name in sorted(shares, key=lambda name: -shares[name]):
            if shares[name] <= 0 or shares[name] < least:
                return
            yield from self._of_signal(name, code)

    def _of_signal(self, name: str, code: int) -> Iterator[str]:
        signal = self._signals[name]
        if signal.tells_facts:
            fact = signal.fact(code)
            if fact is not None:
                yield fact
            return
        words, titles = signal.wording(), self._catalogue.titles
        behind = {} if words.with_past is None else self._behind(signal, name, code)
        traits = {item: self._catalogue.traits.shared(code, item) for item in behind}
        for item in sorted(behind, key=lambda item: (not behind[item], not traits[item])):
            yield reason(words, titles[item], traits[item])
        if not behind:
            yield words.alone

    def _behind(self, signal: Signal, name: str, code: int) -> dict[int, bool]:
        """Return the past items that add most to the signal's score of an item, never the item itself.

        Returns:
            Whether each adds much; the strongest first.
        """
        if not len(self._history):
            return {}
        if name not in self._supports:
            self._supports[name] = signal.support(self._history, self._codes)  # (m, h)
        support = self._supports[name][self._rows[code]]
        most = float(support.max(initial=0.0))
        behind: dict[int, bool] = {}
        for place in np.argsort(-support, kind="stable").tolist():
            if support[place] <= 0 or len(behind) == MAX_LOOKED_AT:
                break
            behind.setdefault(int(self._history[place]), bool(support[place] >= ENOUGH_SUPPORT * most))
        return behind
