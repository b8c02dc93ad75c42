import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_folder_that_was_never_seen_is_trained_and_judged(never_seen: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    command: list[str | Path] = [
        sys.executable,
        HERE / "evaluate.py",
        "--data",
        never_seen,
        "--json",
        out,
        "--seed",
        "5",
    ]
    done = subprocess.run([*command, "--work", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(out.read_text(encoding="utf-8"))
    (results,) = summary["scenarios"].values()
    assert summary["seed"] == 5
    assert results["users"] > 0
    assert {"polyscene", "popularity", "transitions"} <= set(results["models"])
    assert {"hr@10", "ndcg@10", "mrr", "auc"} <= set(results["models"]["polyscene"])
    assert results["models"]["polyscene"]["ndcg@10"] > results["models"]["popularity"]["ndcg@10"]
    assert summary["cost"]["train"]["seconds"] > 0
    assert summary["cost"]["evaluate"]["peak_mb"] >= summary["cost"]["train"]["peak_mb"] > 50
    assert "transitions" in done.stdout
    assert not (never_seen / "runs").exists()


def test_what_cannot_be_used_ends_in_a_clear_error(
    script: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert script("evaluate").main(["--data", str(tmp_path / "empty"), "--work", str(tmp_path)]) == 1
    assert "no table looks like events" in capsys.readouterr().err
    assert script("evaluate").main(["--work", str(tmp_path)]) == 1
    assert "--set amazon_beauty" in capsys.readouterr().err
