"""The report as one HTML page: no script, no address, nothing to load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from polyscene.core.files import write_text
from polyscene.core.text import one_line, printable
from polyscene.evaluation.report.catalogue_figures import by_popularity, item_map, learning
from polyscene.evaluation.report.content import LearningCurve, ReportData, ScenarioReport, ScenarioResults
from polyscene.evaluation.report.drawing import Drawing
from polyscene.evaluation.report.model_figures import by_model, by_scenario, by_slice, rivals
from polyscene.evaluation.report.palette import DARK, LIGHT, variables
from polyscene.evaluation.results import SYSTEM
from polyscene.metrics.metric import rank_metrics

TEMPLATE = "report.html.j2"
ACCURACY = ("ndcg@", "hr@", "mrr", "auc")
CATALOGUE = ("coverage@", "novelty@", "diversity@", "gini@")
MOST_SLATES = 6
MOST_PLACES = 12
SETTINGS_LENGTH = 20_000


@dataclass(frozen=True)
class Plate:
    """A figure on the page with what stands over and under it."""

    title: str
    svg: Markup
    caption: str


@dataclass(frozen=True)
class Cell:
    """One number of a table."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """Models down, metrics across."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def render(data: ReportData) -> str:
    """Return the whole page."""
    results = [scenario.results for scenario in data.scenarios]
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            data=data,
            system=SYSTEM,
            light=Markup(variables(LIGHT)),
            dark=Markup(variables(DARK)),
            overview=_overview(results),
            sections=[_section(i, scenario) for i, scenario in enumerate(data.scenarios)],
            curves=[_curve(i, curve) for i, curve in enumerate(data.curves)],
            most_places=MOST_PLACES,
            settings_length=SETTINGS_LENGTH,
        )
    )


def write_report(data: ReportData, path: Path) -> None:
    """Render the page and put it in place, whole or not at all."""
    write_text(path, render(data))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("polyscene.evaluation.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clean": one_line,
        "number": number,
        "signed": signed,
        "grouped": grouped,
        "printable": printable,
    }
    return environment


def number(value: float | None) -> str:
    """Return a metric with four digits after the point, or two where it is 2 or more; a dash for none."""
    if value is None:
        return "–"
    return f"{value:.2f}" if abs(value) >= 2 else f"{value:.4f}"


def signed(value: float) -> str:
    """Return a difference with its sign and four digits."""
    return f"{value:+.4f}".replace("-", "−")


def grouped(value: int | str) -> str:
    """Return a count with commas, a text as it is, cut."""
    return f"{value:,}" if isinstance(value, int) else one_line(value, 120)


def main_table(results: ScenarioResults) -> Table:
    """Return the metrics a reader compares models by; the file has all of them."""
    names = {name for row in results.models.values() for name in row if "/" not in name}
    cutoff = results.main_metric.rpartition("@")[2]
    chosen = [n for start in ACCURACY for n in sorted(names, key=_natural) if n.startswith(start)]
    chosen += [start + cutoff for start in CATALOGUE if start + cutoff in names]
    return _table(results, chosen or sorted(names, key=_natural))


def slice_table(results: ScenarioResults) -> Table:
    """Return the main metric and its hit rate on every slice that has choices."""
    main = results.main_metric
    metrics = (main, main.replace("ndcg@", "hr@"))
    wanted = [
        f"{metric}/{part}" for part, n in results.slices.items() if n for metric in dict.fromkeys(metrics)
    ]
    names = {name for row in results.models.values() for name in row}
    return _table(results, [name for name in wanted if name in names])


def _table(results: ScenarioResults, columns: Sequence[str]) -> Table:
    models = results.ordered() + sorted(set(results.models) - set(results.ordered()))
    highest_is_best = rank_metrics()
    best = {
        name: max(number(row[name]) for row in results.models.values() if name in row)
        for name in columns
        if name.partition("/")[0].partition("@")[0] in highest_is_best
    }
    rows = []
    for model in models:
        values = [(name, results.models[model].get(name)) for name in columns]
        cells = (Cell(number(v), v is not None and number(v) == best.get(name)) for name, v in values)
        rows.append((model, tuple(cells)))
    return Table(tuple(columns), tuple(rows))


def _natural(name: str) -> tuple[str, int]:
    stem, _, cutoff = name.partition("@")
    return stem, int(cutoff) if cutoff.isdecimal() else 0


def _overview(results: Sequence[ScenarioResults]) -> Plate | None:
    shown = [each for each in results if SYSTEM in each.ordered()]
    if len(shown) < 2:
        return None
    return _plate(
        by_scenario("overview", shown),
        "Scenario by scenario",
        f"{shown[0].main_metric} of the system and of the best other model, with 95 % intervals over users.",
    )


def _section(place: int, scenario: ScenarioReport) -> dict[str, object]:
    results = scenario.results
    return {
        "anchor": f"scenario-{place}",
        "results": results,
        "main": results.main_metric,
        "head": results.models.get(SYSTEM, {}),
        "difference": results.differences.get(results.main_metric),
        "plates": _plates(f"s{place}", scenario),
        "table": main_table(results),
        "slices": slice_table(results),
        "slates": scenario.slates[:MOST_SLATES],
    }


def _plates(prefix: str, scenario: ScenarioReport) -> list[Plate]:
    results, metric = scenario.results, scenario.results.main_metric
    plates = []
    if results.ordered():
        about = f"{metric}, mean over choices; the line is the 95 % interval over users."
        plates.append(_plate(by_model(f"{prefix}-models", results), "By model", about))
    if results.ordered() and any(results.slices.values()):
        about = f"{metric} where choices are hard: how many there are stands beside each slice."
        plates.append(_plate(by_slice(f"{prefix}-slices", results), "By slice", about))
    if scenario.exposure is not None and len(scenario.exposure.popularity):
        about = "Who is shown: a line above the grey bars shows these items more often than people use them."
        drawing = by_popularity(f"{prefix}-exposure", scenario.exposure, rivals(results))
        plates.append(_plate(drawing, "Popularity against exposure", about))
    if scenario.item_map is not None and len(scenario.item_map.points):
        about = (
            "Each dot is an item; near dots are alike to the model "
            f"({one_line(scenario.item_map.method, 80)})."
        )
        plates.append(_plate(item_map(f"{prefix}-map", scenario.item_map), "Map of items", about))
    return plates


def _curve(place: int, curve: LearningCurve) -> Plate:
    steps = f"{curve.points[-1].step:,} steps." if curve.points else "No step was recorded."
    return _plate(learning(f"curve-{place}", curve), one_line(curve.name, 60), steps)


def _plate(drawing: Drawing, title: str, caption: str) -> Plate:
    return Plate(
        title, Markup(drawing.svg()), caption
    )  # our own SVG; its words were escaped when it was written
