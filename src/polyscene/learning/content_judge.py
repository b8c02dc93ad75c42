"""What the content signal is worth with given item vectors: the judge of tuned and of compressed models."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from polyscene.core.contracts import VectorJudge
from polyscene.core.seeds import derived
from polyscene.core.types import BoolArray, FloatArray
from polyscene.data.queries import Choices
from polyscene.data.splits.phases import Phase
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.recommenders.content import Content
from polyscene.recommenders.fusion.features import Features
from polyscene.representation.history_decay import DECAYS, FEW_CHOICES, MIN_CHOICES, SCORES
from polyscene.representation.item_space import ItemSpace

MAX_JUDGED_CHOICES = 2000
"""At most so many choices are ranked."""
CUTOFF = 10
BLOCK = 256


def content_judge(
    data: TrainingData,
    name: str,
    decay: float | None = None,
    chosen: BoolArray | None = None,
    most: int = MAX_JUDGED_CHOICES,
) -> VectorJudge | None:
    """Return what tells the content signal's mean NDCG@10 on a scenario's validation choices.

    All items of the catalogue are ranked that can be chosen: those that are there by then, and without what
    the user had where nobody takes anything twice.

    Args:
        data: its vectors are not looked at.
        name: of the scenario.
        decay: what an event still counts after each later one; None: as the vectors themselves say, which is
            honest for vectors that have not learned what people chose.
        chosen: (n_items,) whether choices of an item are looked at; None: all are.
        most: at most so many choices are.

    Returns:
        A function of (n_items, d) vectors; None where there are no validation choices.
    """
    held = judged_choices(data, name, chosen, most)
    if not len(held):
        return None
    evidence = replace(data.evidence(name, Phase.PAST), elsewhere={})
    features = Features.of(evidence)
    hide_seen = data.hide_seen[name]

    def judge(vectors: FloatArray) -> float:
        space, gains = ItemSpace.of(vectors), []
        signal = Content(space=space)
        signal.decay = replace(evidence, space=space).decay if decay is None else decay
        for rows, queries in held.queries.blocks(BLOCK):
            open_ = ~features.closed(queries, hide_seen)  # (B, n)
            target = held.target[rows].astype(np.int64)
            open_[np.arange(len(target)), target] = True
            scores = (
                signal.users(queries) @ signal.vectors.T
            )  # (b, n); no index, for a space that is judged once
            gains.append(ndcg(mid_ranks(scores, target, open_), CUTOFF))
        return float(np.concatenate(gains).mean())

    return judge


@dataclass(frozen=True)
class FoundDecay:
    """How fast taste fades by vectors that have learned from choices, as held-out choices tell it.

    Attributes:
        decay: what an event still counts after each later one.
        gain: NDCG@10 of the content signal with it on these choices, less that with the usual one.
    """

    decay: float
    gain: float = 0.0


def held_out_decay(data: TrainingData, name: str, vectors: FloatArray, usual: float) -> FoundDecay:
    """Return the decay with which tuned vectors rank held-out choices best; the usual one where few tell.

    What vectors have learned by heart does not count: they have not learned from these choices.

    Args:
        data: whose past the vectors have learned from.
        vectors: (n_items, d).
        usual: the decay by the vectors before they learned.
    """
    most = max(FEW_CHOICES, SCORES // max(len(vectors), 1))
    judges = {decay: content_judge(data, name, decay, most=most) for decay in (usual, *DECAYS)}
    worth = {decay: judge(vectors) for decay, judge in judges.items() if judge is not None}
    if len(judged_choices(data, name, most=most)) < MIN_CHOICES:
        return FoundDecay(usual)
    best = max(worth, key=worth.__getitem__)
    return FoundDecay(best, worth[best] - worth[usual])


def judged_choices(
    data: TrainingData, name: str, chosen: BoolArray | None = None, most: int = MAX_JUDGED_CHOICES
) -> Choices:
    """Return the validation choices of a scenario that `content_judge` ranks; the arguments as there."""
    limit = min(most, MAX_JUDGED_CHOICES)
    held = data.folds.tune(name, limit, derived(data.seed, "tuning", name)).choices
    return held if chosen is None else held.pick(np.flatnonzero(chosen[held.target]))
