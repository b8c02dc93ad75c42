"""`demo`: from nothing, or from tables, to slates; the user's folder stays as it was."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import Result

from polyscene.cli.demo import _language, own_command
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


def test_what_it_shows_can_be_pasted(typed: Callable[..., Result], tmp_path: Path) -> None:
    shown = typed("demo", "--folder", "a demo").stdout
    after = shown[shown.index("next:") :].splitlines()[1:]
    assert [shlex.split(line)[-1] for line in after[:2]] == ["a demo/polyscene.toml"] * 2
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for line in after[:2]:
        ended = subprocess.run(
            line, shell=True, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )
        assert ended.returncode == 0, ended.stderr
    assert 'tuning is "none"' in shown
    assert "POLYSCENE_LANGUAGE__TUNING=top" in shown


@pytest.mark.parametrize(
    ("tuning", "method", "words"),
    [
        ({"shop": {"before": 0.1, "after": 0.25}}, "top", "shop 0.1000 to 0.2500"),
        ({"shop": {"before": None, "after": None}}, "top", "nothing it learned helped"),
        ({}, "none", "POLYSCENE_LANGUAGE__TUNING=top"),
    ],
)
def test_what_the_language_model_learned_is_told(tuning: dict[str, object], method: str, words: str) -> None:
    manifest = {"tuning": tuning, "settings": {"language": {"tuning": method}}}
    assert words in _language(SimpleNamespace(manifest=manifest), Path("demo/polyscene.toml"))  # type: ignore[arg-type]


def test_the_command_is_named_as_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "env" / "bin" / "polyscene"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_command() == "env/bin/polyscene"  # the current folder is tmp_path
    monkeypatch.setenv("PATH", str(program.parent))
    assert own_command() == "polyscene"
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert own_command() == f"{sys.executable} -m polyscene"
