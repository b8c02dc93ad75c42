"""A package that declares entry points is as good as what comes with Polyscene, from `polyscene.toml` on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SIGNAL = '''
from typing import ClassVar, Self

import numpy as np

from polyscene.recommenders.signal import Signal, SignalSettings
from polyscene.responsible.explanation import Sentences


class LengthSettings(SignalSettings):
    sign: float = 1.0


class Length(Signal):
    """The longer the log of an item, the better: popularity by another name."""

    name: ClassVar[str] = "length"
    sentences: ClassVar[Sentences] = Sentences("Much happened to it.")
    Settings = LengthSettings
    counts = np.zeros(0, np.float32)

    def fit(self, evidence) -> Self:
        self.counts = np.bincount(evidence.events.item, minlength=evidence.n_items).astype(np.float32)
        return self

    def score_all(self, queries):
        return np.tile(np.float32(self.settings.sign) * self.counts, (len(queries), 1))

    def state(self):
        return {"counts": self.counts}

    def restore(self, state, space, others) -> Self:
        self.counts = state["counts"]
        return self
'''
METRIC = """
from polyscene.metrics.metric import RankMetric

worst = RankMetric(lambda ranked, k: ranked.ranks, at_cutoffs=False)
"""
ENTRY_POINTS = """
[polyscene.signals]
length = polyscene_length.signal:Length

[polyscene.metrics]
mean_rank = polyscene_length.metric:worst
"""
USE = """
import json, sys
from polyscene.project import Project

whole = Project.open(sys.argv[1])
one = {"scenarios": {"shop": whole.settings.scenarios["shop"]}}
project = Project(whole.settings.model_copy(update=one), whole.base, whole.config)
run = project.train()
project.evaluate(run)
again = project.run(run.id)
print(json.dumps({
    "sign": project.settings.signal("length").sign,
    "models": again.metrics["scenarios"]["shop"]["models"],
    "kept": again.manifest["system"]["scenarios"]["shop"]["fitted"]["length"],
    "slate": again.recommend("anybody", "shop", 5).ids,
}))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a folder in which the package lies as an installer leaves it."""
    home = tmp_path / "site"
    (home / "polyscene_length").mkdir(parents=True)
    for name, text in (("__init__", ""), ("signal", SIGNAL), ("metric", METRIC)):
        (home / "polyscene_length" / f"{name}.py").write_text(text, encoding="utf-8")
    facts = home / "polyscene_length-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: polyscene-length\nVersion: 1.0\n", "utf-8")
    (facts / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    return home


def test_a_package_brings_a_signal_and_a_metric(package: Path, hamlet: Path, tmp_path: Path) -> None:
    home = tmp_path / "company"
    shutil.copytree(hamlet.parent, home, ignore=shutil.ignore_patterns("runs"))
    config = home / hamlet.name
    text = config.read_text(encoding="utf-8")
    text = text.replace("[scenarios.shop]\n", '[scenarios.shop]\nsignals = ["length", "popularity"]\n')
    config.write_text(text + "\n[signals.length]\nsign = 2.0\n", encoding="utf-8")
    outcome = subprocess.run(
        [sys.executable, "-c", USE, str(config)],
        env=os.environ | {"PYTHONPATH": str(package), "POLYSCENE_LANGUAGE__TUNING": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    answer = json.loads(outcome.stdout.splitlines()[-1])
    assert answer["sign"] == 2.0
    assert answer["kept"] == {"sign": 2.0}
    assert set(answer["models"]) == {"polyscene", "length", "popularity"}
    assert all(row["mean_rank"] >= 1 for row in answer["models"].values())
    assert len(answer["slate"]) == 5
