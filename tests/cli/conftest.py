"""A tiny company, trained and judged through the command line, and a hand for typing commands."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from polyscene.cli.main import app
from polyscene.sample.world import SampleWorld

Typed = Callable[..., Result]


@pytest.fixture(scope="session")
def typed() -> Typed:
    """Return what runs one command line in this process; asserts its exit code."""

    def command(*words: object, code: int = 0) -> Result:
        result = CliRunner(env={"COLUMNS": None}).invoke(app, [str(word) for word in words])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return command


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tables of three scenarios and no configuration."""
    folder = tmp_path_factory.mktemp("tables") / "village"
    SampleWorld.generate(users=120, items_per_scenario=40, days=20).write(folder).unlink()
    for slates in folder.glob("*/slates.parquet"):
        slates.unlink()
    return folder


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory, village_tables: Callable[[Path], Path]) -> Path:
    """Return the configuration of the sample company, small."""
    return village_tables(tmp_path_factory.mktemp("cli") / "village")


@pytest.fixture(scope="session")
def judged(config: Path, typed: Typed) -> Path:
    """Return the configuration of a company with one run, evaluated."""
    typed("train", "--config", config)
    typed("evaluate", "--config", config, "--json", config.parent / "metrics.json")
    return config


@pytest.fixture
def scratch(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the company without runs, as the current folder; free to be damaged."""
    home = tmp_path / "village"
    shutil.copytree(config.parent, home, ignore=shutil.ignore_patterns("runs"))
    monkeypatch.chdir(home)
    return home
