import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from polyscene.serving.stores.opening import open_stores

Script = Callable[[str], ModuleType]


def test_every_slate_comes_again_and_another_is_noticed(
    script: Script,
    village_tables: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    replay = script("replay")
    village_tables(tmp_path / "replay")
    monkeypatch.setattr(replay, "EVERY", {"events": 3, "item": 8, "rules": 10, "swap": 12, "kill": 20})
    monkeypatch.setattr(replay, "EVERY_ERASURE", 5)
    compared = replay.compared

    def compared_with_a_wrong_one(data: Path, config: Path, asked: Sequence[str], recompute: bool) -> Any:
        return compared(data, config, [*asked, put_wrong(data)] if recompute else asked, recompute)

    monkeypatch.setattr(replay, "compared", compared_with_a_wrong_one)
    results = tmp_path / "results.json"
    words = ["--work", str(tmp_path), "--slates", "32", "--erased", "0.2", "--json", str(results)]
    assert replay.main(words) == 1
    assert "erasure" in capsys.readouterr().out
    log, erasures = (json.loads(results.read_text(encoding="utf-8"))[name] for name in ("log", "erasures"))
    assert log["differently_computed"] == ["wrong"]
    assert log["recomputed"] == log["kept"] - 1 > 15
    assert not log["differently_drawn"]
    assert not log["unreached"]
    assert erasures["redrawn"] == erasures["kept"] > 0


def put_wrong(data: Path) -> str:
    """Put a decision into the log that nobody can have computed, in the place of the last; return its id."""
    events, decisions = open_stores(data, "")
    last = [record for _, record in decisions.since(0, 99)][-1]
    decisions.erase(last.user)
    decisions.record([replace(last, id="wrong", scores=bytes([last.scores[0] ^ 1]) + last.scores[1:])])
    events.close()
    decisions.close()
    return "wrong"
