"""A training that is killed, wherever it stands, leaves neither half a run nor rubbish that stays."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyscene.project import Project
from polyscene.runs.folder import MANIFEST

KILL_INSIDE = """
import os, signal, sys
from polyscene.project import Project

config, function, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
left = times

def watch(frame, event, argument):
    global left
    if event == "call" and frame.f_code.co_name == function and "polyscene" in frame.f_code.co_filename:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

project = Project.open(config)
sys.setprofile(watch)
project.train()
"""
"""Kills itself on entering a function of Polyscene for the n-th time: the same moment every time."""


@pytest.fixture(scope="module")
def village(hamlet: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project of its own with one finished run and warm texts."""
    home = tmp_path_factory.mktemp("killed") / "village"
    shutil.copytree(hamlet.parent, home, ignore=shutil.ignore_patterns("runs"))
    project = Project.open(home / "polyscene.toml")
    project.train()
    return project


@pytest.fixture(autouse=True)
def _nothing_half_done(village: Project) -> Iterator[None]:
    before = village.runs()
    yield
    assert village.runs() == before
    assert village.run().recommend("u00001", "shop", 3).ids


def _partials(project: Project) -> list[Path]:
    return list(project.runs_folder.glob(".partial-*"))


@pytest.mark.parametrize(
    ("function", "times"),
    [("train_fusion", 1), ("save_arrays", 5), ("_manifest", 1)],
    ids=["learning", "writing signals", "writing the manifest"],
)
def test_killed_at_a_known_moment(village: Project, function: str, times: int) -> None:
    config = village.base / village.config
    ended = subprocess.run(
        [sys.executable, "-c", KILL_INSIDE, str(config), function, str(times)], check=False, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL


def test_killed_from_outside(village: Project) -> None:
    config = village.base / village.config
    command = [sys.executable, "-c", "from polyscene.cli.main import run; run()", "train", "-c", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        heard = next(line for line in process.stderr if "news: choices" in line)
        process.kill()
    assert heard
    assert process.returncode == -signal.SIGKILL


def test_the_next_training_sweeps_what_the_killed_left(village: Project) -> None:
    """Killed between the last byte and the renaming, a run is whole and still not there."""
    config = village.base / village.config
    ended = subprocess.run(
        [sys.executable, "-c", KILL_INSIDE, str(config), "_flush", "1"], check=False, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL
    assert any((partial / MANIFEST).is_file() for partial in _partials(village))
    last = village.train()
    assert _partials(village) == []
    shutil.rmtree(last.folder)
