"""What a metric of an evaluation is, and which there are: they judge ranks and lists, and know no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyscene.core.registry import Registry
from polyscene.core.types import FloatArray, IntArray, LongArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """Where one model put the items that were taken.

    Attributes:
        ranks: (B,) 1-based mid-ranks; infinity where the item was no candidate.
        n_candidates: (B,) how many items were ranked for each choice.
    """

    ranks: Values
    n_candidates: LongArray


@dataclass(frozen=True)
class Listed:
    """What one model showed.

    Attributes:
        lists: (B, k) item codes best first, -1 where a list is shorter.
        popularity: (n,) training events of each item of the catalogue.
        vectors: (n, d) item vectors; None where there are none.
    """

    lists: IntArray
    popularity: LongArray
    vectors: FloatArray | None = None


@dataclass(frozen=True)
class RankMetric:
    """Judges each choice by its rank; larger is better.

    Attributes:
        of: from what was ranked and a cutoff (1 where `at_cutoffs` is false) to (B,) values.
        at_cutoffs: whether it is told at each cutoff, as `name@k`, rather than once.
        in_slices: whether it is told for each slice too, and with an interval.
    """

    of: Callable[[Ranked, int], Values]
    at_cutoffs: bool = True
    in_slices: bool = False


@dataclass(frozen=True)
class ListMetric:
    """Judges what the lists of one model do to the catalogue, at each cutoff.

    Attributes:
        of: from the lists to a number; NaN where it cannot be said.
    """

    of: Callable[[Listed], float]


METRICS: Registry[RankMetric | ListMetric] = Registry(
    "polyscene.metrics",
    (
        *("mrr", "auc", "hr", "ndcg", "map", "precision", "recall"),
        *("coverage", "gini", "novelty", "diversity"),
    ),
)
"""Every metric of an evaluation by name."""


def rank_metrics() -> dict[str, RankMetric]:
    """Return the metrics of ranks by name."""
    known = {name: METRICS[name] for name in METRICS}
    return {name: metric for name, metric in known.items() if isinstance(metric, RankMetric)}


def list_metrics() -> dict[str, ListMetric]:
    """Return the metrics of lists by name."""
    known = {name: METRICS[name] for name in METRICS}
    return {name: metric for name, metric in known.items() if isinstance(metric, ListMetric)}


def names_at(cutoffs: tuple[int, ...], in_slices: bool = False) -> list[str]:
    """Return what an evaluation calls its metrics of ranks: those without cutoff, then `name@k` by cutoff.

    Args:
        in_slices: only those that are told for each slice.
    """
    metrics = {name: m for name, m in rank_metrics().items() if m.in_slices or not in_slices}
    once = [name for name, metric in metrics.items() if not metric.at_cutoffs]
    return once + [f"{name}@{k}" for k in cutoffs for name, metric in metrics.items() if metric.at_cutoffs]
