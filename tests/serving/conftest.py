"""A service over a small run, its logs in a folder of the test's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.failures import STATUS
from polyscene.serving.service import Service

Reopen = Callable[[], Run]
ErrorOf = Callable[[Any], dict[str, Any]]


@pytest.fixture
def reopen(run: Run) -> Reopen:
    """Return what opens the run anew, as it was trained."""
    return lambda: Run(run.folder)


@pytest.fixture
def service(reopen: Reopen, tmp_path: Path) -> Iterator[Service]:
    """Return a service that asks for no key."""
    service = Service.open(reopen(), tmp_path / "service")
    yield service
    service.close()


@pytest.fixture
def client(service: Service) -> TestClient:
    """Return what sends requests to it from this machine."""
    return TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)


@pytest.fixture
def own_run(run: Run, tmp_path: Path) -> Run:
    """Return a copy of the run, alone in its folder, that may be changed."""
    home = tmp_path / "own" / "runs" / "polyscene" / run.id
    shutil.copytree(run.folder, home)
    return Run(home)


@pytest.fixture(scope="session")
def error_of() -> ErrorOf:
    """Return what reads the error of an answer, whose shape is the same wherever it comes from."""

    def read(answer: Any) -> dict[str, Any]:
        value = answer.json()
        assert list(value) == ["error"]
        error: dict[str, Any] = value["error"]
        assert list(error) == ["code", "message", "details"]
        assert STATUS[error["code"]] == answer.status_code
        assert "Traceback" not in answer.text
        return error

    return read
