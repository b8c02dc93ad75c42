"""Puts requests for items of a catalogue into words, and asks whoever judges words.

It knows no language model; which one judges, and whether it is loaded yet, is the judge's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from threading import Lock

import numpy as np

from polyscene.core.settings.text_ranker import TextRankerSettings
from polyscene.core.types import FloatArray, IntArray
from polyscene.data.queries import Histories
from polyscene.language.ranking.calibration import PromptReader
from polyscene.language.ranking.examples import Prompt

MAX_REMEMBERED_REQUESTS = 16_384
"""Requests whose answer is kept: the same one is scored, explained and judged."""

Past = tuple[int, ...]
Wording = tuple[tuple[str, ...], tuple[str, ...]]
"""The texts of the past items that a request tells, and of its candidates."""


@dataclass(frozen=True)
class PromptBuilder:
    """What a prompt tells of a person and an item.

    Attributes:
        texts: (n_items,) the catalogue's.
        history: how many different past items at most, the latest.
        chars: of each text.
        latest_first: so that what is cut off a long prompt's end is the oldest.
    """

    texts: Sequence[str]
    history: int
    chars: int
    latest_first: bool

    @classmethod
    def of(cls, texts: Sequence[str], settings: TextRankerSettings) -> PromptBuilder:
        """Return what prompts as the settings say; encoders are cut at the end, decoders at the beginning."""
        return cls(texts, settings.history, settings.chars, settings.reader == "pair")

    def pasts(self, history: Histories) -> list[Past]:
        """Return, for each request, the past items that its prompts tell, in their order."""
        ends = history.offsets.tolist()
        items = history.items.tolist()
        pasts = []
        for start, stop in pairwise(ends):
            latest = tuple(dict.fromkeys(reversed(items[start:stop])))[: self.history]
            pasts.append(latest if self.latest_first else latest[::-1])
        return pasts

    def prompts(self, past: Past, candidates: Sequence[int]) -> list[Prompt]:
        """Return one prompt for each candidate."""
        liked = tuple(self._text(item) for item in past)
        return [Prompt(self._text(item), liked) for item in candidates]

    def wording(self, past: Past, candidates: Sequence[int]) -> Wording:
        """Return the present texts of a request, uncut: the same ones are answered the same."""
        return tuple(self.texts[item] for item in past), tuple(self.texts[item] for item in candidates)

    def _text(self, item: int) -> str:
        return self.texts[item][: self.chars]


class PromptScorer:
    """Implements `recommenders.reranker.TextScorer`: all prompts of a block are read in one go.

    Args:
        prompter: of the catalogue.
        judge: returns who judges prompts; asked once, when the first request comes.
    """

    def __init__(self, prompter: PromptBuilder, judge: Callable[[], PromptReader]) -> None:
        self.prompter, self._judge = prompter, cache(judge)
        self._known: dict[Wording, FloatArray] = {}
        self._lock = Lock()

    def __call__(self, history: Histories, candidates: IntArray) -> FloatArray:
        """Return (B, C) log-odds of each request's (B, C) candidates.

        Raises:
            ModelError: the language model cannot be used.
        """
        asked = list(zip(self.prompter.pasts(history), candidates.tolist(), strict=True))
        keys = [self.prompter.wording(past, row) for past, row in asked]
        with self._lock:
            odds = {key: self._known[key] for key in keys if key in self._known}
            fresh = {key: one for key, one in zip(keys, asked, strict=True) if key not in odds}
            odds |= self._read(fresh)
            self._known |= odds
            while len(self._known) > MAX_REMEMBERED_REQUESTS:
                del self._known[next(iter(self._known))]
        return np.stack([odds[key] for key in keys]) if keys else np.zeros(candidates.shape, np.float32)

    def _read(self, asked: dict[Wording, tuple[Past, list[int]]]) -> dict[Wording, FloatArray]:
        if not asked:
            return {}
        prompts = [prompt for past, row in asked.values() for prompt in self.prompter.prompts(past, row)]
        odds = self._judge()(prompts).astype(np.float32).reshape(len(asked), -1)
        return dict(zip(asked, odds, strict=True))
