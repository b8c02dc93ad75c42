"""The outcome of a judgement, and the tables that follow from it.

A judge fills one `Judgement` per scenario with ranks and lists; everything here is arithmetic on those.
Every number is a mean over choices (a user with ten choices counts ten times), every interval is over users.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyscene.core.files import write_text
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.evaluation.significance import Interval, intervals, paired_bootstrap
from polyscene.metrics import lists, ranking

SYSTEM = "polyscene"
"""The model name under which the whole system stands beside its signals and baselines."""

DEFAULT_CUTOFFS = (5, 10, 20)
Values = NDArray[np.float64]
Table = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Judgement:
    """One scenario's choices, and where each model put the item that was taken.

    Attributes:
        scenario: its name.
        users: (B,) who made each choice.
        n_candidates: (B,) how many items were ranked for each choice.
        ranks: mid-ranks (B,) by model name; infinity where the item was no candidate.
        slices: masks (B,) by slice name, as `slices.choice_slices` gives them.
        top: best items (B, K) by model name, -1 where shorter; empty where lists were not kept.
        popularity: (n,) training events of each item of the catalogue; needed where lists are kept.
        vectors: (n, d) item vectors for diversity; None leaves it out.
        protocol: how the choices were split from what was learned.
        seen_items: whether items that the user already has were "kept" among the candidates or "removed".
    """

    scenario: str
    users: IntArray
    n_candidates: LongArray
    ranks: Mapping[str, FloatArray]
    slices: Mapping[str, BoolArray] = field(default_factory=dict)
    top: Mapping[str, IntArray] = field(default_factory=dict)
    popularity: LongArray | None = None
    vectors: FloatArray | None = None
    protocol: str = "temporal"
    seen_items: str = "kept"

    def __post_init__(self) -> None:
        columns: dict[str, Sized] = {"n_candidates": self.n_candidates, **self.ranks, **self.slices}
        for name, column in (*columns.items(), *self.top.items()):
            if len(column) != len(self.users):
                raise ValueError(f"expected {len(self.users)} choices in '{name}', found {len(column)}")
        if self.top and self.popularity is None:
            raise ValueError("expected the items' popularity beside their lists, found none: pass popularity")

    @property
    def n_choices(self) -> int:
        """How many choices were judged."""
        return len(self.users)

    @property
    def n_users(self) -> int:
        """How many different users made them."""
        return len(np.unique(self.users))

    def per_choice(self, model: str, cutoffs: Sequence[int] = DEFAULT_CUTOFFS) -> dict[str, Values]:
        """Return each ranking metric of one model, (B,) by metric name."""
        rank = np.asarray(self.ranks[model], dtype=np.float64)
        values = {"mrr": ranking.reciprocal_rank(rank), "auc": ranking.auc(rank, self.n_candidates)}
        for k in cutoffs:
            values |= {
                f"hr@{k}": ranking.hit_rate(rank, k),
                f"ndcg@{k}": ranking.ndcg(rank, k),
                f"map@{k}": ranking.average_precision(rank, k),
                f"precision@{k}": ranking.precision(rank, k),
                f"recall@{k}": ranking.recall(rank, k),
            }
        return values

    def exposure(self, model: str, k: int) -> LongArray:
        """Return how often the model's first k places show each item, (n,)."""
        if self.popularity is None or model not in self.top:
            raise ValueError(
                f"expected kept lists of '{model}', found none: let the judge keep its top items"
            )
        return lists.exposures(self.top[model][:, :k], len(self.popularity))

    def table(self, cutoffs: Sequence[int] = DEFAULT_CUTOFFS) -> Table:
        """Return value by metric by model: `ndcg@10`, `mrr`, `coverage@10`, `ndcg@10/new_items` and so on.

        What cannot be computed is left out: slices without choices, lists that were not kept or are shorter
        than the cutoff, diversity without vectors, everything where nothing was judged.
        """
        return {model: self._row(model, cutoffs) for model in self.ranks}

    def _row(self, model: str, cutoffs: Sequence[int]) -> dict[str, float]:
        values = self.per_choice(model, cutoffs)
        row = {name: _mean(column) for name, column in values.items()}
        for k in cutoffs:
            row |= self._list_metrics(model, k)
        sliced = ["mrr", "auc", *(f"{metric}@{k}" for k in cutoffs for metric in ("hr", "ndcg"))]
        for part, mask in self.slices.items():
            row |= {f"{name}/{part}": _mean(values[name][mask]) for name in sliced}
        return {name: value for name, value in row.items() if isfinite(value)}

    def _list_metrics(self, model: str, k: int) -> dict[str, float]:
        if model not in self.top or self.popularity is None or self.top[model].shape[1] < k:
            return {}
        shown = self.top[model][:, :k]
        row = {
            f"coverage@{k}": lists.coverage(shown, len(self.popularity)),
            f"gini@{k}": lists.gini(self.exposure(model, k)),
            f"novelty@{k}": lists.novelty(shown, self.popularity),
        }
        if self.vectors is not None:
            diversity = lists.intra_list_diversity(shown, self.vectors)
            row[f"diversity@{k}"] = _mean(diversity[np.isfinite(diversity)])
        return row

    def intervals(
        self, cutoffs: Sequence[int] = DEFAULT_CUTOFFS, resamples: int = 1000, seed: int = 0
    ) -> dict[str, dict[str, Interval]]:
        """Return bootstrap intervals over users by metric by model: mrr, auc, hr@k and ndcg@k."""
        names = ["mrr", "auc", *(f"{metric}@{k}" for k in cutoffs for metric in ("hr", "ndcg"))]
        by_model = {}
        for model in self.ranks:
            values = self.per_choice(model, cutoffs)
            columns = np.stack([values[name] for name in names], axis=1)  # (B, M)
            by_model[model] = dict(
                zip(names, intervals(columns, self.users, resamples=resamples, seed=seed), strict=True)
            )
        return by_model

    def difference(
        self, cutoff: int = 10, part: str | None = None, resamples: int = 1000, seed: int = 0
    ) -> tuple[str, Interval] | None:
        """Return the best other model by NDCG at the cutoff, and the system's lead over it.

        The other model is picked on the very choices judged here, which can only flatter it.

        Args:
            cutoff: k of NDCG.
            part: a slice's name; None compares over all choices.
            resamples: of the paired bootstrap over users.
            seed: of its draws.

        Returns:
            None where the system or any other model is missing, or no choice was judged.
        """
        mask = np.ones(self.n_choices, dtype=np.bool_) if part is None else self.slices[part]
        others = [model for model in self.ranks if model != SYSTEM]
        if SYSTEM not in self.ranks or not others or not mask.any():
            return None
        values = {model: ranking.ndcg(rank[mask], cutoff) for model, rank in self.ranks.items()}
        best = max(others, key=lambda model: (_mean(values[model]), model))
        lead = paired_bootstrap(
            values[SYSTEM], values[best], self.users[mask], resamples=resamples, seed=seed
        )
        return best, lead


