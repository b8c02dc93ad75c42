import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

Script = Callable[[str], ModuleType]
EVENTS = 4000


def test_every_step_is_measured(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scale, out = script("scale"), tmp_path / "scale.json"
    monkeypatch.setattr(scale, "measure", lambda step, folder: scale.STEPS[step](folder).to_json())
    assert scale.main(["--events", str(EVENTS), "--work", str(tmp_path), "--json", str(out)]) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    assert results["events"] == EVENTS
    assert list(results["steps"]) == ["load", "check", "popularity", "transitions", "train"]
    assert all(cost["peak_mb"] > 0 for cost in results["steps"].values())
    assert {"machine", "versions"} <= set(results)
    assert "transitions" in capsys.readouterr().out


def test_a_step_runs_in_a_process_of_its_own(script: Script, tmp_path: Path) -> None:
    scale = script("scale")
    scale.generate(tmp_path, EVENTS, seed=1)
    assert pl.read_parquet(tmp_path / "events.parquet").height == EVENTS
    assert set(scale.measure("check", tmp_path)) == {"seconds", "processor_seconds", "peak_mb"}


def test_the_seed_rules_the_events(script: Script, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        script("scale").generate(tmp_path / name, EVENTS, seed)
    a, b, c = (pl.read_parquet(tmp_path / name / "events.parquet") for name in "abc")
    assert a.equals(b)
    assert not a.equals(c)
