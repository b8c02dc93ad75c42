"""Draws the picture of the report that stands in the README, from an evaluated run.

    polyscene demo
    python docs/report_picture.py demo/polyscene.toml [docs/images/report.png]

No browser is needed: the figures are the report's own, and what stands around them is laid out here as on the
page: its head, its cards, and two figures of the first scenario.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from polyscene.evaluation.report.content import Difference, ReportData, ScenarioReport
from polyscene.evaluation.report.drawing import WIDTH, Drawing
from polyscene.evaluation.report.figures import drawings
from polyscene.evaluation.report.page import number, signed
from polyscene.evaluation.report.palette import LIGHT
from polyscene.evaluation.results import SYSTEM
from polyscene.project import Project
from polyscene.runs.reporting import report_of

PAGE_WIDTH = 1080
"""In points, as everything here."""
FIGURES_TOP, TITLE_ROOM, CAPTION_ROOM = 304, 40, 34
"""Where figures begin, and what is left above and below each."""
DPI = 108
MARGIN, GAP, PADDING = 28, 16, 18
FIGURES = ("model_comparison", "slice_comparison")
VERDICTS = {
    "better": ("▲ better than", "good"),
    "worse": ("▼ worse than", "bad"),
    "open": ("◆ no clear difference from", "muted"),
}


class Page:
    """A sheet on which things are placed by their distance from its upper left corner, in points.

    Args:
        height: of the sheet.
    """

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = Figure(figsize=(PAGE_WIDTH / 72, height / 72), dpi=DPI, facecolor=LIGHT["page"])
        self.canvas = FigureCanvasAgg(self.figure)

    def text(self, x: float, y: float, content: str, size: float, colour: str = "ink", **style: str) -> None:
        """Write lines; y is the upper edge of the first one's letters."""
        for row, line in enumerate(content.splitlines()):
            self.figure.text(
                x / PAGE_WIDTH,
                1 - (y + size * (0.78 + 1.35 * row)) / self.height,
                line,
                fontsize=size,
                color=LIGHT[colour],
                parse_math=False,
                **style,
            )

    def panel(self, x: float, y: float, width: float, height: float) -> None:
        """Draw an empty panel with round corners."""
        rounding = 12 / PAGE_WIDTH
        self.figure.add_artist(
            FancyBboxPatch(
                (x / PAGE_WIDTH + rounding, 1 - (y + height) / self.height + rounding),
                width / PAGE_WIDTH - 2 * rounding,
                height / self.height - 2 * rounding,
                boxstyle=f"round,pad={rounding}",
                transform=self.figure.transFigure,
                facecolor=LIGHT["panel"],
                edgecolor=LIGHT["line"],
                linewidth=1,
            )
        )

    def drawing(self, x: float, y: float, width: float, drawing: Drawing) -> None:
        """Place one of the report's figures, scaled to a width."""
        canvas = FigureCanvasAgg(drawing.figure)
        drawing.figure.set_dpi(DPI * width / WIDTH)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())
        scale = DPI / 72
        self.figure.figimage(
            pixels, round(x * scale), round((self.height - y) * scale) - pixels.shape[0], zorder=2
        )

    def save(self, path: Path) -> None:
        """Write it as a PNG."""
        from PIL import Image

        self.canvas.draw()
        picture = Image.fromarray(np.asarray(self.canvas.buffer_rgba())).convert("RGB")
        picture.save(path, optimize=True)


def draw(data: ReportData, path: Path) -> None:
    """Draw the head of the page, its cards, and two figures of the first scenario."""
    width = (PAGE_WIDTH - 2 * MARGIN - GAP) / 2
    figures = {each.name: each for each in drawings("s", data.scenarios[0])}
    shown = [figures[f"s-{name}"] for name in FIGURES]
    height = TITLE_ROOM + max(_height(drawing, width - 2 * PADDING) for drawing in shown) + CAPTION_ROOM
    page = Page(FIGURES_TOP + height + MARGIN)
    page.text(MARGIN, 24, "POLYSCENE REPORT", 10, "accent", fontweight="bold")
    page.text(MARGIN, 40, data.title, 26, fontweight="bold")
    page.text(MARGIN, 80, f"Run {data.run} · {data.made}", 10, "muted")
    _cards(page, data, 108)
    _scenario_title(page, data.scenarios[0], 250)
    for place, drawing in enumerate(shown):
        _figure(page, MARGIN + place * (width + GAP), FIGURES_TOP, width, height, drawing)
    page.save(path)


def _height(drawing: Drawing, width: float) -> float:
    """Return how high one of the report's figures stands at a width."""
    across, high = drawing.figure.get_size_inches()
    return float(width * high / across)


def _cards(page: Page, data: ReportData, y: float) -> None:
    width = (PAGE_WIDTH - 2 * MARGIN - 2 * GAP) / 3
    for place, scenario in enumerate(data.scenarios[:3]):
        results = scenario.results
        x = MARGIN + place * (width + GAP)
        page.panel(x, y, width, 124)
        page.text(x + PADDING, y + 14, results.name, 12, fontweight="bold")
        page.text(
            x + PADDING, y + 30, number(results.models[SYSTEM][results.main_metric]), 26, fontweight="bold"
        )
        page.text(x + PADDING + 112, y + 45, results.main_metric, 10, "muted")
        page.text(x + PADDING, y + 68, f"{results.choices:,} choices of {results.users:,} users", 10, "muted")
        _verdict(page, x + PADDING, y + 87, results.differences.get(results.main_metric))


def _verdict(page: Page, x: float, y: float, difference: Difference | None) -> None:
    if difference is None:
        return
    verdict, colour = VERDICTS[difference.verdict]
    page.text(x, y, f"{verdict} {difference.against}", 9.5, colour, fontweight="bold")
    lead = signed(difference.mean)
    if difference.low is not None and difference.high is not None:
        lead += f"  (95 %: {signed(difference.low)} to {signed(difference.high)})"
    page.text(x, y + 15, lead, 9.5, "muted")


def _scenario_title(page: Page, scenario: ScenarioReport, y: float) -> None:
    results = scenario.results
    page.text(MARGIN, y, results.name, 18, fontweight="bold")
    about = f"{results.choices:,} choices of {results.users:,} users · protocol {results.protocol}"
    page.text(MARGIN, y + 30, about, 10, "muted")


def _figure(page: Page, x: float, y: float, width: float, height: float, drawing: Drawing) -> None:
    page.panel(x, y, width, height)
    page.text(x + PADDING, y + 14, drawing.title, 12, fontweight="bold")
    page.drawing(x + PADDING, y + TITLE_ROOM, width - 2 * PADDING, drawing)
    caption = textwrap.fill(drawing.caption, 84)
    page.text(x + PADDING, y + height - 20 - 12 * caption.count("\n"), caption, 9, "muted")


if __name__ == "__main__":
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "images" / "report.png"
    draw(report_of(Project.open(sys.argv[1]).run()), target)
    print(target, f"{target.stat().st_size:,} bytes")
