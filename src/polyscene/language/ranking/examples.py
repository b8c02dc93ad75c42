"""One question to a text ranker, in words: what somebody liked and disliked, and what is to be judged.

It also knows which questions come from the same person. It reads and scores nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from polyscene.core.types import LongArray

SAME_SHARE = 0.5
"""Two histories that share this part of the shorter one's entries are taken for one person's."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that can be asked in words, and its answer where it is known.

    Attributes:
        candidate: the text of what is to be judged.
        liked: texts of what the person liked, oldest first.
        disliked: texts of what the person did not like, oldest first.
        label: whether the candidate was liked; None where nobody knows.
        user: who it is; None where the prompt does not say.
        profile: what else is known of the person, in words.
    """

    candidate: str
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    label: bool | None = None
    user: str | None = None
    profile: str = ""

    @property
    def history(self) -> list[tuple[str, bool]]:
        """What the person was asked before, with the answers."""
        return [(text, True) for text in self.liked] + [(text, False) for text in self.disliked]

    @property
    def answered(self) -> list[tuple[str, bool]]:
        """The history, and the candidate where its answer is known."""
        return self.history if self.label is None else [*self.history, (self.candidate, self.label)]


def base_logits(prompts: Sequence[Prompt], rate: float = 0.5, strength: float = 2.0) -> NDArray[np.float64]:
    """Return (n,) log-odds of each person's habit to say yes, which looks at no text at all.

    `log((likes + strength · rate) / (dislikes + strength · (1 - rate)))`: the mean of a Beta posterior in
    odds, with a prior worth `strength` answers at `rate` in (0, 1).
    """
    likes = np.array([len(prompt.liked) for prompt in prompts], np.float64)
    dislikes = np.array([len(prompt.disliked) for prompt in prompts], np.float64)
    log_odds: NDArray[np.float64] = np.log((likes + strength * rate) / (dislikes + strength * (1.0 - rate)))
    return log_odds


def people(prompts: Sequence[Prompt]) -> LongArray:
    """Return (n,) a number for the person behind each prompt, so that nobody's answers count twice.

    Named users are who they say. Of the others, two prompts are one person's where at least half of the
    shorter history stands in the other with the same answers, and chains of such prompts are too.
    """
    entries: dict[tuple[str, bool], int] = {}
    rows, columns = [], []
    for row, prompt in enumerate(prompts):
        for entry in set(prompt.history) if prompt.user is None else ():
            rows.append(row)
            columns.append(entries.setdefault(entry, len(entries)))
    shape = (len(prompts), max(len(entries), 1))
    incidence = sparse.coo_array((np.ones(len(rows), np.int32), (rows, columns)), shape=shape).tocsr()
    links = sparse.coo_array(incidence @ incidence.T)
    lengths = np.asarray(incidence.sum(axis=1)).ravel()
    shorter = np.minimum(lengths[links.row], lengths[links.col])
    same = links.data >= np.maximum(1, np.ceil(SAME_SHARE * shorter))
    named = [(row, prompt.user) for row, prompt in enumerate(prompts) if prompt.user is not None]
    first = {user: row for row, user in reversed(named)}
    start = np.concatenate([links.row[same], [row for row, _ in named]]).astype(np.int64)
    stop = np.concatenate([links.col[same], [first[user] for _, user in named]]).astype(np.int64)
    graph = sparse.coo_array((np.ones(len(start)), (start, stop)), shape=(len(prompts), len(prompts)))
    groups: LongArray = csgraph.connected_components(graph, directed=False)[1].astype(np.int64)
    return groups
