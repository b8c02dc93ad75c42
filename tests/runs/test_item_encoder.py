"""A run gives texts, its own and new ones, the vectors that training gives them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyscene.core.errors import ModelError, RunError, UnknownIdError
from polyscene.core.progress import Silent
from polyscene.core.types import FloatArray
from polyscene.data.reading.dataset import read_dataset
from polyscene.data.reading.item_rows import rows_of
from polyscene.data.splits.protocol import split
from polyscene.language.model.loading import load_model
from polyscene.language.text.cache import EncodingCache
from polyscene.language.text.keyword_stuffing import beginning
from polyscene.language.tuning.files import WEIGHTS
from polyscene.learning.item_views import LANGUAGE
from polyscene.learning.language import TunedLanguage, tune_language
from polyscene.learning.training_data import training_data
from polyscene.project import Project
from polyscene.representation.item_space import ViewName
from polyscene.runs.item_encoder import KEY, ItemEncoder, encoder_facts

NAMES = ("shop", "news")
BRIEF = {
    "projection_steps": 8,
    "projection_batch": 64,
    "steps": 4,
    "batch": 32,
    "validations": 2,
    "layers": 1,
}
SMALL = {"rank": 2, "bottleneck": 4, "prefix_tokens": 2}
UNSEEN = "A kettle that nobody has ever sold, with a lid of blue enamel"
VIEWS: tuple[ViewName, ...] = ("tuned", "prior", "common")


@dataclass(frozen=True)
class Trained:
    """What a training left: vectors as it had them, and the encoder of its run."""

    tuned: TunedLanguage
    texts: dict[str, tuple[str, ...]]
    folder: Path
    written: str

    @property
    def manifest(self) -> dict[str, Any]:
        """What the run says, read anew."""
        return json.loads(self.written)  # type: ignore[no-any-return]

    @property
    def encoder(self) -> ItemEncoder:
        return ItemEncoder.of_run(self.folder, self.manifest)

    def vectors(self, scenario: str) -> dict[ViewName, FloatArray]:
        """Return what training made of the catalogue."""
        vectors = self.tuned.vectors[scenario]
        prior = vectors.final if vectors.prior is None else vectors.prior
        return {"tuned": vectors.final, "prior": prior, "common": vectors.common}


Train = Callable[..., Trained]


@pytest.fixture(scope="module")
def train(hamlet: Path, small_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Return what tunes two scenarios' language model, which reads titles, and writes what a run keeps.

    What was trained with the same settings before is given out again; nobody may change it.
    """
    known = Project.open(hamlet).settings
    titles = {name: known.scenarios[name].model_copy(update={"template": "{title}"}) for name in NAMES}
    base = known.model_copy(update={"scenarios": titles})
    dataset = read_dataset(base, hamlet.parent)
    texts = {name: dataset.scenarios[name].catalogue.text for name in NAMES}

    @cache
    def train_(tuning: str = "top", reach: str | float = "unbounded", **details: object) -> Trained:
        torch.set_num_threads(1)
        home = tmp_path_factory.mktemp("trained")
        language = {"model": str(small_encoder), "tuning": tuning, "max_tokens": 64, "reach": reach}
        settings = base.model_copy(
            update={
                "language": known.language.model_copy(update=language | {"precision": "float32"}),
                "tuning": known.tuning.model_copy(update=BRIEF | SMALL | details),
                "runtime": known.runtime.model_copy(update={"cache": str(home / "of the run")}),
            }
        )
        model = load_model(settings.language)
        ground = training_data(dataset, split(dataset, settings.evaluation), settings)
        encoded = EncodingCache(home / "of the training")
        tuned = tune_language(
            dict.fromkeys(ground.dataset.scenarios, model), ground, settings, home / "left", encoded, Silent()
        )
        tuned.save(home / "run", settings)
        manifest = {
            "settings": settings.model_dump(mode="json"),
            KEY: encoder_facts(tuned.fingerprints(), tuned.views(settings), home / "run", hamlet.parent),
        }
        return Trained(tuned, texts, home / "run", json.dumps(manifest))

    return train_


