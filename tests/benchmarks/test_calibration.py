"""Probabilities are judged by what was promised and what was kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

Script = Callable[[str], ModuleType]


def test_a_folder_that_was_never_seen_is_judged(
    script: Script, never_seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "calibration.json"
    words = ["--data", str(never_seen), "--json", str(out), "--work", str(tmp_path), "--tuning", "none"]
    assert script("calibration").main(words) == 0
    (row,) = json.loads(out.read_text(encoding="utf-8"))["scenarios"].values()
    assert row["choices"] > 0
    assert row["not open"] == 0
    assert 0 < row["loss"][0] < row["loss by events"], "who walks in a ring can be foretold"
    assert 0 <= row["best"][1] <= row["best ten"][1] <= 1
    assert len(row["bins"]["promised"]) == len(row["bins"]["kept"])
    assert "best ten: promised" in capsys.readouterr().out


def test_the_error_is_the_distance_of_promise_and_outcome(script: Script) -> None:
    promises = script("calibration").Promises
    promised = np.tile([0.8, 0.2], (100, 1))
    kept = np.zeros((100, 2), np.bool_)
    kept[:80, 0] = kept[80:, 1] = True
    assert promises(np.zeros(100), promised, kept).error == pytest.approx(0.0)
    assert promises(np.zeros(100), promised, ~kept).error == pytest.approx(0.6)


def test_what_cannot_be_used_ends_in_a_clear_error(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script("calibration").main(["--work", str(tmp_path)]) == 1
    assert "--set amazon_beauty" in capsys.readouterr().err
