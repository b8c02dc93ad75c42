"""What is known of the bundled model without loading it is what loading it says."""

from __future__ import annotations

import pytest

from polyscene.core.settings.language import TUNING_METHODS, LanguageSettings
from polyscene.language.model.inspection import KNOWN_METHODS, inspected
from polyscene.language.model.loading import load_model
from polyscene.language.text.coverage import measure_coverage
from polyscene.language.tuning.methods import must_be_tunable

TEXTS = [
    "A cast-iron pan, 28 cm",
    "Ein gußeisernes Töpfchen",
    "鋳鉄のフライパン",
    "XK-42/ZZ9",
    "",
    "чугунная сковорода",
]


def test_facts_are_those_of_the_loaded_model() -> None:
    settings = LanguageSettings(device="cpu")
    facts, model = inspected(settings), load_model(settings)
    assert facts is not None
    assert (facts.name, facts.kind, facts.dimension) == (model.name, model.kind, model.dimension)
    assert facts.precision == model.precision
    assert measure_coverage(facts.tokenizer, TEXTS) == measure_coverage(model.tokenizer, TEXTS)
    for method in KNOWN_METHODS - {"none"}:
        must_be_tunable(model, method)


def test_methods_that_are_known_exist() -> None:
    assert set(TUNING_METHODS) >= KNOWN_METHODS


@pytest.mark.parametrize("settings", [{"model": "intfloat/e5-small"}, {"device": "cuda"}])
def test_any_other_model_has_to_be_loaded(settings: dict[str, str]) -> None:
    assert inspected(LanguageSettings(**settings)) is None
