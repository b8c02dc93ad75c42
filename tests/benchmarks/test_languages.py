"""Titles are exchanged as they should be, and the table is what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from polyscene.data.drafting.spoken import spoken_in
from polyscene.sample.world import SampleWorld

Script = Callable[[str], ModuleType]
SMALL = ["--users", "60", "--items", "60"]


def test_every_product_has_a_name_in_every_language(script: Script) -> None:
    languages = script("languages")
    world = SampleWorld.generate(seed=7, users=5, items_per_scenario=200, days=5)
    titles = {
        language: languages.exchanged_titles(world, language) for language in (*languages.LANGUAGES, "mixed")
    }
    assert {len(each) for each in titles.values()} == {200}
    brands = world.items["shop"]["brand"].to_list()
    assert all(title.startswith(f"{brand} ") for title, brand in zip(titles["zh"], brands, strict=True))
    assert spoken_in(titles["ru"]).shares["Cyrillic"] > 0.6
    drawn = [
        [language for language in languages.LANGUAGES if titles[language][row] == mixed]
        for row, mixed in enumerate(titles["mixed"])
    ]
    assert all(drawn)
    assert {each[0] for each in drawn} == set(languages.LANGUAGES)


def test_the_table_is_what_was_measured(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "languages.json"
    assert (
        script("languages").main([*SMALL, "--sets", "exchanged", "--models", "light", "--json", str(out)])
        == 0
    )
    results = json.loads(out.read_text(encoding="utf-8"))
    assert list(results["ndcg@10"]) == [f"shop titles, {one}" for one in ("en", "zh", "de", "ru", "mixed")]
    assert all(0 <= row["light"] <= 1 for row in results["ndcg@10"].values())
    assert results["cost"]["light"]["disk_mb"] == pytest.approx(32.9, abs=0.1)
    printed = capsys.readouterr().out
    assert f"{results['ndcg@10']['shop titles, zh']['light']:.4f}" in printed


def test_a_set_that_is_not_there_is_told(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POLYSCENE_DATA", str(tmp_path))
    assert script("languages").main([*SMALL, "--sets", "movielens_100k", "--models", "light"]) == 2
    assert "obtain it" in capsys.readouterr().err
