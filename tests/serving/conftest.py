"""A service over a small run, its logs in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service

Reopen = Callable[[], Run]


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
