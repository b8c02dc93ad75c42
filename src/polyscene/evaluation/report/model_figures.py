"""Figures that compare models: by metric, by slice, by scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from polyscene.evaluation.report.content import ReportData, ScenarioReport, ScenarioResults
from polyscene.evaluation.report.drawing import FONT_SIZE, WIDTH, Drawing
from polyscene.evaluation.report.figures import Figure
from polyscene.evaluation.report.palette import CATEGORIES, LIGHT
from polyscene.evaluation.results import SYSTEM

ROW_HEIGHT = 21.0
AXIS_HEIGHT = 34.0
MAX_ROWS = 14
MARKERS = ("D", "s", "^", "v", "P", "X")
OTHERS = ("other-deep", CATEGORIES[1], CATEGORIES[5], CATEGORIES[2], CATEGORIES[3], CATEGORIES[4])
"""Colours of the other models, by role or by value, beside the markers that tell them apart too."""


def draw_models(name: str, scenario: ScenarioReport) -> Drawing | None:
    """Bars of the main metric with intervals, best first, the system highlighted."""
    results = scenario.results
    if not results.ordered():
        return None
    metric = results.main_metric
    models = _best(results.ordered(metric), MAX_ROWS)
    drawing = Drawing(
        name,
        f"{metric} of each model in {results.name}",
        AXIS_HEIGHT + ROW_HEIGHT * len(models),
        "By model",
        f"{metric}, mean over choices; the line is the 95 % interval over users.",
    )
    axes = drawing.axes()
    values = [results.models[model][metric] for model in models]
    ends = [
        max(value, *_bounds(results, model, metric, value))
        for model, value in zip(models, values, strict=True)
    ]
    for row, (model, value) in enumerate(zip(models, values, strict=True)):
        ours = model == SYSTEM
        axes.barh(row, value, height=0.62, color=LIGHT["accent" if ours else "other"], linewidth=0)
        low, high = _bounds(results, model, metric, value)
        axes.plot(
            [low, high], [row, row], color=LIGHT["ink"], linewidth=1.1, solid_capstyle="butt", alpha=0.75
        )
        axes.annotate(
            f"{value:.4f}",
            (ends[row], row),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=FONT_SIZE - 1,
            color=LIGHT["ink"],
            fontweight="bold" if ours else "normal",
        )
    _name_rows(drawing, axes, models, bold=SYSTEM)
    _value_axis(axes, max(ends, default=0.0) * 1.17)
    return drawing


def draw_slices(name: str, scenario: ScenarioReport) -> Drawing | None:
    """Dots of the main metric on all choices and on each slice.

    Shown are the system, the three best others, and whichever other is the best of a slice.
    """
    results = scenario.results
    if not results.ordered() or not any(results.slices.values()):
        return None
    metric = results.main_metric
    models = compared_models(results, by_slice=True)
    parts = ["", *(part for part, n in results.slices.items() if n)]
    names = [
        f"all ({results.choices:,})",
        *(f"{_spaced(part)} ({results.slices[part]:,})" for part in parts[1:]),
    ]
    height = AXIS_HEIGHT + 1.25 * ROW_HEIGHT * len(parts) + 15 * ((len(models) + 1) // 2)
    drawing = Drawing(
        name,
        f"{metric} by slice in {results.name}",
        height,
        "By slice",
        f"{metric} where choices are hard: how many there are stands beside each slice.",
    )
    axes = drawing.axes()
    keys = [metric + (f"/{part}" if part else "") for part in parts]
    for row, key in enumerate(keys):
        values = [results.models[model][key] for model in models if key in results.models[model]]
        if values:
            ends = [min(values), max(values)]
            axes.plot(ends, [row, row], color=LIGHT["line"], linewidth=5, solid_capstyle="round")
    for place, model in reversed(list(enumerate(models))):
        points = [
            (results.models[model][key], row) for row, key in enumerate(keys) if key in results.models[model]
        ]
        axes.plot(*zip(*points, strict=True), linestyle="none", clip_on=False, **marker_style(place, model))
    _name_rows(drawing, axes, names)
    best = [row[key] for row in results.models.values() for key in keys if key in row]
    _value_axis(axes, max(best, default=0.0) * 1.06)
    legend(drawing, axes, models)
    return drawing


def draw_scenarios(name: str, data: ReportData) -> Drawing | None:
    """The system and the best other model on the main metric, with intervals, where scenarios are several."""
    scenarios = [each.results for each in data.scenarios if SYSTEM in each.results.ordered()]
    if len(scenarios) < 2:
        return None
    drawing = Drawing(
        name,
        "the system and the best other model in each scenario",
        AXIS_HEIGHT + 20 + 26 * len(scenarios),
        "Scenario by scenario",
        f"{scenarios[0].main_metric} of the system and of the best other model, "
        "with 95 % intervals over users.",
    )
    axes = drawing.axes()
    top = 0.0
    for row, results in enumerate(scenarios):
        metric = results.main_metric
        others = [model for model in results.ordered() if model != SYSTEM]
        for shift, model in ((-0.13, SYSTEM), (0.13, next(iter(others), ""))):
            value = results.models.get(model, {}).get(metric)
            if value is None:
                continue
            low, high = _bounds(results, model, metric, value)
            top = max(top, high, value)
            style = marker_style(0 if model == SYSTEM else 1, model)
            axes.plot(
                [low, high], [row + shift] * 2, color=style["color"], linewidth=1.6, solid_capstyle="butt"
            )
            axes.plot(value, row + shift, linestyle="none", clip_on=False, **style)
    _name_rows(drawing, axes, [results.name for results in scenarios])
    _value_axis(axes, top * 1.06)
    legend(drawing, axes, [SYSTEM, "best other model"])
    return drawing


SCENARIO_COMPARISON = Figure(ReportData, draw_scenarios)
MODEL_COMPARISON = Figure(ScenarioReport, draw_models)
SLICE_COMPARISON = Figure(ScenarioReport, draw_slices)


def compared_models(results: ScenarioResults, others: int = 3, by_slice: bool = False) -> list[str]:
    """Return the system, where there is one, and the best others, best first.

    Args:
        results: of one scenario.
        others: how many beside the system.
        by_slice: whether the best other of each slice with choices is among them whatever its rank.
    """
    models = results.ordered()
    rivals = [model for model in models if model != SYSTEM]
    kept = set(rivals[:others])
    for part in [part for part, count in results.slices.items() if count] if by_slice else []:
        metric = f"{results.main_metric}/{part}"
        best = next((model for model in results.ordered(metric) if model != SYSTEM), None)
        kept |= set() if best is None else {best}
    return [model for model in models if model == SYSTEM] + [model for model in rivals if model in kept]


def marker_style(place: int, model: str) -> dict[str, Any]:
    """Return a model's marker and colour; shape distinguishes as well as colour."""
    if model == SYSTEM:
        return {"marker": "o", "color": LIGHT["accent"], "markersize": 7.5, "markeredgewidth": 0, "zorder": 4}
    index = max(place - 1, 0)
    return {
        "marker": MARKERS[index % len(MARKERS)],
        "color": LIGHT.get(OTHERS[index % len(OTHERS)], OTHERS[index % len(OTHERS)]),
        "markersize": 5.5,
        "markeredgewidth": 0,
        "zorder": 3,
    }


