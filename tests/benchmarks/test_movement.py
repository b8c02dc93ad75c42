"""An item pushed by bots on a small shop: it moves, and is set back to where it stood."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

Script = Callable[[str], ModuleType]


def test_a_small_shop_is_attacked_and_set_back(script: Script, never_seen: Path, tmp_path: Path) -> None:
    out = tmp_path / "movement.json"
    arguments = ["--data", str(never_seen), "--work", str(tmp_path), "--days", "1", "--json", str(out)]
    assert script("movement").main(arguments) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    steps = report["attack"]["steps"]
    assert steps["after it"]["bias"] > steps["before the bots"]["bias"]
    assert steps["set back"]["bias"] == steps["before the bots"]["bias"]
    assert steps["set back"]["distance"] == steps["before the bots"]["distance"]
    assert report["attack"]["kinds"]["own"]["moves"] >= report["bots"]
    (refit,) = report["refits"]
    assert refit["day"] == 1
    assert 0 <= refit["slates"] <= 1
