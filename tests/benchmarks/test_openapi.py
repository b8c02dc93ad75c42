"""Every endpoint answers as its description says, whatever the description lets be asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service

Script = Callable[[str], ModuleType]

OF_A_POSTERIOR = {
    "GET /v1/items/{scenario}/{item}/movement",
    "POST /v1/items/{scenario}/{item}/rollback",
}
"""Refused, as described, by a run that has none; `serving/test_movement.py` asks one that has."""
EXAMPLES = 6
"""For each endpoint; `benchmarks/openapi.py` asks more."""


@pytest.fixture
def own_run(run: Run, tmp_path: Path) -> Run:
    """Return a copy of the run that may be changed."""
    return Run(shutil.copytree(run.folder, tmp_path / "own" / "runs" / "polyscene" / run.id))


@pytest.fixture
def service(own_run: Run, tmp_path: Path) -> Service:
    return Service.open(own_run, tmp_path / "service")


def test_every_endpoint_answers_as_described(script: Script, service: Service, own_run: Run) -> None:
    other = own_run.save().id
    statuses = script("openapi").examined(service, [own_run.id, other], EXAMPLES, 7)
    api = TestClient(build_app(service), "http://localhost").get("/openapi.json").json()
    service.close()
    assert set(statuses) == {
        f"{method.upper()} {path}" for path, ways in api["paths"].items() for method in ways
    }
    unanswered = {name for name, counts in statuses.items() if not any(200 <= one < 300 for one in counts)}
    assert unanswered == OF_A_POSTERIOR
    assert sum(status in (404, 422) for counts in statuses.values() for status in counts) > 20
