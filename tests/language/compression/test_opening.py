"""Compressed folders are models like others: found, told apart, and refused where they cannot learn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from polyscene.core.errors import ModelError
from polyscene.core.settings.language import TUNING_METHODS
from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.exporting import export
from polyscene.language.compression.folders import WEIGHTS
from polyscene.language.compression.heads import drop_heads
from polyscene.language.compression.int8 import to_int8
from polyscene.language.compression.sparsity import sparsify
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.sources import fingerprint, is_compressed, locate
from polyscene.language.ranking.cross_encoder_tuning import CrossEncoderTuning, tuned
from polyscene.language.text.encoding import encode
from polyscene.language.tuning.methods import dressed, must_be_tunable

if TYPE_CHECKING:
    from tests.language.conftest import SettingsFor

METHODS: tuple[str, ...] = tuple(TUNING_METHODS)
TEXTS = ["red shoe", "the blue dress for women", "phone case", "water proof boot for kids"]
DETAILS = TuningDetails(rank=2, bottleneck=2, prefix_tokens=2)
WAYS: dict[str, Callable[[LanguageModel], Candidate]] = {
    "heads": lambda model: drop_heads(model, TEXTS, 0.75),
    "sparse": lambda model: sparsify(model, 0.5),
    "int8": lambda model: to_int8(model, TEXTS),
}


@pytest.fixture(params=WAYS)
def candidate(request: pytest.FixtureRequest, bert: LanguageModel) -> Candidate:
    return WAYS[request.param](bert)


@pytest.fixture
def int8_folder(bert: LanguageModel, tmp_path: Path) -> Path:
    to_int8(bert, TEXTS).save(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def graph(bert_folder: Path, settings_for: SettingsFor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("graph")
    export(load_model(settings_for(bert_folder)), folder, "onnx")
    return folder


@pytest.fixture
def graph_folder(graph: Path, tmp_path: Path) -> Path:
    """Return a graph's folder that may be damaged."""
    return shutil.copytree(graph, tmp_path / "graph")


def test_settings_name_a_compressed_folder(
    candidate: Candidate, settings_for: SettingsFor, tmp_path: Path
) -> None:
    candidate.save(tmp_path / "small")
    settings = settings_for("small", max_tokens=8)
    again = load_model(settings, tmp_path)
    assert (again.name, again.max_tokens, again.precision) == ("small", 8, "float32")
    assert again.fingerprint == fingerprint(locate(settings, tmp_path))
    np.testing.assert_allclose(encode(again, TEXTS), encode(candidate.model, TEXTS), atol=1e-6)


def test_settings_name_a_graph(bert: LanguageModel, graph_folder: Path, settings_for: SettingsFor) -> None:
    again = load_model(settings_for(graph_folder))
    np.testing.assert_allclose(encode(again, TEXTS), encode(bert, TEXTS), atol=1e-4)
    (graph_folder / "model.onnx").write_bytes((graph_folder / "model.onnx").read_bytes() + b" ")
    assert fingerprint(graph_folder) != again.fingerprint


def test_the_fingerprint_follows_what_was_compressed(
    bert_folder: Path, int8_folder: Path, tmp_path: Path
) -> None:
    assert is_compressed(int8_folder)
    assert not is_compressed(bert_folder)
    copy = tmp_path / "copy"
    shutil.copytree(int8_folder, copy, ignore=shutil.ignore_patterns("copy"))
    seen = {fingerprint(int8_folder)}
    assert fingerprint(copy) in seen
    for name in (WEIGHTS, "compressed.json", "tokenizer.json"):
        with (copy / name).open("ab") as file:
            file.write(b" ")
        seen.add(fingerprint(copy))
    assert len(seen) == 4


def test_missing_weights_are_told(int8_folder: Path, settings_for: SettingsFor) -> None:
    (int8_folder / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"cannot be loaded: .*compress the model again"):
        load_model(settings_for(int8_folder))


def test_eight_bits_stay_on_the_processor(
    bert: LanguageModel, int8_folder: Path, tmp_path: Path, settings_for: SettingsFor
) -> None:
    assert load_model(settings_for(int8_folder, device="auto")).device == torch.device("cpu")
    with pytest.raises(ModelError, match=r"expected a processor .* found 'meta'; set \[language\] device"):
        load_model(settings_for(int8_folder, device="meta"))
    sparsify(bert, 0.5).save(tmp_path / "sparse")
    moved = load_model(settings_for(tmp_path / "sparse", device="meta"))
    assert {part.device.type for part in moved.module.parameters()} == {"meta"}


@pytest.mark.parametrize(("folder", "why"), [("int8_folder", "eight bits"), ("graph_folder", "its layers")])
def test_what_cannot_learn_is_refused(
    folder: str, why: str, request: pytest.FixtureRequest, settings_for: SettingsFor
) -> None:
    model = load_model(settings_for(request.getfixturevalue(folder)))
    for method in METHODS:
        with pytest.raises(ModelError, match=rf"{why}.*set \[language\] tuning = 'none'"):
            dressed(model, method, DETAILS)


def test_pairs_are_not_learnt_in_eight_bits(int8_folder: Path, settings_for: SettingsFor) -> None:
    model = load_model(settings_for(int8_folder))
    with pytest.raises(ModelError, match=r"eight bits.*set \[text_ranker\] steps = 0"):
        tuned(model, TEXTS, np.ones(len(TEXTS)), CrossEncoderTuning(steps=1))


@pytest.mark.parametrize("method", METHODS)
def test_fewer_heads_learn_by_all_methods_but_a_prefix(
    method: str, bert: LanguageModel, tmp_path: Path, settings_for: SettingsFor
) -> None:
    must_be_tunable(bert, method)
    drop_heads(bert, TEXTS, 0.75).save(tmp_path)
    model = load_model(settings_for(tmp_path))
    if method == "prefix":
        with pytest.raises(ModelError, match="heads were taken out"):
            dressed(model, method, DETAILS)
        return
    worn = dressed(model, method, DETAILS)
    assert np.isfinite(encode(worn, TEXTS)).all()
