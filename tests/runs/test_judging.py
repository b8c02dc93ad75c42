"""A run is judged on what it has not learned from, and on nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polyscene.core.errors import RunError
from polyscene.project import Project
from polyscene.runs.run import Run
from polyscene.runs.run_record import METRICS, REPORT


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
        signals = run.manifest["system"]["scenarios"][name]["fitted"]
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


def _judged_by(project: Project, **changed: Any) -> Project:
    """Return the project with other values in `[evaluation]`."""
    evaluation = project.settings.evaluation.model_copy(update=changed)
    return Project(project.settings.model_copy(update={"evaluation": evaluation}), project.base)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"test_share": 0.3}, "evaluation.test_share"),
        ({"hidden_items": 0.5}, "evaluation.hidden_items"),
        ({"hidden_items": 0.5, "protocol": "progressive"}, "evaluation.protocol, evaluation.hidden_items"),
    ],
)
def test_another_split_is_refused(village: Project, trained: Run, changed: dict[str, Any], name: str) -> None:
    with pytest.raises(RunError, match=f"found that {name} changed"):
        _judged_by(village, **changed).evaluate(trained)


@pytest.mark.parametrize(
    ("changed", "name"),
    [({"repeats": True}, "repeats"), ({"actions": {"view": 0.5}}, "actions")],
)
def test_other_choices_are_refused(
    village: Project, trained: Run, changed: dict[str, Any], name: str
) -> None:
    shop = village.settings.scenarios["shop"].model_copy(update=changed)
    scenarios = village.settings.scenarios | {"shop": shop}
    other = Project(village.settings.model_copy(update={"scenarios": scenarios}), village.base)
    with pytest.raises(RunError, match=f"found that scenarios.shop.{name} changed"):
        other.evaluate(trained)


def test_a_run_that_kept_no_description_is_judged_by_its_settings(
    village: Project, trained: Run, tmp_path: Path
) -> None:
    old = Run(shutil.copytree(trained.folder, tmp_path / trained.id))
    del old.manifest["split"]
    with pytest.raises(RunError, match="hidden_items"):
        _judged_by(village, hidden_items=0.5).evaluate(old)
    quickly = _judged_by(village, bootstrap=0, max_cases=20, cutoffs=[3])
    assert quickly.evaluate(old).judgements


def _one_event_less(events: pl.DataFrame) -> pl.DataFrame:
    return events.slice(1)


def _other_people(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(pl.col("user_id").reverse())


@pytest.mark.parametrize("change", [_one_event_less, _other_people])
def test_changed_tables_are_refused(
    village: Project, trained: Run, tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(village.base, copy, ignore=shutil.ignore_patterns("runs"))
    events = copy / "news" / "events.parquet"
    change(pl.read_parquet(events)).write_parquet(events)
    with pytest.raises(RunError, match="tables changed"):
        Project.open(copy / "polyscene.toml").evaluate(trained)


def test_report_wants_an_evaluated_run(village: Project, trained: Run) -> None:
    with pytest.raises(RunError, match="polyscene evaluate"):
        village.report(trained)
