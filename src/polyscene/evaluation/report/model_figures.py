"""Figures that compare models: by metric, by slice, by scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from polyscene.evaluation.report.content import ScenarioResults
from polyscene.evaluation.report.drawing import FONT_SIZE, WIDTH, Drawing
from polyscene.evaluation.report.palette import CATEGORIES, LIGHT
from polyscene.evaluation.results import SYSTEM

ROW = 21.0
MARGIN = 34.0
MOST_ROWS = 14
MARKERS = ("D", "s", "^")


def by_model(name: str, results: ScenarioResults) -> Drawing:
    """Bars of the main metric with intervals, best first, the system highlighted."""
    metric = results.main_metric
    models = _at_most(results.ordered(metric), MOST_ROWS)
    drawing = Drawing(name, f"{metric} of each model in {results.name}", MARGIN + ROW * len(models))
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


def by_slice(name: str, results: ScenarioResults) -> Drawing:
    """Dots of the main metric on all choices and on each slice: the system and its three best rivals."""
    metric = results.main_metric
    models = rivals(results)
    parts = ["", *(part for part, n in results.slices.items() if n)]
    names = [
        f"all ({results.choices:,})",
        *(f"{_words(part)} ({results.slices[part]:,})" for part in parts[1:]),
    ]
    height = MARGIN + 1.25 * ROW * len(parts) + 15 * ((len(models) + 1) // 2)
    drawing = Drawing(name, f"{metric} by slice in {results.name}", height)
    axes = drawing.axes()
    keys = [metric + (f"/{part}" if part else "") for part in parts]
    for row, key in enumerate(keys):
        found = [results.models[model][key] for model in models if key in results.models[model]]
        if found:
            axes.plot(
                [min(found), max(found)], [row, row], color=LIGHT["line"], linewidth=5, solid_capstyle="round"
            )
    for place, model in reversed(list(enumerate(models))):
        points = [
            (results.models[model][key], row) for row, key in enumerate(keys) if key in results.models[model]
        ]
        axes.plot(*zip(*points, strict=True), linestyle="none", clip_on=False, **look(place, model))
    _name_rows(drawing, axes, names)
    best = [row[key] for row in results.models.values() for key in keys if key in row]
    _value_axis(axes, max(best, default=0.0) * 1.06)
    legend(drawing, axes, models)
    return drawing


def by_scenario(name: str, scenarios: Sequence[ScenarioResults]) -> Drawing:
    """For each scenario the system and the best other model on the main metric, with intervals."""
    drawing = Drawing(
        name, "the system and the best other model in each scenario", MARGIN + 20 + 26 * len(scenarios)
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
            style = look(0 if model == SYSTEM else 1, model)
            axes.plot(
                [low, high], [row + shift] * 2, color=style["color"], linewidth=1.6, solid_capstyle="butt"
            )
            axes.plot(value, row + shift, linestyle="none", clip_on=False, **style)
    _name_rows(drawing, axes, [results.name for results in scenarios])
    _value_axis(axes, top * 1.06)
    legend(drawing, axes, [SYSTEM, "best other model"])
    return drawing


def rivals(results: ScenarioResults, most: int = 3) -> list[str]:
    """Return the system, where there is one, and the best others."""
    models = results.ordered()
    return [m for m in models if m == SYSTEM] + [m for m in models if m != SYSTEM][:most]


def look(place: int, model: str) -> dict[str, Any]:
    """Return a model's marker and colour; shape tells as much as colour."""
    if model == SYSTEM:
        return {"marker": "o", "color": LIGHT["accent"], "markersize": 7.5, "markeredgewidth": 0, "zorder": 4}
    index = max(place - 1, 0)
    return {
        "marker": MARKERS[index % len(MARKERS)],
        "color": (LIGHT["other-deep"], CATEGORIES[1], CATEGORIES[5])[index % 3],
        "markersize": 5.5,
        "markeredgewidth": 0,
        "zorder": 3,
    }


def legend(drawing: Drawing, axes: Axes, models: Sequence[str], line: str = "none") -> None:
    """Explain the models' marks under the axes."""
    looks = [look(place, model) for place, model in enumerate(models)]
    drawing.legend([axes.plot([], [], linestyle=line, linewidth=1.6, **mark)[0] for mark in looks], models)


def _name_rows(drawing: Drawing, axes: Axes, names: Sequence[str], bold: str | None = None) -> None:
    """Write the rows' names at the left, the first row on top."""
    axes.set_yticks([])
    axes.set_ylim(len(names) - 0.4, -0.6)
    for row, words in enumerate(names):
        text = axes.text(
            -0.02, row, "", transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=FONT_SIZE
        )
        text.set_color(LIGHT["ink"])
        text.set_fontweight("bold" if words == bold else "normal")
        drawing.say(text, words)


def _value_axis(axes: Axes, top: float) -> None:
    axes.set_xlim(0.0, top or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(4 if WIDTH < 500 else 6))
    axes.grid(axis="x", color=LIGHT["line"], linewidth=0.8)


def _bounds(results: ScenarioResults, model: str, metric: str, value: float) -> tuple[float, float]:
    return results.intervals.get(model, {}).get(metric, (value, value))


def _at_most(models: list[str], most: int) -> list[str]:
    """Keep the best, and the system wherever it stands."""
    kept = models[:most]
    return kept if SYSTEM in kept or SYSTEM not in models else [*kept[:-1], SYSTEM]


def _words(part: str) -> str:
    return part.replace("_", " ")
