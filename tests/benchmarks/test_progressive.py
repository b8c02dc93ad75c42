from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Script = Callable[[str], ModuleType]


def test_a_stream_is_judged_with_and_without_learning(
    script: Script, never_seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "stream.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYSCENE_LANGUAGE__TUNING", "none")
        words = ["--data", str(never_seen), "--choices", "40", "--work", str(tmp_path), "--json", str(out)]
        assert script("progressive").main(words) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    (row,) = results["scenarios"].values()
    assert row["choices"] == 40
    assert row["models"]["neighbours"]["ndcg"] > row["models"]["neighbours"]["standing_still"]
    mean, low, high = row["over_standing_still"]
    assert low <= mean <= high
    assert {"machine", "versions", "cost"} <= set(results)
    assert "standing still" in capsys.readouterr().out
