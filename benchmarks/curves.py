"""Curves with bands, drawn as SVG or PNG: mean over seeds, and what lies between the outer seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Values = NDArray[np.float64]

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222222")
"""Paul Tol's bright scheme, told apart by colour-blind people too."""

COLUMNS = 3


@dataclass(frozen=True)
class Panel:
    """One diagram.

    Attributes:
        title: above it.
        x: (n,) of all curves.
        curves: by name, (seeds, n).
        limits: by name, horizontal lines at these heights.
        ticks: what stands below x; none: x itself.
    """

    title: str
    x: Values
    curves: Mapping[str, Values]
    limits: Mapping[str, float]
    ticks: tuple[str, ...] = ()


def draw(path: Path, panels: list[Panel], across: str, up: str) -> None:
    """Draw panels side by side, three in a row, and write the file, of the kind that its name ends in.

    Args:
        path: ends in .svg or .png.
        panels: with the same names, or with some of them.
        across: what x is.
        up: what the curves are.
    """
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "polyscene"}):
        figure = _figure(panels, across, up)
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    if path.suffix == ".svg":
        path.write_text(_grounded(path.read_text(encoding="utf-8")), encoding="utf-8")


def _grounded(drawing: str) -> str:
    """Return an SVG with white ground of its own, so that it can be read on a dark page."""
    width, height = re.search(r'viewBox="0 0 (\S+) (\S+)"', drawing).groups()  # type: ignore[union-attr]
    end = drawing.index(">", drawing.index("<svg")) + 1
    return f'{drawing[:end]}\n <rect width="{width}" height="{height}" fill="#ffffff"/>{drawing[end:]}'


def _figure(panels: list[Panel], across: str, up: str) -> Figure:
    columns = min(len(panels), COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    names = list(dict.fromkeys(name for panel in panels for name in panel.curves))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, place)
        for name, values in panel.curves.items():
            axes.plot(panel.x, values.mean(axis=0), color=colours[name], label=name, linewidth=1.4)
            low, high = values.min(axis=0), values.max(axis=0)
            axes.fill_between(panel.x, low, high, color=colours[name], alpha=0.18, linewidth=0)
        for name, height in panel.limits.items():
            axes.axhline(height, color="#222222", linewidth=0.8, linestyle="--", label=name)
        if panel.ticks:
            axes.set_xticks(panel.x, panel.ticks)
        axes.set_title(panel.title, fontsize=10)
        axes.set_xlabel(across)
        axes.set_ylabel(up if place % columns == 1 or columns == 1 else "")
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
