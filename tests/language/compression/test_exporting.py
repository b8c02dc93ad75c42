"""Graphs say what torch says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from polyscene.core.errors import MissingExtraError, ModelError
from polyscene.language.compression import runtimes
from polyscene.language.compression.compressing import Candidate, compressed
from polyscene.language.compression.exporting import export
from polyscene.language.compression.opening import open_compressed
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.text.encoding import encode

if TYPE_CHECKING:
    from tests.language.conftest import SettingsFor

MORE = ["red", "the blue shoe for the women and the kids and the men", "", "red"]


@pytest.fixture(scope="module", params=["bert_folder", "llama_folder"])
def model(request: pytest.FixtureRequest, settings_for: SettingsFor) -> LanguageModel:
    return load_model(settings_for(request.getfixturevalue(request.param)))


@pytest.fixture(scope="module")
def graph(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    return export(model, tmp_path_factory.mktemp("onnx"), "onnx")


@pytest.fixture(params=["onnx", "openvino"])
def candidate(
    request: pytest.FixtureRequest, model: LanguageModel, graph: Candidate, tmp_path: Path
) -> Candidate:
    if request.param == "onnx":
        return graph
    pytest.importorskip("openvino")
    graph.save(tmp_path / "between")
    return export(model, tmp_path / "written", "openvino", tmp_path / "between" / "model.onnx")


def test_a_graph_encodes_as_torch_does(
    model: LanguageModel, candidate: Candidate, texts: list[str], tmp_path: Path
) -> None:
    smaller = compressed(model, candidate, texts)
    expected = encode(model, texts + MORE)
    np.testing.assert_allclose(encode(smaller.model, texts + MORE), expected, atol=1e-4)
    smaller.save(tmp_path / "copied")
    again = open_compressed(tmp_path / "copied", "float32")
    np.testing.assert_allclose(encode(again, texts + MORE, batch_tokens=1), expected, atol=1e-4)
    assert (again.kind, again.pooling, again.max_tokens) == (model.kind, model.pooling, model.max_tokens)
    assert open_compressed(tmp_path / "copied", max_tokens=8).max_tokens == 8
    assert smaller.loss.mb_after > 0


@pytest.mark.parametrize(("form", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_damaged_graph_is_told(form: runtimes.Form, package: str, tmp_path: Path) -> None:
    pytest.importorskip(package)
    (tmp_path / runtimes.FILES[form]).write_text("nothing", encoding="utf-8")
    opened = runtimes.OnnxModule if form == "onnx" else partial(runtimes.OpenVinoModule, precision="float32")
    with pytest.raises(ModelError, match="cannot be read"):
        opened(tmp_path, 10)


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'polyscene\[onnx\]'"):
        runtimes.extra("a_package_nobody_has", "onnx")
