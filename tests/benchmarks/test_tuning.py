"""`benchmarks/tuning.py` on a folder that it has never seen: every part, its table and its file."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Ran = Callable[..., dict[str, Any]]


@pytest.fixture
def ran(script: Callable[[str], ModuleType], never_seen: Path, tmp_path: Path) -> Ran:
    """Run the command on the songs and return its JSON."""

    def run(*options: str) -> dict[str, Any]:
        out = tmp_path / "found.json"
        command = ["--data", str(never_seen), "--work", str(tmp_path), "--json", str(out), "--seed", "5"]
        assert script("tuning").main([*command, *options]) == 0
        results: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return results

    return run


def test_before_and_after_are_judged_on_the_same_choices(
    ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    results = ran()
    (row,) = results["scenarios"].values()
    for model in ("content", "polyscene"):
        gain = row[model]["after"]["ndcg@10"] - row[model]["before"]["ndcg@10"]
        assert row[model]["difference"]["mean"] == pytest.approx(gain)
        assert row[model]["difference"]["low"] <= gain <= row[model]["difference"]["high"]
    assert results["method"] == "top"
    assert set(results["models"]) == {"none", "top"}
    assert results["machine"]["cpus"] >= 1
    assert "difference of ndcg@10" in capsys.readouterr().out


def test_hidden_items_are_new_when_they_are_judged(ran: Ran) -> None:
    results = ran("--part", "new_items")
    (row,) = results["scenarios"].values()
    assert results["hidden"] == 0.1
    assert row["choices"] > 0


def test_the_tuned_part_is_timed_beside_a_full_loop(ran: Ran) -> None:
    speed = ran("--part", "speed", "--batch", "16")["speed"]
    assert set(speed) == {"projection", "top 1", "top 2", "plain full loop"}
    assert speed["plain full loop"]["ratio"] == 1
    assert all(row["samples_per_s"] > 0 for row in speed.values())


def test_one_method_says_what_it_did(
    script: Callable[[str], ModuleType],
    never_seen: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["--data", str(never_seen), "--work", str(tmp_path), "--steps", "2", "--batch", "16"]
    assert script("tuning").main([*command, "--part", "methods", "--method", "adapter"]) == 0
    results = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert results["weights"] > 0
    assert results["file_mb"] < 91
    assert results["seconds"] > 0


def test_nothing_before_has_no_ratio(script: Callable[[str], ModuleType]) -> None:
    tuning = script("tuning")
    assert tuning._ratio(0.02, 0.05) == "2.50"
    assert tuning._ratio(0.0, 0.05) == "–"
