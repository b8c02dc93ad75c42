import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Script = Callable[[str], ModuleType]


def test_users_at_once_get_what_each_gets_alone(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bulk, out = script("bulk"), tmp_path / "bulk.json"
    monkeypatch.setattr(bulk, "ALONE", 20)
    arguments = ["--items", "120", "--items", "2100", "--users", "40", "--json", str(out)]
    assert bulk.main(arguments) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    assert [one["items"] for one in results["catalogues"]] == [120, 2100]
    for one in results["catalogues"]:
        assert one["same_slates"] == 1.0
        assert one["users_per_second"] > 0 < one["users_per_second_one_by_one"]
    assert {"machine", "versions"} <= set(results)
    assert "100.0 %" in capsys.readouterr().out
