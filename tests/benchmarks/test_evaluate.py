import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from polyscene.core.errors import ConfigError
from polyscene.core.settings.project import Settings
from polyscene.core.settings.signals import USUAL_SIGNALS

Script = Callable[[str], ModuleType]


def test_a_folder_that_was_never_seen_is_trained_and_judged(
    script: Script, never_seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    words = ["--data", str(never_seen), "--json", str(out), "--seed", "5", "--work", str(tmp_path)]
    assert script("evaluate").main(words) == 0
    summary = json.loads(out.read_text(encoding="utf-8"))
    (results,) = summary["scenarios"].values()
    assert summary["seed"] == 5
    assert results["users"] > 0
    assert {"polyscene", "popularity", "transitions"} <= set(results["models"])
    assert {"hr@10", "ndcg@10", "mrr", "auc"} <= set(results["models"]["polyscene"])
    assert results["models"]["polyscene"]["ndcg@10"] > results["models"]["popularity"]["ndcg@10"]
    assert summary["cost"]["train"]["seconds"] > 0
    assert summary["cost"]["evaluate"]["peak_mb"] >= summary["cost"]["train"]["peak_mb"] > 50
    assert "transitions" in capsys.readouterr().out
    assert not (never_seen / "runs").exists()


def test_what_cannot_be_used_ends_in_a_clear_error(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert script("evaluate").main(["--data", str(tmp_path / "empty"), "--work", str(tmp_path)]) == 1
    assert "no table looks like events" in capsys.readouterr().err
    assert script("evaluate").main(["--work", str(tmp_path)]) == 1
    assert "--set amazon_beauty" in capsys.readouterr().err


def test_signals_are_added_to_those_of_every_scenario(script: Script) -> None:
    scenario = {
        "items": {"path": "i.csv", "id": "id"},
        "events": {"path": "e.csv", "user": "u", "item": "id"},
    }
    listed = {**scenario, "signals": ["popularity", "sequence"]}
    settings = Settings.parse({"name": "shops", "seed": 5, "scenarios": {"a": scenario, "b": listed}})
    more = script("evaluate").with_more(settings, ["sequence", "posterior"])
    assert list(more.scenarios["a"].signals) == [*USUAL_SIGNALS, "sequence", "posterior"]
    assert list(more.scenarios["b"].signals) == ["popularity", "sequence", "posterior"]
    assert more.model_copy(update={"scenarios": settings.scenarios}) == settings
    with pytest.raises(ConfigError, match="nonsense"):
        script("evaluate").with_more(settings, ["nonsense"])
