"""Figures of the report by name: each draws one part of what is shown, and stands in that part's section.

A new one is a function, `Figure(PART, function)` beside it, and a line under the entry points
`polyscene.report_figures`. Nothing is drawn here, and matplotlib is not loaded before a figure is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from polyscene.core.registry import Registry
from polyscene.evaluation.report.content import LearningCurve, ReportData, ScenarioReport

if TYPE_CHECKING:
    from polyscene.evaluation.report.drawing import Drawing

Part = TypeVar("Part", ReportData, ScenarioReport, LearningCurve)


@dataclass(frozen=True)
class Figure(Generic[Part]):
    """One kind of figure.

    Attributes:
        section: the part of the report it draws and stands beside: `ReportData` (once, at a glance),
            `ScenarioReport` (once per scenario) or `LearningCurve` (once per curve).
        draw: takes a name that is unique on the page, and the part; returns None where there is nothing to
            draw.
    """

    section: type[Part]
    draw: Callable[[str, Part], Drawing | None]


FIGURES: Registry[Figure[Any]] = Registry(
    "polyscene.report_figures",
    (
        "scenario_comparison",
        "transfer",
        "model_comparison",
        "slice_comparison",
        "importance",
        "exposure",
        "item_map",
        "learning_curve",
    ),
)


def drawings(prefix: str, part: ReportData | ScenarioReport | LearningCurve) -> Iterator[Drawing]:
    """Yield what every figure of the part's section draws, in the registry's order.

    Args:
        prefix: of the drawings' names; unique to the part.
        part: what is drawn.
    """
    for name in FIGURES:
        figure = FIGURES[name]
        drawing = figure.draw(f"{prefix}-{name}", part) if isinstance(part, figure.section) else None
        if drawing is not None:
            yield drawing
