"""The report as one HTML page: no script, no address, nothing to load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from polyscene.core.files import write_text
from polyscene.core.text import one_line, printable
from polyscene.evaluation.importance import interval_text
from polyscene.evaluation.report.content import ReportData, ScenarioReport, ScenarioResults
from polyscene.evaluation.report.figures import drawings
from polyscene.evaluation.report.palette import DARK, LIGHT, variables
from polyscene.evaluation.results import SYSTEM
from polyscene.metrics.metric import rank_metrics

TEMPLATE = "report.html.j2"
ACCURACY_METRICS = ("ndcg@", "hr@", "mrr", "auc")
CATALOGUE_METRICS = ("coverage@", "novelty@", "diversity@", "gini@")
MAX_SLATES = 6
MAX_PLACES = 12
MAX_SETTINGS_CHARS = 20_000
BREADTHS = {"narrow": 4, "middling": 8, "wide": 10}
"""The most columns that a table of each name has; what is wider than the widest page is `widest`."""


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

    @property
    def breadth(self) -> str:
        """How wide it is; the page says on which screens a table of that name has to be scrolled."""
        return next((name for name, most in BREADTHS.items() if len(self.columns) <= most), "widest")


def render(data: ReportData) -> str:
    """Return the whole page."""
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            data=data,
            system=SYSTEM,
            light=Markup(variables(LIGHT)),
            dark=Markup(variables(DARK)),
            overview=list(drawings("overview", data)),
            sections=[_section(number, scenario) for number, scenario in enumerate(data.scenarios)],
            curves=[
                drawing
                for number, curve in enumerate(data.curves)
                for drawing in drawings(f"curve-{number}", curve)
            ],
            max_places=MAX_PLACES,
            max_settings_chars=MAX_SETTINGS_CHARS,
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
        "svg": lambda drawing: Markup(drawing.svg()),  # our own; its labels were escaped when it was written
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
    chosen = [n for start in ACCURACY_METRICS for n in sorted(names, key=_natural) if n.startswith(start)]
    chosen += [start + cutoff for start in CATALOGUE_METRICS if start + cutoff in names]
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


def parts_table(scenario: ScenarioReport) -> Table | None:
    """Return what every part carries and costs; None where it was not measured."""
    importance, one = scenario.importance, scenario.parts
    if importance is None or one is None or not one.parts:
        return None
    columns = (
        f"ndcg@{importance.cutoff}/lost",
        "verdict",
        "people/exchanged",
        "items/exchanged",
        "fit/s",
        "request/µs",
        "of the/time",
    )
    rows = []
    for part in one.ordered():
        cost, verdict = part.cost, part.verdict(one.ndcg, importance.dear_share)
        exchanged = (
            None if loss is None else loss.mean for loss in (part.between_people, part.between_items)
        )
        texts = (
            interval_text(part.loss),
            str(verdict),
            *("–" if mean is None else signed(mean) for mean in exchanged),
            _cost(cost.fit_seconds, ".2f"),
            _cost(cost.request_us, ",.0f"),
            _cost(cost.share, ".0%"),
        )
        rows.append((part.label, tuple(Cell(text) for text in texts)))
    return Table(columns, tuple(rows))


def _cost(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def parts_hint(scenario: ScenarioReport) -> str:
    """Return what the table of parts rests on."""
    importance, one = scenario.importance, scenario.parts
    if importance is None or one is None:
        return ""
    words = (
        f"{one.choices:,} {importance.choices_of} choices of {one.users:,} users. Lost: without the part, "
        "with the 95 % interval over users. Exchanged: everybody, or every item, gets what is another's. "
        f"Time: the larger share, of fits or of requests; dear above {importance.dear_share:.0%}."
    )
    return " ".join([words, *one.remarks])


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


def _section(number: int, scenario: ScenarioReport) -> dict[str, object]:
    results = scenario.results
    return {
        "anchor": f"scenario-{number}",
        "results": results,
        "main": results.main_metric,
        "head": results.models.get(SYSTEM, {}),
        "difference": results.differences.get(results.main_metric),
        "drawings": list(drawings(f"s{number}", scenario)),
        "table": main_table(results),
        "slices": slice_table(results),
        "parts": parts_table(scenario),
        "parts_hint": parts_hint(scenario),
        "slates": scenario.slates[:MAX_SLATES],
    }
