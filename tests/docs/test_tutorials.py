"""The tutorials run from the first cell to the last, in an empty folder, on a small company."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
LEFT: dict[str, tuple[str, ...]] = {
    "shop": ("polyscene.toml", "newsletter.csv", "runs/polyscene"),
    "research": ("table.csv", "research/events.parquet"),
}


@pytest.mark.parametrize("name", list(LEFT))
def test_a_tutorial_runs(name: str, tmp_path: Path) -> None:
    environment = os.environ | {"TUTORIAL_USERS": "120", "OMP_NUM_THREADS": "1"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    command = [sys.executable, str(FOLDER / f"{name}.py")]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert all((tmp_path / path).exists() for path in LEFT[name])
    table = next(tmp_path.glob("*.csv"))
    assert len(pl.read_csv(table)) > 5
    assert "polyscene" in ended.stdout


def test_every_tutorial_is_run_and_found() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(LEFT)
    page = (FOLDER.parent / "getting-started.md").read_text(encoding="utf-8")
    assert all(f"(tutorials/{name}.py)" in page for name in LEFT)
