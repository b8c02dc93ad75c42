"""Figures of a scenario's catalogue and of training: exposure, the map of items, learning curves."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from polyscene.core.text import one_line
from polyscene.core.types import LongArray
from polyscene.evaluation.report.content import LearningCurve, ScenarioReport
from polyscene.evaluation.report.drawing import FONT_SIZE, Drawing
from polyscene.evaluation.report.figures import Figure
from polyscene.evaluation.report.model_figures import compared_models, legend, marker_style
from polyscene.evaluation.report.palette import CATEGORIES, LIGHT

MAX_POINTS = 2500
MAX_VECTOR_POINTS = 800
MAX_STEPS = 400
OTHER_CATEGORY = "other"
MAX_TITLE_COLUMNS = 66
"""What fits over the whole width of a figure."""


def draw_exposure(name: str, scenario: ScenarioReport) -> Drawing | None:
    """Share of all places in the lists by the items' training events, beside the share of the events."""
    exposure = scenario.exposure
    if exposure is None or not len(exposure.popularity):
        return None
    drawing = Drawing(
        name,
        "share of exposures by the items' popularity",
        300,
        "Popularity against exposure",
        "Who is shown: a line above the grey bars shows these items more often than people use them.",
    )
    axes = drawing.axes()
    bins = popularity_bins(exposure.popularity)
    labels = bin_labels(int(bins.max(initial=0)) + 1)
    places = np.arange(len(labels))
    events = _shares(bins, exposure.popularity, len(labels))
    axes.bar(places, events, width=0.86, color=LIGHT["line"], linewidth=0)
    models = [model for model in compared_models(scenario.results) if model in exposure.shown]
    for place, model in enumerate(models):
        shares = _shares(bins, exposure.shown[model], len(labels))
        axes.plot(places, shares, linewidth=1.6, clip_on=False, **marker_style(place, model))
    axes.set_xticks(places[:: 1 + len(places) // 9], labels[:: 1 + len(places) // 9])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_ylim(0.0)
    axes.grid(axis="y", color=LIGHT["line"], linewidth=0.8)
    _axis_names(axes, "training events of the item", "share of places (grey: of events)")
    legend(drawing, axes, models, line="-")
    return drawing


def draw_item_map(name: str, scenario: ScenarioReport) -> Drawing | None:
    """Item vectors in two dimensions, coloured by category; a fixed sample of very many."""
    items = scenario.item_map
    if items is None or not len(items.points):
        return None
    chosen = _thinned(len(items.points), MAX_POINTS)
    points = np.asarray(items.points, dtype=np.float64)[chosen]
    categories = [items.categories[i] or OTHER_CATEGORY for i in chosen]
    common = [category for category, _ in Counter(categories).most_common() if category != OTHER_CATEGORY][
        : len(CATEGORIES)
    ]
    listed = [*common, *([OTHER_CATEGORY] if set(categories) - set(common) else [])]
    drawing = Drawing(
        name,
        f"map of items: {items.method}",
        310 + 14 * ((len(listed) + 1) // 2),
        "Map of items",
        f"Each dot is an item; near dots are alike to the model ({one_line(items.method, 80)})."
        + (f" Colour: {one_line(items.coloured_by, 60)}." if items.coloured_by else ""),
    )
    axes = drawing.axes()
    axes.set_xticks([])
    axes.set_yticks([])
    colours = dict.fromkeys(listed, LIGHT["other-deep"]) | dict(zip(common, CATEGORIES, strict=False))
    across, up = points.T
    axes.scatter(
        across,
        up,
        s=float(np.clip(14_000 / len(points), 6, 26)),
        color=[colours.get(category, LIGHT["other-deep"]) for category in categories],
        alpha=0.62,
        linewidths=0,
        rasterized=len(points) > MAX_VECTOR_POINTS,
    )
    marks = [axes.scatter([], [], s=28, color=colours[category], linewidths=0) for category in listed]
    drawing.legend(marks, listed)
    return drawing


def draw_learning_curve(name: str, curve: LearningCurve) -> Drawing:
    """Training loss above, the validation metric below, over the same steps."""
    kinds = {
        "training loss": [(point.step, point.loss) for point in curve.points if point.loss is not None],
        curve.metric: [(point.step, point.metric) for point in curve.points if point.metric is not None],
    }
    panels = {label: rows for label, rows in kinds.items() if rows}
    drawing = Drawing(
        name,
        f"learning curve of {curve.name}",
        40 + 120 * len(panels),
        one_line(curve.name, 60),
        f"{curve.points[-1].step:,} steps." if curve.points else "No step was recorded.",
    )
    for row, (label, rows) in enumerate(panels.items(), start=1):
        axes = drawing.axes(row, len(panels))
        kept = [rows[i] for i in _thinned(len(rows), MAX_STEPS)]
        steps, values = zip(*kept, strict=True)
        colour = LIGHT["accent" if label == curve.metric else "other-deep"]
        dots: dict[str, Any] = (
            {"marker": "o", "markersize": 3.5, "markeredgewidth": 0} if len(kept) <= 30 else {}
        )
        axes.plot(steps, values, color=colour, linewidth=1.8, solid_capstyle="round", **dots)
        axes.set_xlim(0, max(point.step for point in curve.points) or 1)
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(axis="y", color=LIGHT["line"], linewidth=0.8)
        title = axes.set_title("", loc="left", fontsize=FONT_SIZE, color=LIGHT["muted"])
        drawing.label(title, label, limit=MAX_TITLE_COLUMNS)
        if row == len(panels):
            _axis_names(axes, "step", "")
    return drawing


EXPOSURE = Figure(ScenarioReport, draw_exposure)
ITEM_MAP = Figure(ScenarioReport, draw_item_map)
LEARNING_CURVE = Figure(LearningCurve, draw_learning_curve)


def popularity_bins(popularity: LongArray) -> NDArray[np.int64]:
    """Return each item's bin: 0, 1, 2, 3 to 4, 5 to 8 and so on, doubling; (n,)."""
    counts = np.asarray(popularity, dtype=np.float64)
    return np.where(counts > 0, 1 + np.ceil(np.log2(np.maximum(counts, 1))), 0).astype(np.int64)


def bin_labels(number: int) -> list[str]:
    """Return the names of the first bins."""
    ends = [0, *(2**i for i in range(number - 1))]
    return [
        str(end) if end <= 2 else f"{_short(end // 2 + 1)}–{_short(end)}" if end < 1000 else f"≤{_short(end)}"
        for end in ends
    ]


def _short(count: int) -> str:
    return (
        str(count) if count < 1000 else f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1e6:.0f}M"
    )


def _shares(bins: NDArray[np.int64], counts: LongArray, number: int) -> NDArray[np.float64]:
    """Return each bin's share of the counts; all zero where there are none."""
    sums = np.zeros(number)
    np.add.at(sums, bins, counts)
    return sums / max(float(sums.sum()), 1.0)


def _thinned(n: int, limit: int) -> NDArray[np.int64]:
    """Return at most `limit` of n rows, evenly spread, the first and last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, limit)).round().astype(np.int64)) if n else np.arange(0)


def _axis_names(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, fontsize=FONT_SIZE - 1, color=LIGHT["muted"])
    axes.set_ylabel(up, fontsize=FONT_SIZE - 1, color=LIGHT["muted"])
