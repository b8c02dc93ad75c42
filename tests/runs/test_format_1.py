"""Runs that earlier versions left answer as they did."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyscene.core.arrays import Arrays, save_arrays
from polyscene.core.errors import RunError
from polyscene.core.types import Event
from polyscene.data.queries import Histories, Queries
from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.recommenders.signal import Signal
from polyscene.runs.folder import MANIFEST
from polyscene.runs.item_encoder import KEY
from polyscene.runs.run import Run
from polyscene.runs.system_files import FORMAT, SPACE

SCENARIOS = ("shop", "news", "video")
VIEWS = {"content": "tuned", "content_prior": "prior", "cross_scenario": "common"}


def _former_state(name: str, signal: Signal) -> Arrays:
    """Return what an earlier version kept of a signal."""
    if name in VIEWS:
        vectors: Any = signal.space.view(VIEWS[name]).vectors  # type: ignore[attr-defined]
        return {"vectors": vectors, "decay": np.array(signal.decay)}  # type: ignore[attr-defined]
    if name == "popularity":
        nobody = Queries(np.full(1, -1, np.int32), np.zeros(1, np.int64), Histories.of([[]]))
        half_life = np.array(signal.half_life)  # type: ignore[attr-defined]
        return {"scores": signal.score(nobody)[0], "half_life": half_life}
    if isinstance(signal, ItemToItem):
        matrix = signal.matrix
        parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
        return parts | {"shape": np.array(matrix.shape, np.int64)}
    return {key: array for key, array in signal.state().items() if key != "dated"}


@pytest.fixture(scope="module")
def former(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the run as an earlier version would have written it."""
    folder = shutil.copytree(run.folder, tmp_path_factory.mktemp("former") / run.id)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    facts = manifest["system"]
    facts["places"] = facts.pop("scenarios")
    for name, one in facts["places"].items():
        home = folder / one["folder"]
        (home / SPACE).unlink()
        for signal, fitted in run.system.scenarios[name].fusion.present().items():
            (home / f"{signal}.safetensors").unlink()
            former_name = "elsewhere" if signal == "cross_scenario" else signal
            save_arrays(home / f"{former_name}.safetensors", _former_state(signal, fitted))
        for key in ("signals", "fitted"):
            one[key] = ["elsewhere" if signal == "cross_scenario" else signal for signal in one[key]]
    del manifest[KEY]
    (folder / MANIFEST).write_text(json.dumps(manifest | {"format": 1}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("user", ["u00001", "u00017", "nobody"])
def test_they_answer_as_they_did(run: Run, former: Path, scenario: str, user: str) -> None:
    old = Run(former)
    here, there = run.system.scenarios[scenario], old.system.scenarios[scenario]
    assert there.fusion.names == here.fusion.names
    code = run.system.user(user, scenario)
    scores, former_scores = (
        state.fusion.score_all(system.queries(code, state))
        for system, state in ((run.system, here), (old.system, there))
    )
    assert scores.keys() == former_scores.keys()
    for name, expected in scores.items():
        np.testing.assert_allclose(former_scores[name], expected, atol=2e-3, err_msg=name)
    slates = [one.recommend(user, scenario, 10) for one in (run, old)]
    for place, former_place in zip(*slates, strict=True):
        assert former_place.score == pytest.approx(place.score, abs=2e-3)


def test_they_say_what_they_lack(former: Path, run: Run) -> None:
    old = Run(former)
    assert old.scenarios == run.scenarios
    (note,) = set(old.notes) - set(run.notes)
    assert "`polyscene train`" in note


def test_what_they_observed_is_saved_by_the_present_version(former: Path, tmp_path: Path) -> None:
    old = Run(shutil.copytree(former, tmp_path / former.name))
    old.observe(*(Event("newcomer", item, "shop") for item in old.recommend("newcomer", "shop").ids[:2]))
    saved = old.save()
    assert saved.manifest["format"] == FORMAT
    assert saved.notes == old.notes, "it lacks what it lacked"
    slate, again = (one.recommend("newcomer", "shop", 10) for one in (old, saved))
    assert again.ids == slate.ids


def test_they_take_events_and_no_items(former: Path, run: Run) -> None:
    old = Run(former)
    slate = old.recommend("newcomer", "shop")
    old.observe(Event("newcomer", slate.ids[0], "shop"))
    assert slate.ids[0] not in old.recommend("newcomer", "shop").ids
    shop = old.system.scenarios["shop"]
    n_items = len(shop.catalogue)
    row = {"item_id": "P9999", "title": "A kettle"}
    with pytest.raises(RunError, match="train again"):
        old.put_items([row], "shop")
    assert len(shop.catalogue) == len(shop.space) == n_items
