"""The sample company's logging policy: simple rules, counted every night, and chance with known propensities.

The score of a candidate is

    .4 log(1 + clicks_i) + .7 log(1 + taken_{u, topic_i}) + .5 editorial_i + 1.6 · exp(-age_i / 3 days)
        + 1.4 · 1[topic_i is that of what u took last] + .8 · 1[i completes that item]
        - 2.5 · 1[i is Chinese, and u's country does not read it]

where clicks and taken are counts in this scenario up to the last midnight and the editorial choice is drawn
anew each night. Slates follow the Plackett-Luce model over these scores (`behaviour.draw_slates`). The policy
knows an item's topic, what goes with it and a person's country; it knows neither tastes nor intents nor other
scenarios.
"""

from __future__ import annotations

import numpy as np

from polyscene.core.clock import DAY
from polyscene.core.types import BoolArray, LongArray
from polyscene.sample.behaviour import Floats, completes
from polyscene.sample.items import Items
from polyscene.sample.words import TOPICS

_CLICKS, _TOPIC, _EDITORIAL, _HEADLINE, _LAST_TOPIC, _SHELF, _FOREIGN = 0.4, 0.7, 0.5, 1.6, 1.4, 0.8, 2.5
_HEADLINE_DAYS = 3.0


class LoggingPolicy:
    """What one scenario's rules have counted, and the scores that follow.

    Args:
        items: the scenario's items.
        speaks_chinese: (users,) True where the company would show Chinese items.
        rng: where the editors' choices come from.
    """

    def __init__(self, items: Items, speaks_chinese: BoolArray, rng: np.random.Generator) -> None:
        self._items = items
        self._speaks_chinese = speaks_chinese
        self._rng = rng
        self._clicks = np.zeros(len(items))
        self._taken = np.zeros((len(speaks_chinese), len(TOPICS)))
        self._of_items: Floats = np.zeros(len(items))
        self._of_topics: Floats = np.zeros(self._taken.shape)
        self.consumed: BoolArray = np.zeros((len(speaks_chinese), len(items)), dtype=np.bool_)

    def night(self) -> None:
        """Take the day's counts over into the scores, and let the editors choose anew."""
        editorial = self._rng.standard_normal(len(self._items))
        self._of_items = _CLICKS * np.log1p(self._clicks) + _EDITORIAL * editorial
        self._of_topics = _TOPIC * np.log1p(self._taken)

    def note(self, users: LongArray, codes: LongArray) -> None:
        """Count that `users` (m,) acted on `codes` (m,); they are never shown these items again."""
        np.add.at(self._clicks, codes, 1.0)
        np.add.at(self._taken, (users, self._items.topic[codes]), 1.0)
        self.consumed[users, codes] = True

    def scores(self, users: LongArray, time: LongArray, last: LongArray) -> Floats:
        """Return (m, n) scores for `users` (m,) at `time` (m,) who last took `last` (m,), -1 for nothing."""
        age = np.maximum(time[:, None] - self._items.since[None, :], 0) / DAY
        scores = self._of_items + self._of_topics[users][:, self._items.topic]
        scores += _HEADLINE * np.exp(-age / _HEADLINE_DAYS)
        related = (self._items.topic[None, :] == self._items.topic[last][:, None]) & (last >= 0)[:, None]
        scores += _LAST_TOPIC * related
        scores += _SHELF * completes(self._items, np.arange(len(self._items))[None, :], last)
        scores -= _FOREIGN * (self._items.chinese[None, :] & ~self._speaks_chinese[users][:, None])
        return np.asarray(scores)

    def candidates(self, users: LongArray, time: LongArray) -> BoolArray:
        """Return (m, n): which items exist at `time` and were not yet acted on by the person."""
        return np.asarray((self._items.since[None, :] <= time[:, None]) & ~self.consumed[users])
