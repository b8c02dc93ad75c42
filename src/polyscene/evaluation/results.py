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

from polyscene.core.display import FrameLibrary, data_frame, html_table
from polyscene.core.files import write_text
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.evaluation.significance import Interval, intervals, paired_bootstrap
from polyscene.metrics import lists, ranking
from polyscene.metrics.metric import Listed, Ranked, list_metrics, names_at, rank_metrics

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
        ranked = Ranked(np.asarray(self.ranks[model], dtype=np.float64), self.n_candidates)
        known = rank_metrics()
        values = {}
        for column in names_at(tuple(cutoffs)):
            name, _, cutoff = column.partition("@")
            values[column] = known[name].of(ranked, int(cutoff or 1))
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
        for part, mask in self.slices.items():
            row |= {
                f"{name}/{part}": _mean(values[name][mask])
                for name in names_at(tuple(cutoffs), in_slices=True)
            }
        return {name: value for name, value in row.items() if isfinite(value)}

    def _list_metrics(self, model: str, k: int) -> dict[str, float]:
        if model not in self.top or self.popularity is None or self.top[model].shape[1] < k:
            return {}
        listed = Listed(self.top[model][:, :k], self.popularity, self.vectors)
        return {f"{name}@{k}": metric.of(listed) for name, metric in list_metrics().items()}

    def intervals(
        self, cutoffs: Sequence[int] = DEFAULT_CUTOFFS, resamples: int = 1000, seed: int = 0
    ) -> dict[str, dict[str, Interval]]:
        """Return bootstrap intervals over users by metric by model, for the metrics that slices have too."""
        names = names_at(tuple(cutoffs), in_slices=True)
        bounds = {}
        for model in self.ranks:
            values = self.per_choice(model, cutoffs)
            columns = np.stack([values[name] for name in names], axis=1)  # (B, M)
            bounds[model] = dict(
                zip(names, intervals(columns, self.users, resamples=resamples, seed=seed), strict=True)
            )
        return bounds

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


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        parts = [
            f"{one.scenario}: {one.n_choices:,} choices, {len(one.ranks)} models" for one in self.judgements
        ]
        return f"Results({'; '.join(parts)})"

    def _repr_html_(self) -> str:
        k = self.main_cutoff
        columns = (f"hr@{k}", f"ndcg@{k}", "mrr", f"coverage@{k}")
        return "".join(
            html_table(
                f"{one.scenario}: {one.n_choices:,} choices of {one.n_users:,} users, {one.protocol}",
                ("model", *columns),
                [(model, *(row.get(name, "–") for name in columns)) for model, row in _best_first(one, k)],
            )
            for one in self.judgements
        )

    def to_frame(self, library: FrameLibrary = "polars") -> Any:  # noqa: ANN401 - a frame of that library
        """Return a data frame with a row per scenario and model, best first, and a column per metric.

        Args:
            library: `polars`, or `pandas` where that is installed.
        """
        rows = [
            {"scenario": one.scenario, "model": model, **row}
            for one in self.judgements
            for model, row in _best_first(one, self.main_cutoff, self.cutoffs)
        ]
        metrics = dict.fromkeys(name for row in rows for name in row)
        types = {name: str if name in ("scenario", "model") else float for name in metrics}
        return data_frame({name: [row.get(name) for row in rows] for name in metrics}, types, library)

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


def _best_first(
    judgement: Judgement, cutoff: int, cutoffs: Sequence[int] | None = None
) -> list[tuple[str, dict[str, float]]]:
    """Return each model with its metrics, the best by NDCG at the cutoff first."""
    table = judgement.table(cutoffs or (cutoff,))
    return sorted(table.items(), key=lambda pair: (-pair[1].get(f"ndcg@{cutoff}", 0.0), pair[0] != SYSTEM))


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
