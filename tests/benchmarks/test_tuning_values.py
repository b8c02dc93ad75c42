"""Values of one key of tuning are compared on choices that no test part holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from polyscene.core.errors import ConfigError
from polyscene.core.settings.project import Settings

Script = Callable[[str], ModuleType]
TABLES = {"items": {"path": "i", "id": "i"}, "events": {"path": "e", "user": "u", "item": "i"}}


def test_a_value_is_put_in_the_place_of_another(script: Script) -> None:
    settings = Settings.parse({"scenarios": {"a": TABLES}, "tuning": {"history": 4}})
    changed = script("tuning_values").with_value(settings, "projection_batch", "128")
    assert (changed.tuning.projection_batch, changed.tuning.history) == (128, 4)
    with pytest.raises(ConfigError, match="projection_batch"):
        script("tuning_values").with_value(settings, "projection_batch", '"many"')
    with pytest.raises(ConfigError, match="batches"):
        script("tuning_values").with_value(settings, "batches", "3")


def test_values_are_judged_on_the_same_choices(
    script: Script, never_seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "values.json"
    words = ["--data", str(never_seen), "--work", str(tmp_path), "--json", str(out)]
    assert script("tuning_values").main([*words, "--key", "projection_steps", "--values", "2", "2", "0"]) == 0
    values = json.loads(out.read_text(encoding="utf-8"))["values"]
    assert list(values) == ["2", "0"]
    (same,) = values["2"]["scenarios"].values()
    assert same["difference"]["mean"] == 0
    assert "projection_steps" in capsys.readouterr().out
