"""The judge: asks for scores, notes where the chosen items stand. It knows no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyscene.core.progress import Progress
from polyscene.core.types import BoolArray, FloatArray, IntArray
from polyscene.data.queries import Choices, Queries
from polyscene.evaluation.results import Judgement
from polyscene.evaluation.slices import choice_slices
from polyscene.metrics.ranking import candidate_counts, mid_ranks


@dataclass(frozen=True)
class Case:
    """What is judged in one scenario.

    Attributes:
        scenario: its name.
        choices: the requests with the items that were taken.
        open: which items (B, n) may be shown in answer to B requests.
        item_events: (n,) events of each item that are learned from; may grow while it is judged.
        user_events: (n_users,) events of each user that are learned from, in all scenarios; may grow too.
        vectors: (n, d) item vectors for diversity; None leaves it out.
        seen_items: "kept" or "removed", for the report.
    """

    scenario: str
    choices: Choices
    open: Callable[[Queries], BoolArray]
    item_events: NDArray[np.int64]
    user_events: NDArray[np.int64]
    vectors: FloatArray | None
    seen_items: str
    protocol: str


def judge(
    case: Case,
    score_all: Callable[[Queries], Mapping[str, FloatArray]],
    block: int,
    list_length: int,
    progress: Progress,
    learn: Callable[[int], None] | None = None,
) -> Judgement:
    """Rank the whole catalogue for every choice, with every model.

    The chosen item is always a candidate, so that a wrong publication date loses nobody a hit.

    Args:
        score_all: returns (B, n) scores by model name.
        block: requests at a time.
        list_length: how many best items to keep of each list; 0: no lists are kept.
        learn: is called with the moment of the next choices, for the models to learn what lies before it; the
            choices are then ordered by time, and those of one moment are ranked before one is learned.
    """
    ranks: dict[str, list[NDArray[np.float64]]] = {}
    top: dict[str, list[IntArray]] = {}
    counts, item_events, user_events = [], [], []
    choices, popularity = case.choices, case.item_events.copy()
    blocks = choices.queries.blocks if learn is None else choices.queries.moments
    with progress.track(f"{case.scenario}: judging", len(choices), "choices") as advance:
        for rows, queries in blocks(block):
            if learn is not None:
                learn(int(queries.time[0]))
            target = choices.target[rows].astype(np.int64)
            open_ = case.open(queries)
            open_[np.arange(len(target)), target] = True
            for model, scores in score_all(queries).items():
                ranks.setdefault(model, []).append(mid_ranks(scores, target, open_))
                if list_length:
                    top.setdefault(model, []).append(_best(scores, open_, list_length))
            counts.append(candidate_counts(np.zeros(open_.shape, np.float32), open_))
            item_events.append(case.item_events[target])
            user_events.append(case.user_events[queries.user])
            advance(len(target))
    empty = np.zeros(0, np.int64)
    return Judgement(
        case.scenario,
        choices.queries.user,
        np.concatenate([empty, *counts]),
        {model: np.concatenate(parts).astype(np.float32) for model, parts in ranks.items()},
        choice_slices(np.concatenate([empty, *item_events]), np.concatenate([empty, *user_events])),
        {model: np.concatenate(parts) for model, parts in top.items()},
        popularity,
        case.vectors,
        case.protocol,
        case.seen_items,
    )


def _best(scores: FloatArray, open_: BoolArray, list_length: int) -> IntArray:
    """Return (B, longest) best items, -1 where fewer are open (torch finds them much faster than numpy)."""
    import torch  # late: reports read judgements without it

    candidates = torch.from_numpy(np.where(open_, scores, -np.inf))
    count = min(list_length, candidates.shape[1])
    top_scores, top_items = torch.topk(candidates, count, dim=1)
    best = np.full((len(scores), list_length), -1, np.int32)
    best[:, :count] = np.where(np.isfinite(top_scores.numpy()), top_items.numpy(), -1)
    return best
