"""The two ways differ in nothing but the signal, and the text is what it is told to be."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from types import ModuleType

import pytest

from polyscene.core.settings.project import Settings

Script = Callable[[str], ModuleType]
SETTINGS = {
    "scenarios": {
        "a": {
            "template": "{title}. {genres}",
            "items": {"path": "i", "id": "i", "text": ["title", "genres"], "categorical": ["genres"]},
            "events": {"path": "e", "user": "u", "item": "i"},
        }
    }
}


@pytest.mark.parametrize("way", ["with", "without"])
def test_a_way_of_training(script: Script, way: str) -> None:
    attributes = script("attributes")
    options = Namespace(text="title", tuning="none")
    settings = attributes.settings_of(Settings.parse(SETTINGS), way, 11, options)
    one = settings.scenarios["a"]
    assert ("attributes" in one.signals) is (way == "with")
    assert (one.template, one.items.text, settings.seed, settings.language.tuning) == (
        "{title}",
        ["title"],
        11,
        "none",
    )


def test_what_counts_is_told_with_its_evidence(script: Script) -> None:
    parts = {"a": {"weights": {"year": 0.25}, "gain": 0.1, "bounds": [0.05, 0.15], "choices": 40}}
    row = {"content": 0.1, "attributes": 0.2, "difference": [0.1, 0.05, 0.15]}
    text = script("attributes").shown_parts({"parts": parts, "seed": 7, "alone": {"a": {"all": row}}})
    assert "beside the text count year 0.25" in text
    assert "40 choices +0.1000 [+0.0500, +0.1500]" in text
    assert "alone, all: content 0.1000, attributes 0.2000, +0.1000 [+0.0500, +0.1500]" in text
