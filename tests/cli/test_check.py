"""`check` lists everything at once, says what to do, and its exit code can be trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import Result


def _beside_few(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the problems beside the warnings that a village is small."""
    return [problem for problem in report["problems"] if problem["key"] != "evaluation"]


def test_a_sound_project_is_ok(typed: Callable[..., Result], scratch: Path) -> None:
    result = typed("check", "--json", "found.json")
    assert "ok" in result.stdout
    report = json.loads((scratch / "found.json").read_text(encoding="utf-8"))
    assert report["ok"] is True
    assert report["scenarios"]["shop"]["items"] == 40
    assert [decision.partition(":")[0] for decision in report["decisions"]] == ["shop", "news", "video"] * 2
    assert "English" in report["decisions"][3]
    assert report["decisions"][3].endswith("read with 'minilm'")
    assert "what a user has had" in result.stdout
    assert 0 <= report["scenarios"]["shop"]["coverage"]["unreadable"] < 0.25


def test_all_problems_are_listed_at_once(typed: Callable[..., Result], scratch: Path) -> None:
    items = scratch / "shop" / "items.parquet"
    table = pl.read_parquet(items)
    pl.concat([table, table.head(3)]).write_parquet(items)
    (scratch / "news" / "events.parquet").unlink()
    result = typed("check", "--json", "found.json", code=1)
    report = json.loads((scratch / "found.json").read_text(encoding="utf-8"))
    assert report["ok"] is False
    assert {"shop", "news"} <= {problem["scenario"] for problem in report["problems"]}
    assert all(problem["remedy"] for problem in report["problems"])
    assert "have to be mended" in result.stdout
    assert report["scenarios"]["video"]["items"] == 40


def test_a_missing_model_is_one_problem_among_others(typed: Callable[..., Result], scratch: Path) -> None:
    config = scratch / "polyscene.toml"
    text = config.read_text(encoding="utf-8").replace('"minilm"', '"./no-such-model"')
    config.write_text(text, encoding="utf-8")
    result = typed("check", "--json", "found.json", code=1)
    report = json.loads((scratch / "found.json").read_text(encoding="utf-8"))
    assert [problem["key"] for problem in _beside_few(report)] == ["language.model"]
    assert "language model" in result.stdout


def test_unreadable_text_is_a_warning_with_advice(typed: Callable[..., Result], scratch: Path) -> None:
    items = scratch / "shop" / "items.parquet"
    table = pl.read_parquet(items)
    chinese = pl.lit("便携式露营帐篷适合家庭户外旅行")
    table.with_columns(title=chinese, description=chinese).write_parquet(items)
    result = typed("check", "--json", "found.json")
    report = json.loads((scratch / "found.json").read_text(encoding="utf-8"))
    assert [problem["severity"] for problem in _beside_few(report)] == ["warning"]
    assert 'model = "multilingual"' in _beside_few(report)[0]["remedy"]
    assert "warnings" in result.stdout


def test_hostile_values_are_shown_and_not_obeyed(typed: Callable[..., Result], scratch: Path) -> None:
    events = scratch / "shop" / "events.parquet"
    table = pl.read_parquet(events)
    hostile = table.head(1).with_columns(item_id=pl.lit("[red]\x1b[2Jboo"))
    pl.concat([table, hostile]).write_parquet(events)
    text = typed("check", code=1).stdout
    assert "\x1b" not in text
    assert "[red]" in text


def test_names_of_earlier_versions_are_told_by_check_and_by_every_verb(
    typed: Callable[..., Result], scratch: Path
) -> None:
    config = scratch / "polyscene.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("[scenarios.shop]\n", '[scenarios.shop]\nsignals = ["elsewhere"]\n'), "utf-8"
    )
    assert "elsewhere" in config.read_text(encoding="utf-8")
    result = typed("check", "--json", "found.json")
    (problem,) = _beside_few(json.loads((scratch / "found.json").read_text(encoding="utf-8")))
    assert problem["severity"] == "warning"
    assert "write 'cross_scenario'" in problem["found"]
    assert "write 'cross_scenario'" in result.stderr


def test_rows_add_up_and_open_decisions_are_told(
    typed: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "items.csv").write_text("id,title\na,Apple tart\nb,Bread roll\n", encoding="utf-8")
    events = "".join(f"u{n % 9},{'ab'[n % 2]},{n}\n" for n in range(60)) + "nan,a,61\nu1,zz,62\nu1,b,-1\n"
    (tmp_path / "events.csv").write_text("who,what,at\n" + events, encoding="utf-8")
    (tmp_path / "polyscene.toml").write_text(
        '[scenarios.shop]\nitems = { path = "items.csv", id = "id", text = ["title"] }\n'
        "[scenarios.shop.events]\n"
        'path = "events.csv"\nuser = "who"  # DECIDE (45%): a visit?\nitem = "what"\ntime = "at"\n'
        'time_format = "sequence"\nwhere = "at >= 0"\non_unknown_item = "drop"\n',
        encoding="utf-8",
    )
    result = typed("check", "--config", tmp_path / "polyscene.toml", "--json", tmp_path / "found.json")
    report = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert report["scenarios"]["shop"]["tables"][1] == {
        "role": "events",
        "table": "events.csv",
        "rows": 63,
        "read": 60,
        "merged": 0,
        "refused": 0,
        "repaired": 2,
        "filtered": 1,
    }
    (line,) = (line for line in result.stdout.splitlines() if "│ events │" in line)
    assert [cell.strip() for cell in line.split("│")][4:-1] == ["63", "60", "2", "1"]
    keys = {problem["key"]: problem for problem in report["problems"] if problem["key"]}
    assert "a visit?" in keys["scenarios.shop.events.user"]["found"]
