"""What the content signal is worth with given item vectors: the judge of tuned and of compressed models."""

from __future__ import annotations

from dataclasses import replace

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
from polyscene.representation.item_space import ItemSpace

MAX_JUDGED_CHOICES = 2000
"""At most so many choices are ranked."""
CUTOFF = 10
BLOCK = 256


def content_judge(
    data: TrainingData, name: str, decay: float | None = None, chosen: BoolArray | None = None
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

    Returns:
        A function of (n_items, d) vectors; None where there are no validation choices.
    """
    held = judged_choices(data, name, chosen)
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


def judged_choices(data: TrainingData, name: str, chosen: BoolArray | None = None) -> Choices:
    """Return the validation choices of a scenario that `content_judge` ranks; `chosen` as there."""
    held = data.folds.tune(name, MAX_JUDGED_CHOICES, derived(data.seed, "tuning", name)).choices
    return held if chosen is None else held.pick(np.flatnonzero(chosen[held.target]))