def assert_reads_as_trained(trained: Trained) -> None:
    """Read the whole catalogue, single texts, and texts among unseen ones, in every view."""
    encoder = trained.encoder
    for name in NAMES:
        texts, vectors = trained.texts[name], trained.vectors(name)
        single = [encoder.encode(name, [text]) for text in texts[:5]]  # before the cache knows them
        mixed = encoder.encode(name, [texts[7], UNSEEN, "", texts[9]])
        whole = encoder.encode(name, texts)
        assert set(whole) == set(VIEWS)
        for view, rows in vectors.items():
            assert whole[view].dtype == np.float32
            assert float(np.abs(rows).max()) > 0.1
            np.testing.assert_allclose(whole[view], rows, atol=1e-5)
            for row, one in enumerate(single):
                np.testing.assert_allclose(one[view], rows[row : row + 1], atol=1e-5)
            np.testing.assert_allclose(mixed[view][[0, 3]], rows[[7, 9]], atol=1e-5)
            assert np.linalg.norm(mixed[view][1]) == pytest.approx(1.0, abs=1e-5)
            assert not mixed[view][2].any()


def test_without_tuning_there_is_one_space(train: Train) -> None:
    trained = train("none")
    assert_reads_as_trained(trained)
    shop = trained.encoder.encode("shop", [UNSEEN])
    assert shop["tuned"] is shop["prior"] is shop["common"]


@pytest.mark.parametrize(
    ("steps", "scope", "reach"),
    [
        (0, "scenario", "unbounded"),
        (0, "shared", "usual"),
        (0, "scenario", 0.5),
        (4, "scenario", "unbounded"),
        (4, "scenario", "usual"),
        (4, "shared", 0.5),
    ],
)
def test_tuned_runs_read_as_trained(train: Train, steps: int, scope: str, reach: str | float) -> None:
    trained = train(steps=steps, scope=scope, reach=reach)
    assert_reads_as_trained(trained)
    views = trained.encoder.encode("shop", [UNSEEN])
    assert np.abs(views["tuned"] - views["prior"]).max() > 1e-3, "the tuning moves it"
    assert views["common"] is views["tuned" if scope == "shared" else "prior"]


@pytest.mark.parametrize("method", ["full", "adalora", "prefix", "adapter"])
def test_methods_inside_all_layers_read_as_trained(train: Train, method: str) -> None:
    assert_reads_as_trained(train(method))


def test_an_untuned_reach_is_kept_too(train: Train) -> None:
    assert_reads_as_trained(train("none", reach="usual"))


def test_each_view_is_held_by_its_own_bound(train: Train) -> None:
    """Words behind the beginning turn an item no further than was fitted: in each view another angle."""
    encoder = train(steps=4, scope="scenario", reach="usual").encoder
    views = encoder.views("shop")
    assert views["tuned"].reach != views["prior"].reach
    for view in ("tuned", "prior"):
        recipe = views[view]
        assert recipe.reach is not None
        assert recipe.lead_chars is not None
        stuffed = f"{UNSEEN} {'bargain ' * 9}".strip()
        start = beginning(stuffed, recipe.lead_chars)
        one, other = encoder.encode("shop", [stuffed, start])[view]
        assert float(one @ other) == pytest.approx(np.cos(recipe.reach), abs=1e-5)


def test_edited_text_moves_its_item(train: Train) -> None:
    trained = train(steps=4, scope="scenario", reach="unbounded")
    text = trained.texts["shop"][0]
    same, other = trained.encoder.encode("shop", [text, f"{text} for children"])["tuned"]
    np.testing.assert_allclose(same, trained.vectors("shop")["tuned"][0], atol=1e-5)
    assert np.abs(same - other).max() > 1e-3


def test_nothing_to_read_is_no_error(train: Train) -> None:
    trained = train(steps=4, scope="scenario", reach="usual")
    width = trained.vectors("shop")["tuned"].shape[1]
    assert trained.encoder.encode("shop", [])["tuned"].shape == (0, width)


def test_many_threads_may_read_at_once(train: Train) -> None:
    trained = train(steps=4, scope="scenario", reach="unbounded")
    encoder, texts = trained.encoder, trained.texts
    with ThreadPoolExecutor(4) as pool:
        several = list(
            pool.map(lambda number: encoder.encode(NAMES[number % 2], texts[NAMES[number % 2]]), range(8))
        )
    for number, views in enumerate(several):
        for view, rows in trained.vectors(NAMES[number % 2]).items():
            np.testing.assert_allclose(views[view], rows, atol=1e-5)


