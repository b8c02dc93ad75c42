"""The transfer matrix: networks trained on some scenarios, judged on each."""

from __future__ import annotations

from polyscene.evaluation.report.content import ReportData
from polyscene.evaluation.report.drawing import FONT_SIZE, Drawing
from polyscene.evaluation.report.figures import Figure
from polyscene.evaluation.report.palette import LIGHT
from polyscene.evaluation.transfer import TransferMatrix, TransferRow

ROW_HEIGHT, HEAD_HEIGHT = 26.0, 30.0
FAINTEST = 0.06
"""How strong the colour of what is no better than chance is."""


def draw_transfer(name: str, data: ReportData) -> Drawing | None:
    """A table in colour: the stronger, the further above chance; a frame where the scenario is its own."""
    matrix = data.transfer
    if matrix is None or not matrix.rows:
        return None
    drawing = Drawing(
        name,
        "what networks trained on some scenarios are worth in each",
        HEAD_HEIGHT + ROW_HEIGHT * len(matrix.rows),
        "What scenarios teach each other",
        _caption(matrix),
    )
    axes = drawing.axes()
    axes.set_xlim(-0.5, len(matrix.scenarios) - 0.5)
    axes.set_ylim(len(matrix.rows) - 0.5, -1.2)
    axes.set_xticks([])
    axes.set_yticks([])
    best = {name: max(_lead(matrix, row, name) for row in matrix.rows) for name in matrix.scenarios}
    for column, scenario in enumerate(matrix.scenarios):
        head = axes.text(column, -0.85, "", ha="center", va="center", fontsize=FONT_SIZE, color=LIGHT["ink"])
        drawing.label(head, scenario, 18)
    for place, row in enumerate(matrix.rows):
        side = axes.text(-0.6, place, "", ha="right", va="center", fontsize=FONT_SIZE, color=LIGHT["ink"])
        drawing.label(side, " + ".join(row.trained_on), 30)
        for column, scenario in enumerate(matrix.scenarios):
            top = max(best[scenario], 1e-9)
            strength = max(_lead(matrix, row, scenario), 0.0) / top
            axes.bar(
                column,
                0.92,
                width=0.96,
                bottom=place - 0.46,
                color=LIGHT["accent"],
                alpha=FAINTEST + 0.5 * strength if best[scenario] > 0 else FAINTEST,
                edgecolor=LIGHT["ink"] if scenario in row.trained_on else "none",
                linewidth=0.8,
            )
            axes.text(
                column,
                place,
                f"{row.judged[scenario].mean:.3f}",
                ha="center",
                va="center",
                fontsize=FONT_SIZE - 1,
                color=LIGHT["ink"],
                fontweight="bold" if _lead(matrix, row, scenario) == best[scenario] else "normal",
            )
    return drawing


TRANSFER = Figure(ReportData, draw_transfer)


def _lead(matrix: TransferMatrix, row: TransferRow, scenario: str) -> float:
    return row.judged[scenario].mean - matrix.chance[scenario]


def _caption(matrix: TransferMatrix) -> str:
    chance = ", ".join(f"{name} {matrix.chance[name]:.3f}" for name in matrix.scenarios)
    sentences = [
        "NDCG of held-out choices among about a hundred other items, by the scenarios that a network was "
        f"trained on (rows). An order by chance gets: {chance}. A frame: trained on it."
    ]
    if matrix.refused:
        sentences.append(f"Refused, since nothing can be learned there: {', '.join(matrix.refused)}.")
    if matrix.own:
        sentences.append(f"Keeps its own, since it loses by learning together: {', '.join(matrix.own)}.")
    return " ".join(sentences)
