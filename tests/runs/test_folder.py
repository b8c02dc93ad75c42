"""Run folders: whole or not there at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from polyscene.core.errors import RunError, UnknownIdError
from polyscene.runs.folder import MANIFEST, find_run, new_run, run_ids, sweep
from polyscene.runs.run import Run


def _make(runs: Path) -> str:
    with new_run(runs) as (run_id, folder):
        (folder / MANIFEST).write_text("{}", encoding="utf-8")
    return run_id


def _dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_runs_are_listed_in_the_order_they_were_made(tmp_path: Path) -> None:
    ids = [_make(tmp_path) for _ in range(3)]
    assert run_ids(tmp_path) == ids
    assert find_run(tmp_path, None) == tmp_path / ids[-1]
    assert find_run(tmp_path, ids[0]) == tmp_path / ids[0]


def test_a_run_under_way_is_not_listed(tmp_path: Path) -> None:
    with new_run(tmp_path) as (run_id, folder):
        (folder / MANIFEST).write_text("{}", encoding="utf-8")
        assert run_ids(tmp_path) == []
    assert run_ids(tmp_path) == [run_id]


def test_a_failed_run_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), new_run(tmp_path) as (_, folder):
        folder.write_text("this is a folder", encoding="utf-8")
    assert list(tmp_path.iterdir()) == []


def test_only_dead_writers_are_swept(tmp_path: Path) -> None:
    dead, living = tmp_path / f".partial-{_dead_process()}-ab12", tmp_path / f".partial-{os.getpid()}-ab12"
    stranger = tmp_path / "notes"
    for folder in (dead, living, stranger):
        folder.mkdir()
    sweep(tmp_path)
    assert not dead.exists()
    assert living.exists()
    assert stranger.exists()


def test_what_is_no_run_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "20260101-000000-000000").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert run_ids(tmp_path) == []
    assert run_ids(tmp_path / "nowhere") == []


def test_missing_runs_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownIdError, match="polyscene train"):
        find_run(tmp_path, None)
    run_id = _make(tmp_path)
    with pytest.raises(UnknownIdError, match=run_id):
        find_run(tmp_path, "../elsewhere")


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match=r"\[runtime\] runs"), new_run(tmp_path / "runs"):
        pass


@pytest.mark.parametrize("manifest", ["", "[", '{"format": 999}', '{"format": 1}', "{}"])
def test_manifests_that_cannot_be_used_are_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / MANIFEST).write_text(manifest, encoding="utf-8")
    with pytest.raises(RunError, match="train again"):
        Run(tmp_path)


@pytest.mark.parametrize(
    "damaged", ["users.parquet", "scenarios/0/network.safetensors", "scenarios/1/popularity.safetensors"]
)
def test_damaged_runs_are_refused(run: Run, tmp_path: Path, damaged: str) -> None:
    copy = tmp_path / run.id
    shutil.copytree(run.folder, copy)
    (copy / damaged).write_bytes(b"not what it was")
    with pytest.raises(RunError, match="train again"):
        Run(copy).recommend("u00001", "shop")
    (copy / damaged).unlink()
    with pytest.raises(RunError, match="train again"):
        Run(copy).recommend("u00001", "shop")


def test_manifest_tells_where_the_run_comes_from(run: Run) -> None:
    manifest = json.loads((run.folder / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["learned_from"] == "train and valid"
    assert manifest["seed"] == 7
    assert manifest["project"] == "sample-company"
    assert "polyscene" in manifest["versions"]