def test_a_project_keeps_what_its_items_need(hamlet: Path, small_encoder: Path, tmp_path: Path) -> None:
    """From the user's own columns to the vectors, with a folder that has moved since."""
    home = tmp_path / "before"
    shutil.copytree(hamlet.parent, home, ignore=shutil.ignore_patterns("runs", "cache"))
    shutil.copytree(small_encoder, home / "model")
    project = Project.open(home / hamlet.name)
    language = {"model": "model", "max_tokens": 24, "precision": "float32", "reach": "usual"}
    shop = project.settings.scenarios["shop"].model_copy(update={"signals": ["content"]})
    settings = project.settings.model_copy(
        update={
            "language": project.settings.language.model_copy(update=language),
            "tuning": project.settings.tuning.model_copy(update=BRIEF),
            "scenarios": {"shop": shop},
        }
    )
    run = Project(settings, project.base, project.config).train()
    home.rename(tmp_path / "after")
    folder = tmp_path / "after" / run.folder.relative_to(home)
    encoder = ItemEncoder.of_run(folder, json.loads((folder / "run.json").read_text(encoding="utf-8")))
    first = Project.open(tmp_path / "after" / hamlet.name).dataset.scenarios["shop"].catalogue
    title = first.title[0]
    row = {shop.items.id: "new", **dict.fromkeys(shop.items.text, title)}
    text = rows_of(shop, [row]).texts
    vectors = encoder.encode("shop", text)
    assert set(vectors) == set(VIEWS)
    assert all(recipe.reach is not None for recipe in encoder.views("shop").values())
    assert np.linalg.norm(vectors["tuned"]) == pytest.approx(1.0, abs=1e-5)


def test_another_language_model_is_refused(train: Train) -> None:
    trained = train(steps=0, scope="scenario", reach="unbounded")
    manifest = trained.manifest
    manifest[KEY]["fingerprints"]["shop"] = "0" * 64
    with pytest.raises(ModelError, match=r"this run was taught with another language model .* train again"):
        ItemEncoder.of_run(trained.folder, manifest).encode("shop", [UNSEEN])


def test_a_language_model_that_is_gone_is_asked_for(train: Train, tmp_path: Path) -> None:
    trained = train(steps=0, scope="scenario", reach="unbounded")
    manifest = trained.manifest
    manifest["settings"]["language"]["model"] = str(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="put it back where it lay when the run was trained"):
        ItemEncoder.of_run(trained.folder, manifest).encode("shop", [UNSEEN])


def test_damaged_weights_are_refused(train: Train, tmp_path: Path) -> None:
    trained = train(steps=0, scope="scenario", reach="unbounded")
    folder = shutil.copytree(trained.folder, tmp_path / "run")
    (folder / LANGUAGE / "0" / WEIGHTS).write_bytes(b"torn")
    encoder = ItemEncoder.of_run(folder, trained.manifest)
    with pytest.raises(ModelError, match="tune again"):
        encoder.encode("shop", [UNSEEN])
    assert encoder.encode("news", [UNSEEN])["tuned"].any(), "another scenario's are whole"


def test_an_unknown_scenario_is_refused_before_anything_is_loaded(train: Train) -> None:
    with pytest.raises(UnknownIdError, match="shop, news"):
        train("none").encoder.encode("video", [UNSEEN])


@pytest.mark.parametrize("damage", [None, {}, {"scenarios": {"shop": {"tuned": {"reach": -1}}}}])
def test_runs_without_an_encoder_are_refused(tmp_path: Path, damage: dict[str, Any] | None) -> None:
    manifest = {} if damage is None else {KEY: damage, "settings": {"language": {}, "runtime": {}}}
    with pytest.raises(RunError, match="train again"):
        ItemEncoder.of_run(tmp_path, manifest)


def test_nothing_heavy_is_imported_before_a_text_is_encoded() -> None:
    code = (
        "import sys; from pathlib import Path; from polyscene.runs.item_encoder import ItemEncoder; "
        "facts = {'fingerprint': '', 'base': '.', 'scenarios': {'shop': {'tuned': {}}}}; "
        "settings = {'language': {}, 'runtime': {}}; "
        "ItemEncoder.of_run(Path(), {'item_encoders': facts, 'settings': settings}); "
        "sys.exit(bool({'torch', 'transformers', 'peft'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
