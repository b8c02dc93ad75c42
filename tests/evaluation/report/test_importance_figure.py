"""What carries a result stands in the report as bars and as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.colors import to_hex

from polyscene.evaluation.importance import Contribution, Cost, Importance, ScenarioImportance
from polyscene.evaluation.report.content import ReportData, ScenarioReport, ScenarioResults
from polyscene.evaluation.report.importance_figure import draw_importance
from polyscene.evaluation.report.page import render
from polyscene.evaluation.report.palette import LIGHT
from polyscene.evaluation.significance import Interval

RESULTS = ScenarioResults("shop", 20, 30, {"polyscene": {"ndcg@10": 0.2}})
PARTS = (
    Contribution("signal", "wea<k", Interval(0.0, -0.01, 0.005), cost=Cost(2.0, 1234.0, 0.3)),
    Contribution(
        "signal", "strong", Interval(0.1, 0.05, 0.2), Interval(0.08, 0.0, 0.1), Interval(0.12, 0.1, 0.2)
    ),
    Contribution("field", "title", Interval(-0.1, -0.2, -0.05)),
)
SCENARIO = ScenarioReport(
    RESULTS,
    importance=Importance({"shop": ScenarioImportance("shop", 20, 30, 0.2, PARTS, notes=("All is w<ell",))}),
)


def test_bars_are_what_is_lost() -> None:
    drawing = draw_importance("i", SCENARIO)
    assert drawing is not None
    axes = drawing.figure.axes[0]
    assert [round(bar.get_width(), 3) for bar in axes.patches] == [0.1, 0.0, -0.1]  # type: ignore[attr-defined]
    colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert colours[0] == LIGHT["accent"]
    assert colours[1] == LIGHT["other"]
    assert len(set(colours)) == 3
    low, high = axes.get_xlim()
    assert low < -0.2
    assert high > 0.2
    svg = drawing.svg()
    for label in ("strong", "wea&lt;k", "field: title"):
        assert f">{label}<" in svg
    assert "of 0.2000, on 30 test choices" in drawing.caption


@pytest.mark.parametrize(
    "scenario",
    [
        ScenarioReport(RESULTS),
        ScenarioReport(RESULTS, importance=Importance({})),
        ScenarioReport(RESULTS, importance=Importance({"shop": ScenarioImportance("shop", 0, 0, 0.0, ())})),
    ],
)
def test_nothing_is_shown_of_what_was_not_measured(scenario: ScenarioReport) -> None:
    assert draw_importance("i", scenario) is None
    assert "What carries the result" not in render(ReportData("x", (scenario,)))


def test_the_table_tells_costs_and_verdicts() -> None:
    page = render(ReportData("x", (SCENARIO,)))
    for text in (
        "wea&lt;k",
        "costs time for nothing",
        "carries",
        "harms",
        "1,234",
        "30%",
        "+0.0800",
        "All is w&lt;ell.",
    ):
        assert f">{text}<" in page or text in page
    assert "wea<k" not in page
    assert "+0.1000 [+0.0500, +0.2000]" in page


def test_another_name_has_no_part_in_it() -> None:
    assert replace(SCENARIO, results=replace(RESULTS, name="news")).parts is None
