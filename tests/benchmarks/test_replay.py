from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from polyscene.serving.stores.opening import open_stores

Script = Callable[[str], ModuleType]


def test_every_slate_comes_again_and_another_would_be_noticed(
    script: Script,
    village_tables: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    replay = script("replay")
    config = village_tables(tmp_path / "replay")
    monkeypatch.setattr(replay, "EVERY", {"events": 3, "item": 8, "rules": 10, "swap": 12, "kill": 20})
    monkeypatch.setattr(replay, "EVERY_ERASURE", 5)
    words = ["--work", str(tmp_path), "--slates"]
    assert replay.main([*words, "26", "--erased", "0"]) == 0
    data = next(path for path in (tmp_path / "replay" / "service").iterdir() if path.name.startswith("log"))
    events, decisions = open_stores(data, "")
    records = [record for _, record in decisions.since(0, 99)]
    decisions.erase(records[-1].user)
    wrong = replace(records[-1], id="wrong", scores=records[-1].scores[4:] + records[-1].scores[:4])
    decisions.record([wrong])
    kept = [record.id for _, record in decisions.since(0, 99)]
    events.close()
    decisions.close()
    again = replay.compared(data, config, kept, True)
    assert again.differently_computed == ["wrong"]
    assert again.recomputed == len(kept) - 1 > 15

    assert replay.main([*words, "10", "--erased", "1"]) == 0
    assert "erasure" in capsys.readouterr().out
