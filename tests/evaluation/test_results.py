from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.evaluation.results import Judgement, Results
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.evaluation.slices import choice_slices
from polyscene.metrics import lists, ranking
from polyscene.metrics.metric import METRICS, ListMetric, RankMetric

N_ITEMS = 30


def judged(seed: int = 0, choices: int = 120) -> Judgement:
    dice = np.random.default_rng(seed)
    ranks = {
        "polyscene": dice.integers(1, 8, choices).astype(np.float32),
        "transitions": dice.integers(1, 25, choices).astype(np.float32),
        "popularity": dice.integers(1, 31, choices).astype(np.float32),
    }
    top = {model: np.argsort(dice.random((choices, N_ITEMS)))[:, :10].astype(np.int32) for model in ranks}
    return Judgement(
        scenario="shop",
        users=dice.integers(0, 40, choices).astype(np.int32),
        n_candidates=np.full(choices, N_ITEMS),
        ranks=ranks,
        slices=choice_slices(dice.integers(1, 6, choices), dice.integers(0, 6, choices)),
        top=top,
        popularity=dice.integers(0, 9, N_ITEMS),
        vectors=dice.normal(size=(N_ITEMS, 4)).astype(np.float32),
        protocol="leave_last_out",
        seen_items="removed",
    )


def test_the_table_averages_each_metric_over_choices() -> None:
    judgement, table = judged(), judged().table((5, 10))
    rank = judgement.ranks["transitions"]
    row = table["transitions"]
    assert row["hr@5"] == pytest.approx(np.mean(rank <= 5))
    assert row["ndcg@10"] == pytest.approx(ranking.ndcg(rank, 10).mean())
    assert row["mrr"] == row["map@10"] + np.mean(np.where(rank > 10, 1 / rank.astype(np.float64), 0))
    assert row["precision@10"] == pytest.approx(row["hr@10"] / 10)
    assert row["recall@10"] == row["hr@10"]
    assert row["auc"] == pytest.approx(np.mean((N_ITEMS - rank) / (N_ITEMS - 1)))
    assert judgement.popularity is not None
    assert judgement.vectors is not None
    shown = judgement.top["transitions"]
    assert row["coverage@10"] == lists.coverage(shown, N_ITEMS)
    assert row["coverage@5"] == lists.coverage(shown[:, :5], N_ITEMS)
    assert row["gini@5"] == lists.gini(lists.exposures(shown[:, :5], N_ITEMS))
    assert row["novelty@10"] == lists.novelty(shown, judgement.popularity)
    assert row["diversity@10"] == pytest.approx(lists.intra_list_diversity(shown, judgement.vectors).mean())


def test_a_metric_of_somebody_else_is_told_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    added = {
        "median": RankMetric(lambda ranked, k: ranked.ranks, at_cutoffs=False),
        "first": RankMetric(lambda ranked, k: (ranked.ranks == k).astype(np.float64), in_slices=True),
        "shown": ListMetric(lambda listed: float(listed.lists.size)),
    }
    monkeypatch.setattr(METRICS, "_added", added)
    judgement = judged()
    row = judgement.table((5,))["popularity"]
    rank = judgement.ranks["popularity"]
    assert row["median"] == pytest.approx(rank.mean())
    assert row["first@5"] == pytest.approx(np.mean(rank == 5))
    assert row["first@5/cold_users"] == pytest.approx(np.mean(rank[judgement.slices["cold_users"]] == 5))
    assert row["shown@5"] == 5 * judgement.n_choices
    assert "first@5" in judgement.intervals((5,), resamples=3)["popularity"]


def test_slices_stand_beside_the_means_and_empty_ones_are_left_out() -> None:
    judgement = judged()
    row = judgement.table((10,))["popularity"]
    cold = judgement.slices["cold_users"]
    assert row["hr@10/cold_users"] == pytest.approx(np.mean(judgement.ranks["popularity"][cold] <= 10))
    assert "ndcg@10/cold_items" in row
    assert not [name for name in row if name.endswith("/new_items")]
    assert Results((judgement,), resamples=5).to_json()["scenarios"]["shop"]["slices"]["new_items"] == 0


def test_what_was_not_kept_is_left_out() -> None:
    bare = replace(judged(), top={}, popularity=None, vectors=None)
    assert not [name for name in bare.table((10,))["polyscene"] if name.startswith(("coverage", "novelty"))]
    short = judged().table((10, 20))["polyscene"]
    assert "coverage@20" not in short
    assert "coverage@10" in short
    assert "hr@20" in short
    assert "diversity@10" not in replace(judged(), vectors=None).table((10,))["polyscene"]


