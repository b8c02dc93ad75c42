from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config
from transformers.utils import logging

from polyscene.core.errors import ModelError
from polyscene.language.model import language_model
from polyscene.language.model.language_model import LanguageModel, chosen_autocast, chosen_device
from polyscene.language.model.loading import load_model

if TYPE_CHECKING:
    from tests.language.conftest import Listener, SettingsFor


def test_the_bundled_model_is_described(minilm: LanguageModel) -> None:
    assert (minilm.name, minilm.kind, minilm.pooling) == ("minilm", "encoder", "mean")
    assert (minilm.dimension, minilm.max_tokens, minilm.precision) == (384, 128, "float32")
    assert not minilm.module.training


def test_encoder_and_decoder_are_told_apart(bert: LanguageModel, llama: LanguageModel) -> None:
    assert (bert.kind, bert.pooling, bert.dimension) == ("encoder", "mean", 16)
    assert (llama.kind, llama.pooling, llama.dimension) == ("decoder", "last", 16)
    assert llama.tokenizer.pad_token == llama.tokenizer.eos_token == "</s>"


def test_length_is_bounded_by_the_position_table(bert_folder: Path, settings_for: SettingsFor) -> None:
    assert load_model(settings_for(bert_folder, max_tokens=8)).max_tokens == 8
    assert load_model(settings_for(bert_folder, max_tokens=500)).max_tokens == 24


def test_fingerprint_tells_models_apart_and_is_stable(
    tmp_path: Path, bert: LanguageModel, settings_for: SettingsFor, save_bert_in: Callable[[Path, int], Path]
) -> None:
    other = load_model(settings_for(save_bert_in(tmp_path / "other", 1)))
    again = load_model(settings_for(shutil.copytree(bert.name, tmp_path / "again")))
    assert bert.fingerprint == again.fingerprint
    assert bert.fingerprint != other.fingerprint


def test_published_pooling_is_used(tmp_path: Path, bert_folder: Path, settings_for: SettingsFor) -> None:
    folder = shutil.copytree(bert_folder, tmp_path / "m")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert load_model(settings_for(folder)).pooling == "cls"


def test_left_out_steps_are_told(
    tmp_path: Path, bert_folder: Path, settings_for: SettingsFor, listener: Listener
) -> None:
    folder = shutil.copytree(bert_folder, tmp_path / "m")
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense"}]')
    load_model(settings_for(folder), progress=listener)
    assert "without its step 'Dense'" in listener.lines[0]


def test_missing_weights_are_refused(tmp_path: Path, bert_folder: Path, settings_for: SettingsFor) -> None:
    folder = shutil.copytree(bert_folder, tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"not complete: 1 missing"):
        load_model(settings_for(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_damaged_files_are_refused(
    tmp_path: Path, bert_folder: Path, settings_for: SettingsFor, name: str
) -> None:
    folder = shutil.copytree(bert_folder, tmp_path / "m")
    (folder / name).write_bytes((folder / name).read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(settings_for(folder))


def test_code_that_comes_with_a_model_is_never_run(
    tmp_path: Path, bert_folder: Path, settings_for: SettingsFor
) -> None:
    folder = shutil.copytree(bert_folder, tmp_path / "m")
    marker = tmp_path / "was_run"
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(settings_for(folder))
    assert not marker.exists()


def test_encoder_decoder_models_are_refused(
    tmp_path: Path, bert_folder: Path, settings_for: SettingsFor
) -> None:
    folder = shutil.copytree(bert_folder, tmp_path / "m")
    T5Config().save_pretrained(folder)
    with pytest.raises(ModelError, match="which is both"):
        load_model(settings_for(folder))


def test_loading_is_silent_and_leaves_transformers_as_it_was(
    bert_folder: Path, settings_for: SettingsFor, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (logging.get_verbosity(), logging.is_progress_bar_enabled())
    load_model(settings_for(bert_folder))
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_device_that_is_not_here_is_refused() -> None:
    assert chosen_device("cpu") == torch.device("cpu")
    for name in ("nonsense", "cuda:99"):
        with pytest.raises(ModelError, match="expected a device that is here"):
            chosen_device(name)


@pytest.mark.parametrize(
    ("precision", "fast", "expected"),
    [
        ("auto", True, torch.bfloat16),
        ("auto", False, None),
        ("float32", True, None),
        ("bfloat16", False, torch.bfloat16),
    ],
)
def test_bfloat16_is_used_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, precision: str, fast: bool, expected: torch.dtype | None
) -> None:
    monkeypatch.setattr(language_model, "has_fast_bfloat16", lambda: fast)
    assert chosen_autocast(precision, torch.device("cpu")) is expected


def test_gradients_flow_through_embed(bert: LanguageModel) -> None:
    ids = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])
    bert.embed(ids, (ids != 0).long()).sum().backward()  # type: ignore[no-untyped-call]
    gradient = bert.module.get_input_embeddings().weight.grad  # type: ignore[operator]
    assert gradient[5].abs().sum() > 0
