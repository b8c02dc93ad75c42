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
