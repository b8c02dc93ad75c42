"""Which signals there are."""

from __future__ import annotations

from collections.abc import Mapping

from polyscene.recommenders.content import Content, ContentPrior, CrossScenario
from polyscene.recommenders.content_transitions import ContentTransitions
from polyscene.recommenders.factors import Factors
from polyscene.recommenders.linear import Linear
from polyscene.recommenders.neighbours import Neighbours
from polyscene.recommenders.popularity import Popularity
from polyscene.recommenders.recency import Recency
from polyscene.recommenders.signal import Signal
from polyscene.recommenders.text_ranker import TextRanker
from polyscene.recommenders.transitions import Transitions

SIGNALS: Mapping[str, type[Signal]] = {
    kind.name: kind
    for kind in (
        Popularity,
        Recency,
        Transitions,
        Linear,
        Factors,
        Neighbours,
        Content,
        ContentPrior,
        ContentTransitions,
        CrossScenario,
        TextRanker,
    )
}
"""Every signal by name, in the order in which tables list them."""
