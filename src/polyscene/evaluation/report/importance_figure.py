"""What is lost without each part, as bars."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

from polyscene.evaluation.importance import Contribution, Verdict
from polyscene.evaluation.report.content import ScenarioReport
from polyscene.evaluation.report.drawing import FONT_SIZE, Drawing
from polyscene.evaluation.report.figures import Figure
from polyscene.evaluation.report.palette import CATEGORIES, LIGHT

ROW_HEIGHT, AXIS_HEIGHT = 19.0, 34.0
COLOURS = {Verdict.CARRIES: LIGHT["accent"], Verdict.HARMS: CATEGORIES[1]}
ROOM = 1.15
"""Beyond the longest interval, so that nothing stands at the edge."""


def draw_importance(name: str, scenario: ScenarioReport) -> Drawing | None:
    """Bars of what is lost without each signal, field and other scenario, with intervals."""
    importance, one = scenario.importance, scenario.parts
    if importance is None or one is None or not one.parts:
        return None
    parts = one.ordered()
    drawing = Drawing(
        name,
        f"NDCG@{importance.cutoff} that {one.scenario} loses without each part",
        AXIS_HEIGHT + ROW_HEIGHT * len(parts),
        "What carries the result",
        f"NDCG@{importance.cutoff} lost without each part, of {one.ndcg:.4f}, on {one.choices:,} "
        f"{importance.choices_of} choices; the line is the 95 % interval over users. Nothing is learned "
        "again without a part, so those that could stand in for each other may each lose little.",
    )
    axes = drawing.axes()
    for row, part in enumerate(parts):
        colour = COLOURS.get(part.verdict(one.ndcg, importance.dear_share), LIGHT["other"])
        axes.barh(row, part.loss.mean, height=0.62, color=colour, linewidth=0)
        if part.loss.known:
            ends = [part.loss.low, part.loss.high]
            axes.plot(ends, [row, row], color=LIGHT["ink"], linewidth=1.1, solid_capstyle="butt", alpha=0.75)
        label = axes.text(
            -0.02, row, "", transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=FONT_SIZE
        )
        label.set_color(LIGHT["ink"])
        drawing.label(label, part.label)
    axes.axvline(0.0, color=LIGHT["ink"], linewidth=0.8)
    axes.set_yticks([])
    axes.set_ylim(len(parts) - 0.4, -0.6)
    reach = [end for part in parts for end in _ends(part)]
    low, high = min(0.0, *reach), max(0.0, *reach)
    axes.set_xlim(low * ROOM, high * ROOM if high > 0 or low < 0 else 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="x", color=LIGHT["line"], linewidth=0.8)
    return drawing


IMPORTANCE = Figure(ScenarioReport, draw_importance)


def _ends(part: Contribution) -> tuple[float, ...]:
    return (part.loss.mean, part.loss.low, part.loss.high) if part.loss.known else (part.loss.mean,)
