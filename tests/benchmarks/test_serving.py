import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Script = Callable[[str], ModuleType]


def test_requests_and_events_are_measured(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serving = script("serving")
    assert serving.main(["--items", "60", "--requests", "20", "--json", str(tmp_path / "serving.json")]) == 0
    text = capsys.readouterr().out
    assert "slate with reasons" in text
    assert "durable per second" in text
    assert (tmp_path / "serving.json").is_file()


def test_slates_are_measured_beside_a_job(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bulk.json"
    words = ["--items", "60", "--requests", "20", "--bulk", "20", "--json", str(path)]
    assert script("serving").main(words) == 0
    assert "beside a job" in capsys.readouterr().out
    results = json.loads(path.read_text(encoding="utf-8"))
    assert results["job"]["rows"] == 20
    assert results["beside a job"]["max_ms"] >= results["beside a job"]["p50_ms"] > 0
