"""A night: what was logged is learned, judged, and answers from then on, or does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from polyscene.cli.main import app
from polyscene.core.errors import StoreError
from polyscene.data.schema import Dataset
from polyscene.online.exam import held_out, on_the_exam
from polyscene.online.progressive import dataset_of, quality, with_events
from polyscene.project import Project
from polyscene.runs.folder import run_ids
from polyscene.serving.activation import over_http
from polyscene.serving.cycle import Cycle
from polyscene.serving.cycle_contest import Contest
from polyscene.serving.cycle_replicas import Logs
from polyscene.serving.cycle_service import cycle
from polyscene.serving.cycle_state import read_state
from polyscene.serving.drifting import WANTED
from polyscene.serving.live import LiveRun
from polyscene.serving.stores.contract import ChangeKind, LoggedChange, LoggedEvent
from polyscene.serving.stores.opening import open_stores

Copied = Callable[[], Project]


class KilledError(BaseException):
    """Ends a cycle as a signal would: nothing is tidied up by who does not expect it."""


def _killed(*args: object) -> None:
    raise KilledError


def _forbidden(*args: object, **kwargs: object) -> None:
    raise AssertionError("expected no second training")


def test_a_cycle_that_is_killed_twice_goes_on_and_its_run_answers(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copied()
    folder, live = project.base / "service", project.run().id
    with monkeypatch.context() as patched:
        patched.setattr(Contest, "hold", _killed)
        with pytest.raises(KilledError):
            cycle(project, folder)
    state = read_state(folder / "cycle")
    assert state.live == live
    assert state.candidate
    assert not state.promoted
    assert project.runs() == [live]
    monkeypatch.setattr(Project, "train", _forbidden)
    with monkeypatch.context() as patched:
        patched.setattr("polyscene.serving.cycle_service.in_the_log", lambda *args: _killed)
        with pytest.raises(KilledError):
            cycle(project, folder)
    promoted = read_state(folder / "cycle").promoted
    assert promoted
    (folder / WANTED).write_text("{}", encoding="utf-8")
    report = cycle(project, folder)
    assert (report.verdict, report.run) == ("promoted", promoted)
    assert project.runs() == [live, promoted]
    assert not (folder / WANTED).exists()
    assert run_ids(project.runs_folder.with_name("polyscene-cycle")) == []
    assert read_state(folder / "cycle").done == report.last
    _is_told_to_every_server(project, folder, live, promoted)
    again = cycle(project, folder)
    assert again.verdict == "waiting"
    assert again.live == promoted


def _is_told_to_every_server(project: Project, folder: Path, live: str, promoted: str) -> None:
    assert json.loads((folder / "active.json").read_text(encoding="utf-8"))["run"] == promoted
    events, decisions = open_stores(folder, "")
    entries = list(events.since(0, 10_000))
    changes = [one for _, one in entries if isinstance(one, LoggedChange) and one.kind == ChangeKind.model]
    assert [one.fields for one in changes] == [{"run": promoted, "before": [live]}]
    run = project.run(promoted)
    held = run.manifest["log"]
    assert held["identity"] == events.identity
    assert held["offset"] == entries[-2][0]
    logged = sum(isinstance(one, LoggedEvent) for _, one in entries)
    state = run.system.scenarios["shop"]
    assert len(state.log) == 900 + logged
    assert state.catalogue.ids.get("i30") is not None
    replayed = LiveRun(run, events)
    assert replayed.replayed == 1
    assert len(state.log) == 900 + logged
    replayed.close()
    events.close()
    decisions.close()


def _shuffled(dataset: Dataset) -> Dataset:
    """Return a data set in which everybody did what somebody else did."""
    log = dataset.scenarios["shop"].events
    item = np.random.default_rng(0).permutation(30)[log.item].astype(np.int32)
    return with_events(dataset, {"shop": type(log)(**{**vars(log), "item": item})})


def test_a_worse_run_is_refused_with_its_reasons(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    project = copied()
    folder, live = project.base / "service", project.run().id
    plain = Cycle._lesson
    monkeypatch.setattr(Cycle, "_lesson", lambda self, *args: _shuffled(plain(self, *args)))
    out = project.base / "report.json"
    shown = CliRunner(env={"COLUMNS": None}).invoke(
        app,
        ["cycle", "--config", str(project.base / project.config), "--data", str(folder), "--json", str(out)],
    )
    assert shown.exit_code == 0, shown.output
    assert f"refused: {live} answers" in shown.stdout
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["verdict"] == "refused"
    assert any("worse on new choices of 'shop'" in reason for reason in report["reasons"])
    assert report["old"] == {}
    assert report["new"]["shop"]["after"] < report["new"]["shop"]["before"]
    assert report["new"]["shop"]["choices"] == report["events"] - report["learned"]
    assert report["off_policy"]["shop"]["decisions"] > 30
    shown_places = report["exposures"]["shop"]
    assert shown_places["shown"] > shown_places["chosen"] > 0
    assert len(shown_places["rates"]) == 5
    assert shown_places["least_factor"] < 1 < shown_places["largest_factor"]
    assert set(report["seconds"]) == {"replaying", "training", "old choices", "new choices"}
    assert project.runs() == [live]
    assert read_state(folder / "cycle").done == report["last"]
    kept = sorted((folder / "cycle" / "reports").iterdir())
    assert [one.suffix for one in kept] == [".json", ".txt"]
    assert json.loads(kept[0].read_text(encoding="utf-8")) == report


def test_the_exam_asks_both_of_choices_that_weigh_nothing(shop: Path) -> None:
    project = Project.open(shop / "polyscene.toml")
    system = project.run().system
    known = dataset_of(system, project.settings.scenarios)
    assert on_the_exam(system, system, known, 99, 7) == []
    log = held_out(known.scenarios["shop"].events, 0.2)
    placed = on_the_exam(system, system, with_events(known, {"shop": log}), 99, 7)
    assert len(placed) == 99
    one = quality(placed)["shop"]
    assert one.before == one.after > 0.3
    assert one.difference.value == 0.0
    assert not one.lost(0.05)
    worse = quality([replace(choice, after=choice.after + 1) for choice in placed])["shop"]
    assert worse.lost(0.05)
    assert worse.difference.verdict == "worse"
    assert not worse.lost(0.99)


def test_too_little_waits_and_forgets_nothing(copied: Copied) -> None:
    project = copied()
    settings = project.settings.cycle.model_copy(update={"min_choices": 500})
    project.settings = project.settings.model_copy(update={"cycle": settings})
    folder = project.base / "service"
    report = cycle(project, folder)
    assert report.verdict == "waiting"
    assert "at least 500 events" in report.reasons[0]
    assert read_state(folder / "cycle").done == 0


def test_without_a_wish_of_drift_nothing_is_done(copied: Copied) -> None:
    project = copied()
    words = ["cycle", "--if-wanted", "--config", str(project.base / project.config)]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0
    assert "nothing has changed" in shown.stdout


def test_a_log_that_a_service_holds_asks_for_its_address(copied: Copied) -> None:
    project = copied()
    folder = project.base / "service"
    events, decisions = open_stores(folder, "")
    with pytest.raises(StoreError, match="--service"):
        cycle(project, folder)
    with pytest.raises(StoreError, match="expected the service at"):
        over_http("http://127.0.0.1:9", None)("run", [])
    events.close()
    decisions.close()


def test_what_was_forgotten_cannot_be_learned(copied: Copied) -> None:
    project = copied()
    folder = project.base / "service"
    events, decisions = open_stores(folder, "")
    events.forget(80, 2**62)
    activated: list[tuple[str, Sequence[str]]] = []
    with pytest.raises(StoreError, match="forgotten up"):
        Cycle(project, Logs(events, decisions), folder, lambda run, runs: activated.append((run, runs))).run()
    assert not activated
    events.close()
    decisions.close()
