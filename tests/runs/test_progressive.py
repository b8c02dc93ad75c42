"""Under the protocol `progressive` what was ranked is learned before what came later is ranked."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from polyscene.evaluation.importance import Verdict
from polyscene.evaluation.results import Judgement
from polyscene.learning.importance import NOT_WHILE_LEARNING, ONE_BY_ONE
from polyscene.project import Project
from polyscene.runs.judging import evaluate
from polyscene.runs.run import Run

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
SETTINGS = {
    "seed": 3,
    "evaluation": {"protocol": "progressive", "warmup": 0.5, "bootstrap": 0},
    "scenarios": {
        "main": {
            "signals": ["popularity"],
            "events": {"user": "user", "item": "item", "time": "time"},
            "items": {"id": "item"},
        }
    },
}
OLD, HIT = ["a", "b", "c", "d"], "hit"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Sixty people choose among four old items; then sixty others the new one, two of them at one moment."""
    rows = [(f"old{number}", OLD[number % 4], START + dt.timedelta(hours=number)) for number in range(60)]
    for number in range(60):
        hour = 60 + max(number, 1)
        rows.append((f"new{number}", HIT, START + dt.timedelta(hours=hour)))
    events = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    items = pl.DataFrame({"item": [*OLD, HIT, "never"]})
    return Project.from_frames(events, items, folder=tmp_path_factory.mktemp("stream"), settings=SETTINGS)


@pytest.fixture(scope="module")
def run(project: Project) -> Run:
    return project.train()


def judged(project: Project, run: Run, learns_on: bool | None) -> Judgement:
    (judgement,) = evaluate(run, project.dataset, project.settings, project.progress, learns_on).judgements
    return judgement


def test_the_stream_teaches_what_comes_next_and_nothing_sees_itself(project: Project, run: Run) -> None:
    judgement = judged(project, run, None)
    ranks = judgement.ranks["popularity"]
    assert judgement.n_choices == 60
    assert ranks[:2].tolist() == [5.5, 5.5], (
        "nobody has chosen it, and both of the first moment are ranked first"
    )
    assert ranks[-1] == 1.0
    assert np.all(np.diff(ranks) <= 0)
    assert judgement.slices["new_items"].tolist() == [True] * 2 + [False] * 58
    assert judgement.slices["cold_items"].tolist() == [True] * 3 + [False] * 57


def test_without_the_stream_it_stands_still(project: Project, run: Run) -> None:
    judgement = judged(project, run, learns_on=False)
    assert judgement.ranks["popularity"].tolist() == [5.5] * 60
    assert judgement.slices["new_items"].all()


def test_the_run_that_was_judged_has_learned_nothing(project: Project, run: Run, tmp_path: Path) -> None:
    before = run.system.scenario("main").fusion.features.counts.tolist()
    first, second = judged(project, run, None), judged(project, run, None)
    assert run.system.scenario("main").fusion.features.counts.tolist() == before
    assert first.ranks["popularity"].tolist() == second.ranks["popularity"].tolist()


def test_people_grow_warm_while_they_choose(tmp_path: Path) -> None:
    rows = [("one", OLD[hour % 4], START + dt.timedelta(hours=hour)) for hour in range(40)]
    rows += [("late", OLD[hour % 4], START + dt.timedelta(hours=40 + hour)) for hour in range(40)]
    events = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    items = pl.DataFrame({"item": OLD})
    project = Project.from_frames(events, items, folder=tmp_path, settings=SETTINGS)
    judgement = judged(project, project.train(), None)
    assert judgement.slices["cold_users"].tolist() == [True] * 3 + [False] * 37


def test_what_carries_is_told_of_a_stream(project: Project, run: Run) -> None:
    before = run.system.scenario("main").fusion.features.counts.tolist()
    one = project.importance(run).scenarios["main"]
    popularity = one.part("signal", "popularity")
    assert one.ndcg == pytest.approx(judged(project, run, None).table((10,))["polyscene"]["ndcg@10"])
    assert popularity.loss.mean > 0
    assert popularity.verdict(one.ndcg) is Verdict.UNKNOWN, "without resamples there is no interval"
    assert popularity.between_people is None
    assert one.notes == (ONE_BY_ONE,)
    assert run.system.scenario("main").fusion.features.counts.tolist() == before


def test_held_out_choices_that_are_learned_one_by_one_say_nothing(project: Project) -> None:
    other = Project(project.settings, project.base, "other.toml")
    run = other.train(importance=True)
    assert run.importance("valid") is None
    assert any(note.endswith(NOT_WHILE_LEARNING) for note in run.notes)
