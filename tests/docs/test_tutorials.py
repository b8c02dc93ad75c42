"""The tutorials run from the first cell to the last, in an empty folder, on a small company."""

from __future__ import annotations

import runpy
from pathlib import Path

import polars as pl
import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
LEFT: dict[str, tuple[str, ...]] = {
    "shop": ("polyscene.toml", "newsletter.csv", "runs/polyscene"),
    "research": ("table.csv", "research/events.parquet"),
}


@pytest.mark.parametrize("name", list(LEFT))
def test_a_tutorial_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUTORIAL_USERS", "120")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert all((tmp_path / path).exists() for path in LEFT[name])
    table = next(tmp_path.glob("*.csv"))
    assert len(pl.read_csv(table)) > 5
    assert "polyscene" in capsys.readouterr().out


def test_every_tutorial_is_run_and_found() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(LEFT)
    page = (FOLDER.parent / "getting-started.md").read_text(encoding="utf-8")
    assert all(f"(tutorials/{name}.py)" in page for name in LEFT)
