# %% [markdown]
# # Beating a table, honestly
#
# Run it as a script (`python docs/tutorials/research.py`), or cell by cell. A researcher has data frames, a table of
# baselines and an idea; here the idea is a signal that prefers what few people know. It loses, and the table says so.

# %% Data frames, no file
import os
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

import polyscene as ps
from polyscene.recommenders.signal import Signal
from polyscene.responsible.explanation import Sentences
from polyscene.sample.world import SampleWorld

USERS = int(os.environ.get("TUTORIAL_USERS", "400"))
SampleWorld.generate(users=USERS, items_per_scenario=60, days=40).write(Path("invented"))
project = ps.Project.from_frames(
    events=pl.read_parquet("invented/news/events.parquet"),
    items=pl.read_parquet("invented/news/items.parquet"),
    scenario="news",
    folder="research",
    settings={"seed": 1, "evaluation": {"protocol": "temporal", "cutoffs": [10], "bootstrap": 500}},
)

# %% The table to beat: same split, same candidates, full ranking
names = ["popularity", "random", "ease", "item_knn", "als", "markov"]
baselines = project.compare(names)
print(baselines.to_frame().select("model", "hr@10", "ndcg@10", "mrr"))

# %% How far do these numbers move with the cut? A lead smaller than that is no lead
repeated = project.repeat(3, names)
spread = repeated.to_frame().filter(pl.col("metric") == "ndcg@10").sort("mean", descending=True)
print(spread)


# %% An idea is a class with one score
class Hidden(Signal):
    """Prefers what few people chose."""

    name = "hidden"
    sentences = Sentences("Few people know it.")

    def fit(self, evidence) -> Self:
        self.counts = np.bincount(evidence.positive.item, minlength=evidence.n_items).astype(np.float32)
        return self

    def score_all(self, queries):
        return np.tile(-np.log1p(self.counts), (len(queries), 1))

    def state(self):
        return {"counts": self.counts}

    def restore(self, state, space, others) -> Self:
        self.counts = state["counts"]
        return self


# %% Judged on the same choices
from polyscene.data.splits.phases import Phase
from polyscene.metrics.ranking import mid_ranks, ndcg

data = project.ground()
idea = Hidden().fit(data.evidence("news", Phase.ALL))
choices = data.folds.test("news").choices
scores = idea.score(choices.queries)
ranks = mid_ranks(scores, choices.target.astype(np.int64), np.ones(scores.shape, np.bool_))
print("hidden:", ndcg(ranks, 10).mean(), "(every item a candidate)")

# %% The whole system, and whether it is ahead of the best of the table
run = project.train()
results = project.evaluate(run)
rival, lead = results.judgements[0].difference(cutoff=10) or ("nothing", None)
assert lead is not None
print(f"polyscene against {rival}: {lead.mean:+.4f} [{lead.low:+.4f}, {lead.high:+.4f}]")

# %% The table for the paper
results.to_frame().select("model", "hr@10", "ndcg@10", "mrr").write_csv("table.csv")
