"""A handful of people, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from polyscene.language.ranking.templates import read_prompt

Script = Callable[[str], ModuleType]
LENGTH = 15


def _tables(people: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    items = pl.DataFrame({"item_id": range(40), "title": [f'The "film" {n} (19{n + 50})' for n in range(40)]})
    rows = [
        (f"u{person}", (person * 7 + place * 3) % 40, 8 if place % 2 else 5, place)
        for person in range(people)
        for place in range(LENGTH if person else 4)
    ]
    return pl.DataFrame(rows, ["user_id", "item_id", "rating", "timestamp"], orient="row"), items


def test_ten_before_one_of_the_latest_three(script: Script) -> None:
    prompts = script("few_shot_prompts")
    parts = prompts.prompts(*_tables(30), 7.0, False)
    people = {part: sum(prompts.part_of(f"u{n}") == part for n in range(1, 30)) for part in parts}
    assert [len(parts["test"]), len(parts["valid"]), len(parts["context"])] == [
        3 * people["test"], 3 * people["valid"], people["context"],
    ]  # fmt: skip
    for text, answer in parts["test"].select("input", "output").iter_rows():
        prompt = read_prompt(text, answer)
        assert (len(prompt.liked), len(prompt.disliked)) == (5, 5)
        assert "'film'" in prompt.candidate
        assert prompt.candidate not in prompt.liked + prompt.disliked
    assert set(parts["test"]["output"]) == {"Yes.", "No."}
    assert set(parts["context"]["output"]) == {""}
    assert all(len(read_prompt(text).history) == LENGTH - 1 for text in parts["context"]["input"])


def test_new_things_are_asked_about_and_stand_nowhere_else(script: Script) -> None:
    prompts = script("few_shot_prompts")
    parts = prompts.prompts(*_tables(60), 7.0, True)
    asked = {read_prompt(text).candidate for text in parts["test"]["input"]}
    assert asked
    assert all(title in prompts.new_titles([title]) for title in asked)
    for part in ("valid", "context"):
        assert len(parts[part])
        assert not any(title in text for text in parts[part]["input"] for title in asked)


def test_a_folder_without_ratings_is_refused(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = script("few_shot_prompts")
    monkeypatch.setenv("POLYSCENE_DATA", str(tmp_path))
    assert prompts.main(["--out", str(tmp_path / "out")]) == 1
    assert "name another --set" in capsys.readouterr().err
    (tmp_path / "movietweetings").mkdir()
    events, items = _tables(9)
    events.write_parquet(tmp_path / "movietweetings" / "events.parquet")
    items.write_parquet(tmp_path / "movietweetings" / "items.parquet")
    assert prompts.main(["--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "context.parquet", "test.parquet", "valid.parquet",
    ]  # fmt: skip
