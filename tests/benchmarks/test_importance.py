"""What carries is kept, what is printed is what was measured."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from polyscene.core.settings.project import Settings
from polyscene.evaluation.importance import Contribution, Cost, Importance, ScenarioImportance
from polyscene.evaluation.significance import Interval

Script = Callable[[str], ModuleType]
TABLES = {"items": {"path": "i", "id": "i"}, "events": {"path": "e", "user": "u", "item": "i"}}
SETTINGS = {"scenarios": {"a": TABLES, "b": TABLES}, "language": {"tuning": "top"}}
IDLE = Contribution("signal", "popularity", Interval(0.0, -0.01, 0.01))
PARTS = (IDLE, Contribution("signal", "linear", Interval(0.1, 0.05, 0.2), cost=Cost(1.5, 120.0, 0.4)))
IMPORTANCE = Importance(
    {
        "a": ScenarioImportance(
            "a", 4, 5, 0.3, (*PARTS, Contribution("field", "title", Interval(0.1, 0.05, 0.2)))
        ),
        "b": ScenarioImportance("b", 4, 5, 0.3, (IDLE,)),
    }
)


def test_the_signals_that_carry_are_kept(script: Script) -> None:
    settings = Settings.parse(SETTINGS)
    kept = script("importance").only_carrying(settings, IMPORTANCE)
    assert list(kept.scenarios["a"].signals) == ["linear"]
    assert kept.scenarios["b"].signals == settings.scenarios["b"].signals


def test_tuning_is_as_named(script: Script) -> None:
    settings = Settings.parse(SETTINGS)
    assert script("importance").settings_of(settings, "none").language.tuning == "none"
    assert script("importance").settings_of(settings, None) is settings


def test_the_table_has_every_part(script: Script) -> None:
    text = script("importance").shown(IMPORTANCE)
    assert "a: NDCG@10 0.3000 on 5 test choices" in text
    row = next(line for line in text.splitlines() if line.startswith("linear"))
    for cell in ("+0.1000 [+0.0500, +0.2000]", "1.50", "120", "carries"):
        assert cell in row
    assert "field: title" in text
