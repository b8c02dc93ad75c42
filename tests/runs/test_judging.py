"""A run is judged on what it has not learned from, and on nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.errors import RunError
from polyscene.project import Project
from polyscene.runs.run import METRICS, REPORT, Run


@pytest.fixture(scope="module")
def village(hamlet: Path) -> Project:
    return Project.open(hamlet)


@pytest.fixture(scope="module")
def trained(village: Project) -> Run:
    return village.train()


def test_every_signal_stands_beside_the_system(project: Project, run: Run) -> None:
    metrics = json.loads((run.folder / METRICS).read_text(encoding="utf-8"))
    assert run.metrics == metrics
    for name, block in metrics["scenarios"].items():
        signals = run.manifest["system"]["places"][name]["fitted"]
        assert set(block["models"]) == {"polyscene", *signals}
        assert block["users"] > 0
        assert block["seen_items"] == "removed"
        for row in block["models"].values():
            assert {"hr@10", "ndcg@10", "mrr"} <= row.keys()
    assert set(metrics["scenarios"]) == set(project.settings.scenarios)


def test_report_shows_every_scenario(run: Run) -> None:
    page = (run.folder / REPORT).read_text(encoding="utf-8")
    assert all(name in page for name in run.scenarios)


def test_a_run_that_saw_the_test_part_is_refused(village: Project) -> None:
    greedy = village.train(everything_counts=True)
    assert len(greedy.recommend("u00001", "shop", 3)) == 3
    with pytest.raises(RunError, match="--all"):
        village.evaluate(greedy)
    assert greedy.metrics is None


def test_another_split_is_refused(village: Project, trained: Run) -> None:
    evaluation = village.settings.evaluation.model_copy(update={"test_share": 0.3})
    other = Project(village.settings.model_copy(update={"evaluation": evaluation}), village.base)
    with pytest.raises(RunError, match="test_share"):
        other.evaluate(trained)


def test_changed_tables_are_refused(village: Project, trained: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(village.base, copy, ignore=shutil.ignore_patterns("runs"))
    events = copy / "news" / "events.parquet"
    pl.read_parquet(events).slice(1).write_parquet(events)
    with pytest.raises(RunError, match="tables changed"):
        Project.open(copy / "polyscene.toml").evaluate(trained)


def test_report_wants_an_evaluated_run(village: Project) -> None:
    fresh = village.train()
    with pytest.raises(RunError, match="polyscene evaluate"):
        village.report(fresh)
