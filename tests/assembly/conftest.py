"""A small company that is big enough for the fusion to learn from, trained and judged once."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyscene.assembly.project import Project
from polyscene.assembly.run import Run
from polyscene.data.sample.world import SampleWorld

RUNTIME = '\n[runtime]\nthreads = 1\ncache = "cache"\n'


def _write(folder: Path, users: int, items: int, days: int) -> Path:
    config = SampleWorld.generate(users=users, items_per_scenario=items, days=days).write(folder)
    with config.open("a", encoding="utf-8") as file:
        file.write(RUNTIME)
    return config


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of three scenarios; nobody may change its tables."""
    return _write(tmp_path_factory.mktemp("company"), users=400, items=50, days=40)


@pytest.fixture(scope="session")
def hamlet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a company that trains in a moment; nobody may change its tables."""
    return _write(tmp_path_factory.mktemp("hamlet"), users=120, items=40, days=20)


@pytest.fixture(scope="session")
def project(company: Path) -> Project:
    return Project.open(company)


@pytest.fixture(scope="session")
def run(project: Project) -> Run:
    """Return a run that has been judged."""
    trained = project.train()
    project.evaluate(trained)
    return trained
