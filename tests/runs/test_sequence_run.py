"""A run with a signal that learns order by gradients: it is kept, opens again, and takes what is new."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

import polyscene as ps
from polyscene.core.settings.project import Settings
from polyscene.project import Project
from polyscene.recommenders import signal
from polyscene.recommenders.sequence.sequence import Sequence
from polyscene.runs.run import Run


@pytest.fixture(scope="module")
def opened(hamlet: Path, small_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("ordered")
    shutil.copytree(hamlet.parent / "shop", home / "shop")
    shutil.copy(hamlet.parent / "users.parquet", home)
    plain = tomllib.loads(hamlet.read_text(encoding="utf-8"))
    shop = plain["scenarios"]["shop"] | {"signals": ["popularity", "sequence"]}
    language = {"model": str(small_encoder), "tuning": "none", "precision": "float32"}
    changes = {"language": language, "scenarios": {"shop": shop}, "signals": {"sequence": {"size": 16}}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "MIN_SEQUENCES", 50)
        project = Project(Settings.parse(plain | changes), home)
        return project.run(project.train().id)


def sequence_of(run: Run) -> Sequence:
    fitted = run.system.scenarios["shop"].fusion.present()["sequence"]
    assert isinstance(fitted, Sequence)
    return fitted


def test_it_was_kept_as_it_was_set(opened: Run) -> None:
    fitted = sequence_of(opened)
    assert fitted.settings.size == 16
    assert fitted.items.shape == (len(opened.system.scenarios["shop"].space), 16)
    assert np.abs(fitted.weights.arrays["residual"]).max() > 0


def test_a_new_item_counts_by_its_text_and_is_kept(opened: Run) -> None:
    live, known = opened, len(sequence_of(opened).items)
    title = {"title": "Green Tea Kettle", "description": "one", "brand": "b", "category": "c", "price": 1.0}
    live.put_items([{live.settings["shop"].items.id: "new-kettle", **title}], "shop")
    items = sequence_of(live).items
    assert len(items) == known + 1
    assert np.abs(items[known]).max() > 0
    again = sequence_of(live.save())
    np.testing.assert_allclose(again.items, items, rtol=1e-5, atol=1e-6)
    slate = live.recommend("somebody-new", scenario="shop", k=5)
    live.observe(ps.Event("somebody-new", "new-kettle", "shop"))
    assert live.recommend("somebody-new", scenario="shop", k=5).user_known
    assert len(slate.ids) == 5
