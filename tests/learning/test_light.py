"""Where the light language model cannot stand, it is refused with what can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polyscene.core.errors import ConfigError, ModelError
from polyscene.core.progress import Silent
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.text_ranker import TextRankerSettings
from polyscene.language.model.loading import load_models
from polyscene.language.model.sources import fingerprint, locate
from polyscene.learning.backbone import Backbone
from polyscene.learning.compressing import original
from polyscene.learning.item_views import ViewRecipe
from polyscene.learning.light_reader import LightReader

LIGHT = LanguageSettings(model="light")
TEXT = "a red kettle with a lid of blue enamel, and a long story about who made it and why"


def test_it_reads_no_pairs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'light', which reads no pairs"):
        Backbone(LIGHT, tmp_path).must_suit(TextRankerSettings(reader="pair"))


def test_it_is_not_compressed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="which is small as it came; name another model"):
        original(LIGHT, tmp_path, Silent())


def test_another_version_than_the_run_s_is_refused() -> None:
    with pytest.raises(ModelError, match=r"taught with another version .* train again"):
        LightReader(LIGHT, "0" * 64)


def test_a_bound_holds_new_texts() -> None:
    reader = LightReader(LIGHT, fingerprint(locate(LIGHT)))
    lead = reader.read([TEXT[:12]], ViewRecipe())[0]
    free = reader.read([TEXT], ViewRecipe())[0]
    held = reader.read([TEXT], ViewRecipe(reach=0.1, lead_chars=12))[0]
    assert free @ lead < 0.99 < held @ lead
    np.testing.assert_allclose(np.linalg.norm(held), 1.0, atol=1e-5)


def test_scenarios_of_one_model_share_it() -> None:
    usual = LanguageSettings(model="light")
    models = load_models({"shop": usual, "news": usual, "video": LanguageSettings(tuning="none")})
    assert models["shop"] is models["news"]
    assert [model.dimension for model in models.values()] == [512, 512, 384]