@dataclass(frozen=True)
class Results:
    """All scenarios of one evaluation.

    Attributes:
        judgements: one per scenario.
        cutoffs: the k of every metric.
        resamples: bootstrap draws for every interval; 0 draws none.
        seed: of those draws.
        machine: from `provenance.machine`.
        versions: from `provenance.versions`.
    """

    judgements: tuple[Judgement, ...]
    cutoffs: tuple[int, ...] = DEFAULT_CUTOFFS
    resamples: int = 1000
    seed: int = 0
    machine: Mapping[str, str | int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def main_cutoff(self) -> int:
        """The k that models are compared at: 10 where it was asked for, else the first."""
        return 10 if 10 in self.cutoffs else self.cutoffs[0]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values: `{"scenarios": {NAME: {"users", "models", …}}, …}`."""
        return {
            "scenarios": {judgement.scenario: self._scenario(judgement) for judgement in self.judgements},
            "cutoffs": list(self.cutoffs),
            "averaged_over": "choices",
            "intervals_over": "users",
            "resamples": self.resamples,
            "seed": self.seed,
            "machine": dict(self.machine),
            "versions": dict(self.versions),
        }

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        write_text(path, json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def _scenario(self, judgement: Judgement) -> dict[str, Any]:
        bounds = judgement.intervals(self.cutoffs, self.resamples, self.seed)
        return {
            "users": judgement.n_users,
            "choices": judgement.n_choices,
            "protocol": judgement.protocol,
            "seen_items": judgement.seen_items,
            "slices": {part: int(mask.sum()) for part, mask in judgement.slices.items()},
            "models": judgement.table(self.cutoffs),
            "intervals": {
                model: {name: [it.low, it.high] for name, it in row.items() if it.known}
                for model, row in bounds.items()
            },
            "differences": self._differences(judgement),
        }

    def _differences(self, judgement: Judgement) -> dict[str, dict[str, Any]]:
        rows = {}
        for part in (None, *judgement.slices):
            compared = judgement.difference(self.main_cutoff, part, self.resamples, self.seed)
            if compared is None:
                continue
            name = f"ndcg@{self.main_cutoff}" + (f"/{part}" if part else "")
            rows[name] = _difference(*compared)
        return rows


def _difference(against: str, lead: Interval) -> dict[str, Any]:
    row: dict[str, Any] = {
        "against": against,
        "mean": lead.mean,
        "better": lead.excludes_zero and lead.mean > 0,
    }
    return (
        row
        | {"worse": lead.excludes_zero and lead.mean < 0}
        | ({"low": lead.low, "high": lead.high} if lead.known else {})
    )


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else float("nan")
