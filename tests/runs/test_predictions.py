"""A run that learned many tasks: it predicts, opens as it was, and tells what scenarios taught each other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.settings.project import Settings
from polyscene.core.types import Event
from polyscene.project import Project
from polyscene.runs.reporting import report_of
from polyscene.runs.run import Run


@pytest.fixture(scope="module")
def learned(hamlet: Path) -> Project:
    values = tomllib.loads(hamlet.read_text(encoding="utf-8"))
    for scenario in values["scenarios"].values():
        scenario["signals"] = ["popularity", "multitask"]
    del values["scenarios"]["video"]
    values["multitask"] = {"epochs": 1, "size": 4, "hidden": 8, "negatives": 4, "transfer": True}
    return Project(Settings.parse(values), hamlet.parent, "many-tasks.toml")


@pytest.fixture(scope="module")
def run(learned: Project) -> Run:
    return learned.train()


@pytest.fixture
def items(run: Run) -> list[str]:
    return list(run.recommend(run.users("shop")[0], "shop", 6).ids)


def test_probabilities_lie_between_no_and_yes(run: Run, items: list[str]) -> None:
    expected = run.predictions(run.users("shop")[0], items, "shop")
    assert set(expected) == {"next_choice", "purchase", "click"}
    for values in expected.values():
        assert values.shape == (len(items),)
        assert ((values > 0) & (values < 1)).all()
        assert np.ptp(values) > 0


def test_what_was_saved_predicts_and_scores_the_same(learned: Project, run: Run, items: list[str]) -> None:
    user, again = run.users("shop")[0], learned.run(run.id)
    for name, values in run.predictions(user, items, "shop").items():
        np.testing.assert_array_equal(again.predictions(user, items, "shop")[name], values)
    np.testing.assert_array_equal(again.score(user, items, "shop"), run.score(user, items, "shop"))


def test_the_next_prediction_sees_the_event_in_the_other_scenario(
    learned: Project, run: Run, items: list[str]
) -> None:
    changed, user = learned.run(run.id), run.users("shop")[0]
    before = changed.predictions(user, items, "shop")["purchase"]
    news = changed.recommend(user, "news", 1).ids[0]
    changed.observe(Event(user, news, "news", "like"))
    assert not np.array_equal(changed.predictions(user, items, "shop")["purchase"], before)


def test_items_that_come_later_are_predicted_too(learned: Project, run: Run) -> None:
    changed, user = learned.run(run.id), run.users("shop")[0]
    changed.put_items([{"item_id": "brand-new", "title": "Tent", "description": "A tent for two."}], "shop")
    values = changed.predictions(user, ["brand-new"], "shop")["purchase"]
    assert np.isfinite(values).all()


def test_every_scenario_tells_how_likely_a_choice_is(hamlet: Path, run: Run, items: list[str]) -> None:
    plain = Project.open(hamlet)
    trained = plain.run() if plain.runs() else plain.train()
    assert set(trained.predictions(run.users("shop")[0], items, "shop")) == {"next_choice"}


def test_the_matrix_goes_into_the_report(learned: Project, run: Run) -> None:
    learned.evaluate(run)
    matrix = report_of(run).transfer
    assert matrix is not None
    assert [row.trained_on for row in matrix.rows] == [("shop",), ("news",), ("shop", "news")]
    assert "What scenarios teach each other" in learned.report(run).read_text(encoding="utf-8")
