"""`benchmarks/defaults.py`: which values are chosen without a set, and what that costs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from polyscene.core.settings.project import Settings

Script = Callable[[str], ModuleType]
SETS = ("amazon_beauty", "amazon_toys", "amazon_books")
TABLES = {
    "items": {"path": "i.csv", "id": "i"},
    "events": {"path": "e.csv", "user": "u", "item": "i"},
}
PLAIN: dict[str, Any] = {"name": "plain", "scenarios": {"shop": TABLES}}
RANKS = {
    "amazon_beauty": {12: 30.0, 6: 1.0},
    "amazon_toys": {12: 1.0, 6: 2.0},
    "amazon_books": {12: 1.0, 6: 2.0},
}
"""With 6 epochs one set gains all there is, and two lose a third."""


@pytest.fixture
def defaults(script: Script, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script with one setting to choose, and planted outcomes."""
    module = script("defaults")
    monkeypatch.setattr(module, "CHOICES", {"fusion.epochs": (12, 6)})

    def judged(self: object, name: str, changes: Mapping[str, float], part: str) -> dict[str, Any]:
        rank = RANKS[name][int(changes.get("fusion.epochs", 12))]
        return {"users": np.arange(5), "ranks": np.array([1.0, 1.0, 1.0, 1.0, rank])}

    monkeypatch.setattr(module.Trials, "_judged", judged)
    return module


def test_a_set_has_no_say_in_what_is_chosen_without_it(defaults: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "defaults.json"
    assert defaults.main(["--sets", *SETS, "--work", str(tmp_path), "--json", str(out)]) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["chosen with all"] == {"fusion.epochs": 6}, "the one gain outweighs both losses"
    chosen = {name: row["chosen"] for name, row in report["sets"].items()}
    assert chosen == {
        "amazon_beauty": {},
        "amazon_toys": {"fusion.epochs": 6},
        "amazon_books": {"fusion.epochs": 6},
    }
    beauty = report["sets"]["amazon_beauty"]
    assert (beauty["default"], beauty["without"], beauty["with"]) == (0.8, 0.8, 1.0)
    assert beauty["without less with"][0] == pytest.approx(-0.2)
    assert report["sets"]["amazon_toys"]["without less with"] == [0.0, 0.0, 0.0]


def test_what_was_trained_is_not_trained_again(
    defaults: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--sets", *SETS[:2], "--work", str(tmp_path)]
    assert defaults.main(words) == 0

    def again(*arguments: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(defaults.Trials, "_judged", again)
    assert defaults.main(words) == 0
    with pytest.raises(AssertionError):
        defaults.main([*words, "--seed", "8"])


def test_one_set_alone_is_refused(defaults: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert defaults.main(["--sets", "amazon_beauty"]) == 1
    assert "expected two sets" in capsys.readouterr().err


def test_settings_are_named_by_their_path(script: Script) -> None:
    settings = Settings.parse(PLAIN)
    other = script("defaults").changed(settings, {"signals.linear.ridge": 30.0, "fusion.epochs": 6})
    assert other.signal("linear").ridge == 30.0
    assert other.fusion.epochs == 6
    assert other.language.tuning == "none"
    assert settings.fusion.epochs == 12


def test_every_setting_begins_with_its_default(script: Script) -> None:
    settings = Settings.parse(PLAIN)
    for path, values in script("defaults").CHOICES.items():
        block, *names = path.split(".")
        home = settings.fusion if block == "fusion" else settings.signal(names[0])
        assert getattr(home, names[-1]) == values[0], path
