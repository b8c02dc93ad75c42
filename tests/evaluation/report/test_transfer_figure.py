"""The transfer matrix as a drawing: every network, every scenario, and who was refused."""

from __future__ import annotations

from polyscene.evaluation.report.content import ReportData
from polyscene.evaluation.report.transfer_figure import draw_transfer
from polyscene.evaluation.significance import Interval
from polyscene.evaluation.transfer import TransferMatrix, TransferRow


def row(*means: float, of: tuple[str, ...]) -> TransferRow:
    judged = zip(("shop", "n&ws"), means, strict=True)
    return TransferRow(of, {name: Interval(mean, mean - 0.01, mean + 0.01) for name, mean in judged})


MATRIX = TransferMatrix(
    (row(0.4, 0.21, of=("shop",)), row(0.25, 0.29, of=("n&ws",)), row(0.43, 0.31, of=("shop", "n&ws"))),
    {"shop": 0.22, "n&ws": 0.23},
    {"shop": 90, "n&ws": 80},
    refused=("n&ws",),
    own=("shop",),
)


def test_every_network_stands_beside_what_it_is_worth() -> None:
    drawing = draw_transfer("t", ReportData("x", (), transfer=MATRIX))
    assert drawing is not None
    svg = drawing.svg()
    for label in ("shop + n&amp;ws", "0.430", "0.210", "0.310"):
        assert f">{label}<" in svg
    assert "chance gets: shop 0.220, n&ws 0.230" in drawing.caption
    assert "Refused, since nothing can be learned there: n&ws." in drawing.caption
    assert "Keeps its own, since it loses by learning together: shop." in drawing.caption


def test_the_best_of_a_scenario_is_the_strongest() -> None:
    drawing = draw_transfer("t", ReportData("x", (), transfer=MATRIX))
    assert drawing is not None
    axes = drawing.figure.axes[0]
    strength = [bar.get_alpha() or 0.0 for bar in axes.patches]  # by row, then by column
    assert strength[4] == max(strength[0::2])
    assert strength[5] == max(strength[1::2])
    assert strength[1] == min(strength)
    bold = [text.get_position() for text in axes.texts if text.get_fontweight() == "bold"]
    assert bold == [(0, 2), (1, 2)]


def test_nothing_is_drawn_where_nothing_was_learned_together() -> None:
    assert draw_transfer("t", ReportData("x", ())) is None
