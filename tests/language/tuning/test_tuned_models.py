"""Many tuned models over one backbone: each says its own, whoever puts up and takes down meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from polyscene.core.errors import ModelError, UnknownIdError
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import FloatArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import encode
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.files import save_tuned
from polyscene.language.tuning.methods import marked
from polyscene.language.tuning.tuned_models import TunedModels

Reading = Callable[..., CachedEncoder]
Sized = Callable[..., TuningDetails]
DRESSED: dict[str, str] = {
    "shop": "adapter",
    "news": "lora",
    "video": "prefix",
    "feed": "top",
    "ads": "adapter",
}


def tuned(backbone: LanguageModel, reading: Reading, method: str, seed: int) -> LanguageModel:
    """Return a model whose weights were moved far."""
    reader = reading(backbone, method)
    torch.manual_seed(seed)
    with torch.no_grad():
        for _, parameter in reader.every_parameter():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return marked(reader.model)


@pytest.fixture
def models(backbone: LanguageModel, reading: Reading) -> dict[str, LanguageModel]:
    return {
        name: tuned(backbone, reading, method, seed) for seed, (name, method) in enumerate(DRESSED.items())
    }


def test_models_are_listed_in_order(encoder: LanguageModel) -> None:
    shelf = TunedModels(encoder)
    assert list(shelf) == []
    for name in ("shop", "ads", "news"):
        shelf.put(name, encoder)
    assert list(shelf) == ["ads", "news", "shop"]
    assert len(shelf) == 3
    shelf.remove("news")
    assert list(shelf) == ["ads", "shop"]


def test_unknown_names_are_errors_that_list_the_known(encoder: LanguageModel) -> None:
    shelf = TunedModels(encoder)
    with pytest.raises(UnknownIdError, match="'shop', found none; put it up first"):
        shelf.get("shop")
    shelf.put("news", encoder)
    shelf.put("ads", encoder)
    for ask in (shelf.get, shelf.remove):
        with pytest.raises(UnknownIdError, match="'shop', found ads, news"):
            ask("shop")


def test_a_model_that_is_held_outlives_its_place(
    models: dict[str, LanguageModel], encoder: LanguageModel, tuning_texts: list[str]
) -> None:
    shelf = TunedModels(encoder)
    held = shelf.put("shop", models["shop"])
    before = encode(held, tuning_texts)
    shelf.remove("shop")
    shelf.put("shop", models["news"])
    np.testing.assert_array_equal(encode(held, tuning_texts), before)
    assert shelf.get("shop") is models["news"]


def test_models_come_from_folders_and_are_put_back_at_run_time(
    models: dict[str, LanguageModel],
    backbone: LanguageModel,
    sized: Sized,
    tuning_texts: list[str],
    tmp_path: Path,
) -> None:
    shelf = TunedModels(backbone)
    for name, model in models.items():
        save_tuned(model, backbone, DRESSED[name], sized(), tmp_path / name)
        shelf.put(name, tmp_path / name)
    shelf.remove("news")
    shelf.put("news", tmp_path / "news")
    for name, model in models.items():
        np.testing.assert_array_equal(
            encode(shelf.get(name), tuning_texts), encode(model, tuning_texts), err_msg=name
        )
        assert shelf.get(name).fingerprint == model.fingerprint


def test_what_cannot_be_loaded_replaces_nothing(
    models: dict[str, LanguageModel], backbone: LanguageModel, tmp_path: Path
) -> None:
    shelf = TunedModels(backbone)
    shelf.put("shop", models["shop"])
    with pytest.raises(ModelError, match="tune again"):
        shelf.put("shop", tmp_path / "nothing")
    assert shelf.get("shop") is models["shop"]


def test_the_backbone_is_in_memory_once(models: dict[str, LanguageModel], backbone: LanguageModel) -> None:
    places = {p.data_ptr() for p in backbone.module.parameters()}
    backbones = sum(p.numel() for p in backbone.module.parameters())
    for name, model in models.items():
        own = sum(p.numel() for p in model.module.parameters() if p.data_ptr() not in places)
        assert own < backbones, name
        assert sum(p.data_ptr() in places for p in model.module.parameters()) >= len(places) / 3


def test_each_says_its_own_while_others_are_switched(
    models: dict[str, LanguageModel], backbone: LanguageModel, tuning_texts: list[str]
) -> None:
    """Three threads read, one replaces and removes; every answer is one that a model gives alone."""
    alone = {name: encode(model, tuning_texts) for name, model in models.items()}
    alone["spare"] = encode(backbone, tuning_texts)
    assert min(_apart(alone)) > 0.01
    shelf, done = TunedModels(backbone), Event()
    for name, model in models.items():
        shelf.put(name, model)

    def read(names: list[str]) -> list[tuple[str, FloatArray]]:
        return [(name, encode(shelf.get(name), tuning_texts)) for name in names * 6]

    def switch() -> int:
        rounds = 0
        while not done.is_set() or not rounds:
            shelf.put("spare", backbone)
            shelf.put("ads", models["ads"])
            shelf.put("shop", models["shop"])
            shelf.remove("spare")
            rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as pool:
        switching = pool.submit(switch)
        orders = [list(models), list(models)[::-1], [*list(models)[2:], *list(models)[:2]]]
        answers = [pool.submit(read, names) for names in orders]
        try:
            results = [answer for future in answers for answer in future.result()]
        finally:
            done.set()
        assert switching.result() > 0
    assert len(results) == 3 * 6 * len(models)
    for name, vectors in results:
        np.testing.assert_allclose(vectors, alone[name], atol=1e-6, err_msg=name)
    assert list(shelf) == sorted(models)


def _apart(vectors: dict[str, FloatArray]) -> list[float]:
    rows = list(vectors.values())
    return [float(np.abs(one - other).max()) for at, one in enumerate(rows) for other in rows[:at]]
