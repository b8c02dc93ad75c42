"""Tables say what was measured, mark our own row, and take no orders from titles."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rich.console import Console

from polyscene.cli.console import MIN_WIDTH, PLAIN_WIDTH, cell, output, printable_lines, show_json, width
from polyscene.cli.results_table import scenario_parts
from polyscene.cli.tables import plain_table, problems_table, slate_table
from polyscene.core.errors import Problem
from polyscene.core.types import Item, Recommendation

HOSTILE = "[bold]buy\x1b]0;owned\x07 \u202ethis\nnow[/bold]"

BLOCK: dict[str, Any] = {
    "users": 40,
    "choices": 50,
    "protocol": "temporal",
    "seen_items": "removed",
    "slices": {"new_items": 12, "cold_users": 0},
    "models": {
        "popularity": {"hr@10": 0.2, "ndcg@10": 0.1, "mrr": 0.05, "ndcg@10/new_items": 0.0},
        "polyscene": {
            "hr@10": 0.4,
            "ndcg@10": 0.3,
            "mrr": 0.25,
            "ndcg@10/new_items": 0.2,
            "coverage@10": 0.9,
        },
    },
    "intervals": {"polyscene": {"ndcg@10": [0.25, 0.35]}},
    "differences": {"ndcg@10": {"against": "popularity", "mean": 0.2, "low": 0.15, "high": 0.25}},
}


def _written(*parts: Any) -> str:
    console = Console(width=160, force_terminal=False, highlight=False, markup=False)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return captured.get()


def test_results_are_ordered_and_bounded() -> None:
    text = _written(*scenario_parts("shop", BLOCK, 10, 160))
    assert text.index("polyscene") < text.index("popularity")
    assert "0.3000 [0.250, 0.350]" in text
    assert "new items" in text
    assert "(12)" in text
    assert "cold users" not in text
    assert "–" in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.15, 0.25, "ahead"), (-0.3, -0.1, "behind"), (-0.1, 0.2, "not told apart")]
)
def test_the_lead_is_said_in_words(low: float, high: float, verdict: str) -> None:
    lead = {"against": "popularity", "mean": (low + high) / 2, "low": low, "high": high}
    text = _written(*scenario_parts("shop", {**BLOCK, "differences": {"ndcg@10": lead}}, 10, 160))
    assert f"; {verdict}" in text
    assert f"{(low + high) / 2:+.4f} [{low:+.4f} to {high:+.4f}]" in text
    assert "50 choices of 40 users" in text


WIDE: dict[str, Any] = {
    **BLOCK,
    "slices": {"new_items": 1_234_567, "cold_items": 2, "cold_users": 3},
    "models": {
        name: {
            f"{metric}{part}": 0.1234 + place / 1000
            for metric in ("hr@10", "ndcg@10", "mrr", "coverage@10")
            for part in ("", "/new_items", "/cold_items", "/cold_users")
        }
        for place, name in enumerate(["polyscene", "content_transitions", "a" * 80])
    },
    "intervals": {name: {"ndcg@10": [0.05, 0.35]} for name in ("polyscene", "content_transitions", "a" * 80)},
}


@pytest.mark.parametrize("columns", [40, 50, 60, 79, 80, 100, 140, 200])
def test_no_number_is_cut_at_any_width(columns: int) -> None:
    console = Console(width=columns, force_terminal=False, highlight=False, markup=False)
    with console.capture() as captured:
        for part in scenario_parts("shop", WIDE, 10, columns):
            if not isinstance(part, str):
                console.print(part)
    text = captured.get()
    assert all(len(line) <= columns for line in text.splitlines())
    numbers = re.findall(r"\d\.\d+…?", text.replace("…", "… "))
    assert all(re.fullmatch(r"0\.\d{3,4}", number) for number in numbers)
    for value in ("0.1234", "0.1244", "0.1254"):
        assert text.count(value) == 7  # once in every column
    assert "1,234,567" in text
    assert text.count("[0.050, 0.350]") == 3
    assert text.count("model") == (1 if columns >= 140 else text.count("┡"))


def test_the_width_is_what_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in (("80", 80), ("3", MIN_WIDTH), ("wide", PLAIN_WIDTH), ("", PLAIN_WIDTH)):
        monkeypatch.setenv("COLUMNS", value)
        assert width() == expected
        assert output().width == expected


def test_without_intervals_the_lead_stays_open() -> None:
    lead = {"against": "popularity", "mean": 0.2}
    text = _written(*scenario_parts("shop", {**BLOCK, "differences": {"ndcg@10": lead}}, 10, 160))
    assert "+0.2000; not told apart" in text


def test_hostile_text_is_shown_on_one_line() -> None:
    item = Item("i\x1b[1m", "shop", HOSTILE)
    place = Recommendation(item, 1.0, 1.0, HOSTILE)
    text = _written(slate_table(HOSTILE, [place]), plain_table("t", ("a",), [(HOSTILE,)]))
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "[bold]buy" in text


def test_problems_stand_errors_first() -> None:
    problems = [
        Problem("late", "x", "y", "z", severity="repaired"),
        Problem("bad", "x", HOSTILE, "z", file="f.csv", row=1234, column="c", count=5000, scenario="shop"),
    ]
    text = _written(problems_table(problems))
    assert text.index("bad") < text.index("late")
    assert "5,000" in text
    assert "shop, f.csv, row 1,234, c" in text
    assert "\x1b" not in text


def test_cells_are_bounded() -> None:
    assert len(cell("x" * 10_000, 60).plain) <= 60
    assert printable_lines("a\tb\nc\x00d") == "a b\nc d"


def test_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"title": "帐篷\x1b"})
    assert capsys.readouterr().out == '{\n  "title": "帐篷\\u001b"\n}\n'
