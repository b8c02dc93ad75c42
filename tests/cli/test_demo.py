"""`demo`: from nothing, or from tables, to slates; the user's folder stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from polyscene.sample.world import SampleWorld


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where all demonstrations keep what they have read."""
    return tmp_path_factory.mktemp("texts")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, texts: Path) -> None:
    small = SampleWorld.generate(users=120, items_per_scenario=40, days=20)
    monkeypatch.setattr(SampleWorld, "generate", lambda: small)
    monkeypatch.setenv("XDG_CACHE_HOME", str(texts))
    monkeypatch.chdir(tmp_path)


def test_from_nothing_to_slates_and_again(typed: Callable[..., Result], tmp_path: Path) -> None:
    result = typed("demo")
    for word in (
        "shop for u",
        "news for u",
        "video for u",
        "against the best signal",
        "report.html",
        "next:",
    ):
        assert word in result.stdout
    config = tmp_path / "demo" / "polyscene.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("seed = 7", "seed = 8"), encoding="utf-8")
    again = typed("demo")
    assert "from before" in again.stderr
    assert "seed = 8" in config.read_text(encoding="utf-8")


def test_on_tables_nobody_has_described(typed: Callable[..., Result], tables: Path, tmp_path: Path) -> None:
    before = sorted(tables.rglob("*"))
    result = typed("demo", "--data", tables)
    assert sorted(tables.rglob("*")) == before
    assert (tmp_path / "demo" / "village" / "polyscene.toml").is_file()
    assert "report.html" in result.stdout
    assert "item_id" in result.stdout


def test_on_a_project(typed: Callable[..., Result], scratch: Path) -> None:
    result = typed("demo", "--data", ".")
    assert "using polyscene.toml" in result.stderr
    assert (scratch / "runs").is_dir()


def test_a_folder_that_is_another_projects_is_refused(
    typed: Callable[..., Result], tables: Path, config: Path
) -> None:
    result = typed("demo", "--data", tables, "--folder", config.parent, code=2)
    assert "another project" in result.stderr
