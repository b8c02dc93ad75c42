"""`polyscene movement`: from a run alone, and from the log of its service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from polyscene.cli.failures import USER
from polyscene.project import Project
from polyscene.runs.run import Run
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import LoggedEvent


@pytest.fixture
def opened(believing: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr("polyscene.cli.movement.opened", lambda config: believing)
    return believing


def test_a_run_alone_tells_what_moved_an_item(
    opened: Project, typed: Callable[..., Result], tmp_path: Path
) -> None:
    svg = tmp_path / "moved.svg"
    result = typed("movement", "P0003", "--run-alone", "--svg", str(svg), "--users", "--json")
    answer = json.loads(result.stdout)
    assert (answer["item"], answer["gap"]) == ("P0003", 0.0)
    assert answer["kinds"]["compared"]["moves"] > 0
    users = opened.run(opened.runs()[0]).users("shop")
    assert set(answer["users"].values()) <= set(users)
    assert svg.read_text(encoding="utf-8").lstrip().startswith("<svg")


def test_a_service_tells_what_its_log_adds(
    opened: Project, typed: Callable[..., Result], tmp_path: Path
) -> None:
    run = Run(opened.run(opened.runs()[0]).folder)
    service = Service.open(run, tmp_path / "data")
    moment = run.system.scenario("shop").latest + 60_000_000
    service.management.submit([LoggedEvent("bot", "P0003", "shop", "purchase", None, moment)]).result()
    service.close()
    result = typed("movement", "P0003", "--data", str(tmp_path / "data"), "--users")
    assert "own purchase" in result.stdout
    assert ": bot" in result.stdout
    quiet = typed("movement", "P0003", "--data", str(tmp_path / "data"))
    assert "bot" not in quiet.stdout
    unknown = typed("movement", "nothing", "--data", str(tmp_path / "data"), code=USER)
    assert "expected an item of scenario 'shop', found 'nothing'" in " ".join(unknown.output.split())
