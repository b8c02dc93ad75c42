"""Baselines by name stand where the same signals of a run stand; repeats say how far results lie apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import polyscene as ps
from polyscene.core.errors import DataError, UnknownIdError
from polyscene.data.drafting.frames import polars_frame
from polyscene.data.splits.origins import earlier
from polyscene.learning.baselines import ALIASES, RANDOM
from polyscene.project import USUAL_BASELINES, Project


class Recorder:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def track(self, label: str, total: int, unit: str = "") -> object:
        from polyscene.core.progress import Silent

        return Silent().track(label, total, unit)


def test_the_zoo_is_named_and_described() -> None:
    zoo = ps.baselines()
    assert set(USUAL_BASELINES) <= set(zoo)
    assert {RANDOM, "popularity", "linear", "ease"} <= set(zoo)
    assert "content" not in zoo
    assert zoo["linear"].startswith("Linear item model")
    assert all(signal in zoo for signal in ALIASES.values())


def test_a_baseline_is_the_signal_of_a_run(company: Path) -> None:
    project = Project.open(company)
    judged = project.run(project.runs()[0]).metrics
    assert judged is not None
    table = project.compare(["ease", "popularity", "random"]).to_json()["scenarios"]
    for scenario, block in table.items():
        models = judged["scenarios"][scenario]["models"]
        for name, signal in (("ease", "linear"), ("popularity", "popularity")):
            assert block["models"][name]["ndcg@10"] == pytest.approx(models[signal]["ndcg@10"], abs=1e-6)
            assert block["models"][name]["coverage@10"] == pytest.approx(models[signal]["coverage@10"])
        assert block["models"]["random"]["auc"] == pytest.approx(0.5, abs=0.1)
        assert block["choices"] == judged["scenarios"][scenario]["choices"]


def test_chance_is_repeatable_and_no_name_is_guessed(hamlet: Path) -> None:
    project = Project.open(hamlet)
    first, second = project.compare(["random"]).to_frame(), project.compare(["random"]).to_frame()
    assert first.equals(second)
    with pytest.raises(UnknownIdError, match="popularity"):
        project.compare(["popularty"])


def test_repeats_stand_earlier_and_their_spread_is_told(hamlet: Path) -> None:
    project = Project.open(hamlet)
    repeated = project.repeat(3, ["popularity", "random"])
    choices = [tuple(judgement.n_choices for judgement in one.judgements) for one in repeated.results]
    assert len(set(choices)) == 3
    frame = repeated.to_frame().filter(
        (pl.col("metric") == "ndcg@10") & (pl.col("model") == "popularity") & (pl.col("scenario") == "shop")
    )
    values = [
        judgement.table((10,))["popularity"]["ndcg@10"]
        for one in repeated.results
        for judgement in one.judgements
        if judgement.scenario == "shop"
    ]
    assert frame["mean"].item() == pytest.approx(np.mean(values))
    assert frame["sd"].item() == pytest.approx(np.std(values, ddof=1))
    assert frame["repeats"].item() == 3
    assert project.repeat(1, ["popularity"]).to_frame()["sd"].null_count() > 0
    with pytest.raises(ValueError, match="at least one"):
        project.repeat(0)


def test_an_earlier_data_set_knows_nothing_later(hamlet: Path) -> None:
    dataset = Project.open(hamlet).dataset
    whole = sum(len(scenario.events) for scenario in dataset.scenarios.values())
    past = earlier(dataset, 0.25)
    kept = sum(len(scenario.events) for scenario in past.scenarios.values())
    assert kept == pytest.approx(0.75 * whole, abs=5)
    end = max(int(scenario.events.time.max()) for scenario in past.scenarios.values())
    left = [s.events.take(s.events.time > end) for s in dataset.scenarios.values()]
    assert sum(map(len, left)) == whole - kept
    assert earlier(dataset, 0.0) is dataset


class Pandas:
    """As much of a pandas data frame as we ask for."""

    def __init__(self, **columns: list[object]) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> list[object]:
        return self._columns[name]


def test_frames_of_others_are_read_and_nan_is_missing() -> None:
    frame = polars_frame(Pandas(a=["x", float("nan")], b=[1.0, float("nan")]), "events")
    assert frame.to_dict(as_series=False) == {"a": ["x", None], "b": [1.0, None]}
    assert polars_frame(frame.lazy(), "events").equals(frame)
    for wrong in (3, {"a": [1], "b": [1, 2]}):
        with pytest.raises(DataError, match="events"):
            polars_frame(wrong, "events")


def _events(n: int = 400) -> pl.DataFrame:
    draws = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "user_id": [f"u{row}" for row in draws.integers(0, 40, n)],
            "item_id": [f"i{row}" for row in np.minimum(draws.zipf(1.4, n), 30)],
            "timestamp": (1_700_000_000 + np.arange(n) * 3600).tolist(),
        }
    )


def test_a_project_of_frames_is_a_project(tmp_path: Path) -> None:
    events = _events()
    items = pl.DataFrame(
        {
            "item_id": [f"i{number}" for number in range(1, 31)],
            "title": [f"The {number}th of all good things" for number in range(1, 31)],
        }
    )
    project = Project.from_frames(events, items, scenario="shop", folder=tmp_path, settings={"seed": 3})
    assert project.settings.seed == 3
    assert list(project.settings.scenarios) == ["shop"]
    assert len(project.dataset.scenarios["shop"].events) == len(events)
    assert project.compare(["popularity"]).judgements[0].n_choices > 10
    assert (tmp_path / "events.parquet").is_file()


def test_what_is_said_is_not_guessed() -> None:
    events = _events().rename({"user_id": "a", "item_id": "b", "timestamp": "c"})
    listener = Recorder()
    project = Project.from_frames(  # in a temporary folder
        events,
        {"b": events["b"].unique()},
        settings={
            "scenarios": {"main": {"events": {"user": "a", "item": "b", "time": "c"}, "items": {"id": "b"}}}
        },
        progress=listener,  # type: ignore[arg-type]
    )
    assert listener.lines == []
    assert (project.base / "events.parquet").is_file()
    assert len(project.dataset.scenarios["main"].events) == len(events)