def test_a_target_outside_the_candidates_counts_as_a_miss() -> None:
    lost = Judgement("a", np.zeros(2, np.int32), np.full(2, 5), {"m": np.array([np.inf, 1.0], np.float32)})
    assert lost.table((3,))["m"] == {
        "mrr": 0.5,
        "auc": 0.5,
        "hr@3": 0.5,
        "ndcg@3": 0.5,
        "map@3": 0.5,
        "precision@3": pytest.approx(1 / 6),
        "recall@3": 0.5,
    }


def test_the_lead_is_over_the_best_other_model() -> None:
    judgement = judged()
    compared = judgement.difference(10, resamples=200, seed=3)
    assert compared is not None
    against, lead = compared
    assert against == "transitions"
    ours, theirs = (ranking.ndcg(judgement.ranks[model], 10) for model in ("polyscene", "transitions"))
    assert lead == paired_bootstrap(ours, theirs, judgement.users, resamples=200, seed=3)
    assert lead.excludes_zero


def test_there_is_no_lead_without_two_models_or_choices() -> None:
    judgement = judged()
    assert replace(judgement, ranks={"polyscene": judgement.ranks["polyscene"]}).difference() is None
    assert replace(judgement, ranks={"popularity": judgement.ranks["popularity"]}).difference() is None
    assert judgement.difference(part="new_items") is None
    assert judgement.difference(part="cold_users", resamples=10) is not None


def test_the_file_has_the_agreed_shape(tmp_path: Path) -> None:
    results = Results(
        (judged(),), (5, 10), resamples=100, seed=1, machine={"cpus": 2}, versions={"numpy": "2"}
    )
    path = tmp_path / "deep" / "results.json"
    results.save(path)
    file = json.loads(path.read_text(encoding="utf-8"))
    assert file == results.to_json()
    shop = file["scenarios"]["shop"]
    assert shop["users"] == len(np.unique(judged().users))
    assert shop["choices"] == 120
    assert (shop["protocol"], shop["seen_items"]) == ("leave_last_out", "removed")
    assert set(shop["models"]) == {"polyscene", "transitions", "popularity"}
    assert {"hr@10", "ndcg@10", "mrr", "auc", "ndcg@10/cold_items", "hr@5"} <= set(
        shop["models"]["polyscene"]
    )
    low, high = shop["intervals"]["polyscene"]["ndcg@10"]
    assert low < shop["models"]["polyscene"]["ndcg@10"] < high
    lead = shop["differences"]["ndcg@10"]
    assert lead["against"] == "transitions"
    assert lead["low"] <= lead["mean"] <= lead["high"]
    assert (lead["better"], lead["worse"]) == (True, False)
    assert set(shop["differences"]) == {"ndcg@10", "ndcg@10/cold_items", "ndcg@10/cold_users"}
    assert (file["averaged_over"], file["intervals_over"]) == ("choices", "users")
    assert file["machine"] == {"cpus": 2}


def test_a_model_that_lies_behind_is_called_worse() -> None:
    judgement = judged()
    swapped = {"polyscene": judgement.ranks["popularity"], "popularity": judgement.ranks["polyscene"]}
    lead = Results((replace(judgement, ranks=swapped, top={}),)).to_json()["scenarios"]["shop"]["differences"]
    assert (lead["ndcg@10"]["better"], lead["ndcg@10"]["worse"]) == (False, True)


@given(st.integers(0, 1), st.integers(0, 1))
def test_the_file_is_json_however_little_was_judged(choices: int, resamples: int) -> None:
    block = Results((judged(choices=choices),), (3,), resamples=resamples).to_json()
    shop = json.loads(json.dumps(block, allow_nan=False))["scenarios"]["shop"]
    assert (shop["users"], shop["choices"]) == (choices, choices)
    assert shop["intervals"] == {"polyscene": {}, "transitions": {}, "popularity": {}}
    assert ("ndcg@3" in shop["models"]["polyscene"]) == bool(choices)
    assert all("low" not in row and not row["better"] for row in shop["differences"].values())


def test_models_are_compared_at_ten_where_it_was_asked_for() -> None:
    assert Results((), (5, 10, 20)).main_cutoff == 10
    assert Results((), (3, 7)).main_cutoff == 3


def test_the_same_seed_gives_the_same_file() -> None:
    first, again, other = (Results((judged(),), resamples=50, seed=seed).to_json() for seed in (4, 4, 5))
    assert first == again
    assert first["scenarios"]["shop"]["intervals"] != other["scenarios"]["shop"]["intervals"]


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="120 choices in 'm', found 3"):
        replace(judged(), ranks={"m": np.ones(3, np.float32)})
    with pytest.raises(ValueError, match="popularity"):
        replace(judged(), popularity=None)


def test_exposure_counts_the_first_places() -> None:
    judgement = judged()
    assert judgement.exposure("polyscene", 3).sum() == 3 * judgement.n_choices
    with pytest.raises(ValueError, match="lists of 'nobody'"):
        judgement.exposure("nobody", 3)
