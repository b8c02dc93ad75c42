from __future__ import annotations

from polyscene.evaluation.report.content import Difference, ScenarioResults


def test_the_evaluation_files_block_is_read_also_without_its_extras() -> None:
    scenario = ScenarioResults.from_json("a", {"users": 3, "models": {"m": {"ndcg@5": 0.5}}})
    assert (scenario.users, scenario.choices) == (3, 3)
    assert scenario.main_metric == "ndcg@5"
    assert not scenario.intervals
    assert not scenario.differences


def test_the_main_metric_is_ndcg_at_ten_where_it_is_there() -> None:
    row = {"hr@5": 0.1, "ndcg@10/new_items": 0.3, "ndcg@5": 0.1, "ndcg@10": 0.2}
    assert ScenarioResults("a", 1, 1, {"m": row}).main_metric == "ndcg@10"
    assert ScenarioResults("a", 1, 1, {"m": {"hr@5": 0.1, "mrr": 0.1}}).main_metric == "hr@5"


def test_models_are_ordered_best_first_and_the_system_wins_ties() -> None:
    models = {"a": {"ndcg@10": 0.1}, "polyscene": {"ndcg@10": 0.1}, "b": {"ndcg@10": 0.2}, "c": {"mrr": 1.0}}
    assert ScenarioResults("a", 1, 1, models).ordered() == ["b", "polyscene", "a"]


def test_better_means_that_the_interval_excludes_zero() -> None:
    assert Difference("m", 0.1, 0.05, 0.2).verdict == "better"
    assert Difference("m", -0.1, -0.2, -0.05).verdict == "worse"
    assert Difference("m", 0.1, -0.05, 0.2).verdict == "open"
    assert Difference("m", 0.1).verdict == "open"
