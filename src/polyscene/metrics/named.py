"""The metrics that every evaluation tells, under the names it gives them."""

from __future__ import annotations

import numpy as np

from polyscene.metrics import lists, ranking
from polyscene.metrics.metric import Listed, ListMetric, RankMetric


def _diversity(listed: Listed) -> float:
    if listed.vectors is None:
        return float("nan")
    values = lists.intra_list_diversity(listed.lists, listed.vectors)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def _gini(listed: Listed) -> float:
    return lists.gini(lists.exposures(listed.lists, len(listed.popularity)))


mrr = RankMetric(lambda ranked, k: ranking.reciprocal_rank(ranked.ranks), at_cutoffs=False, in_slices=True)
auc = RankMetric(
    lambda ranked, k: ranking.auc(ranked.ranks, ranked.n_candidates), at_cutoffs=False, in_slices=True
)
hr = RankMetric(lambda ranked, k: ranking.hit_rate(ranked.ranks, k), in_slices=True)
ndcg = RankMetric(lambda ranked, k: ranking.ndcg(ranked.ranks, k), in_slices=True)
average_precision = RankMetric(lambda ranked, k: ranking.average_precision(ranked.ranks, k))
precision = RankMetric(lambda ranked, k: ranking.precision(ranked.ranks, k))
recall = RankMetric(lambda ranked, k: ranking.recall(ranked.ranks, k))

coverage = ListMetric(lambda listed: lists.coverage(listed.lists, len(listed.popularity)))
gini = ListMetric(_gini)
novelty = ListMetric(lambda listed: lists.novelty(listed.lists, listed.popularity))
diversity = ListMetric(_diversity)