def legend(drawing: Drawing, axes: Axes, models: Sequence[str], line: str = "none") -> None:
    """Explain the models' marks under the axes."""
    styles = [marker_style(place, model) for place, model in enumerate(models)]
    drawing.legend([axes.plot([], [], linestyle=line, linewidth=1.6, **mark)[0] for mark in styles], models)


def _name_rows(drawing: Drawing, axes: Axes, names: Sequence[str], bold: str | None = None) -> None:
    """Write the rows' names at the left, the first row on top."""
    axes.set_yticks([])
    axes.set_ylim(len(names) - 0.4, -0.6)
    for row, label in enumerate(names):
        text = axes.text(
            -0.02, row, "", transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=FONT_SIZE
        )
        text.set_color(LIGHT["ink"])
        text.set_fontweight("bold" if label == bold else "normal")
        drawing.label(text, label)


def _value_axis(axes: Axes, top: float) -> None:
    axes.set_xlim(0.0, top or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(4 if WIDTH < 500 else 6))
    axes.grid(axis="x", color=LIGHT["line"], linewidth=0.8)


def _bounds(results: ScenarioResults, model: str, metric: str, value: float) -> tuple[float, float]:
    return results.intervals.get(model, {}).get(metric, (value, value))


def _best(models: list[str], limit: int) -> list[str]:
    """Keep the best, and the system at any rank."""
    kept = models[:limit]
    return kept if SYSTEM in kept or SYSTEM not in models else [*kept[:-1], SYSTEM]


def _spaced(part: str) -> str:
    return part.replace("_", " ")
