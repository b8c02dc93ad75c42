"""A training that is killed, wherever it stands, leaves neither half a run nor rubbish that stays."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from polyscene.project import Project
from polyscene.runs.folder import MANIFEST

KILL_INSIDE = """
import os, signal, sys
import polyscene.data.reading.dataset, polyscene.recommenders.kernels
import polyscene.runs.run, polyscene.runs.training
import implicit.als, transformers.models.bert.modeling_bert, transformers.modeling_utils
from polyscene.project import Project

def train(config, function, left):
    def watch(frame, event, argument):
        nonlocal left
        if event == "call" and frame.f_code.co_name == function and "polyscene" in frame.f_code.co_filename:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    project = Project.open(config)
    sys.setprofile(watch)
    project.train()

for line in sys.stdin:
    config, function, times = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        train(config, function, int(times))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Trains in a child for each line, which kills itself on entering a function of Polyscene for the n-th time.

It is the same moment every time; what takes long, the import, is done once.
"""

KillInside = Callable[[str, int], int]


@pytest.fixture(scope="module")
def kill_inside(village: Project) -> Iterator[KillInside]:
    """Return what trains until the n-th call of a function, and tells how the process ended."""
    config = village.base / village.config
    with subprocess.Popen(
        [sys.executable, "-c", KILL_INSIDE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def train(function: str, times: int) -> int:
            stdin.write(f"{config}\t{function}\t{times}\n")
            stdin.flush()
            return int(stdout.readline())

        yield train
        stdin.close()


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
def test_killed_at_a_known_moment(kill_inside: KillInside, function: str, times: int) -> None:
    assert kill_inside(function, times) == -signal.SIGKILL


def test_the_next_training_sweeps_what_the_killed_left(village: Project, kill_inside: KillInside) -> None:
    """Killed between the last byte and the renaming, a run is whole and still not there."""
    assert kill_inside("flush_tree", 1) == -signal.SIGKILL
    assert any((partial / MANIFEST).is_file() for partial in _partials(village))
    last = village.train()
    assert _partials(village) == []
    shutil.rmtree(last.folder)
