"""Choices are ranked as if little was known of people, by fusions that met such people and by others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from polyscene.data.queries import Choices, Histories, Queries

Script = Callable[[str], ModuleType]
FEW_EPOCHS = """
[fusion]
epochs = 2

[evaluation]
protocol = "leave_last_out"
"""


def test_what_is_left_out_of_a_history_was_had(script: Script) -> None:
    past, had = Histories.of([[1, 2, 3], [4]]), Histories.of([[], [9]])
    queries = Queries(np.array([5, 6], np.int32), np.array([9, 9]), past, {}, had)
    short = script("short_histories").of_few_events(Choices(queries, np.array([7, 8], np.int32)), 1).queries
    assert short.history.items.tolist() == [3, 4]
    assert (short.had.offsets.tolist(), short.had.items.tolist()) == ([0, 2, 3], [1, 2, 9])
    assert short.user.tolist() == [-1, -1]


def test_both_ways_are_judged_at_every_length(
    script: Script,
    songs_config: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config, out = songs_config(FEW_EPOCHS), tmp_path / "short.json"
    words = ["--config", str(config), "--work", str(tmp_path), "--seeds", "3", "--json", str(out)]
    assert script("short_histories").main(words) == 0
    rows = json.loads(out.read_text(encoding="utf-8"))["scenarios"]["songs"]
    assert list(rows) == ["1", "2", "3", "5", "10", "50"]
    for row in rows.values():
        assert 0 < row["without"] <= 1
        difference = row["difference"]
        assert difference["mean"] == pytest.approx(row["with"] - row["without"])
        assert difference["low"] <= difference["mean"] <= difference["high"]
    assert len({row["popularity"] for row in rows.values()}) == 1
    assert "popularity" in capsys.readouterr().out
