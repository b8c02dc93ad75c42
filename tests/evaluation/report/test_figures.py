from __future__ import annotations

from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.core.registry import Registry
from polyscene.core.text import one_line
from polyscene.evaluation.report import figures, page
from polyscene.evaluation.report.catalogue_figures import (
    EXPOSURE,
    ITEM_MAP,
    LEARNING_CURVE,
    bin_labels,
    popularity_bins,
)
from polyscene.evaluation.report.content import (
    CurvePoint,
    Exposure,
    ItemMap,
    LearningCurve,
    ReportData,
    ScenarioReport,
    ScenarioResults,
)
from polyscene.evaluation.report.drawing import Drawing
from polyscene.evaluation.report.figures import FIGURES, Figure, Part, drawings
from polyscene.evaluation.report.model_figures import (
    MODEL_COMPARISON,
    SCENARIO_COMPARISON,
    SLICE_COMPARISON,
    compared_models,
    marker_style,
)
from polyscene.evaluation.report.palette import DARK, LIGHT

HOSTILE = [
    "$\\frac{1",
    "_hidden",
    "家居用品",
    "<script>x</script>",
    "a\x00b\ud800",
    "\u202eevil",
    "]]>",
    "مرحبا",
    "🎧",
]
LIMIT = 300_000


def words(svg: str) -> list[str]:
    return [element.text or "" for element in Xml.fromstring(svg).iter("text")]


def results(models: list[str], parts: bool = True) -> ScenarioResults:
    rows = {
        model: {"ndcg@10": 0.5 / (1 + i), "ndcg@10/new_items": 0.1 * i, "hr@10": 0.6}
        for i, model in enumerate(models)
    }
    bounds = {model: {"ndcg@10": (row["ndcg@10"] * 0.9, row["ndcg@10"] * 1.1)} for model, row in rows.items()}
    slices = {"new_items": 5, "cold_items": 0} if parts else {}
    return ScenarioResults("shop", 10, 20, rows, bounds, slices)


def svg_of(figure: Figure[Part], name: str, part: Part) -> str:
    drawing = figure.draw(name, part)
    assert drawing is not None
    return drawing.svg()


def bars(name: str, models: list[str]) -> str:
    return svg_of(MODEL_COMPARISON, name, ScenarioReport(results(models)))


@given(st.text(st.characters(), max_size=30))
@settings(max_examples=15)
def test_any_words_come_out_as_they_went_in(text: str) -> None:
    drawing = Drawing("any", text, 60)
    drawing.label(drawing.axes().text(0, 0, ""), text)
    svg = drawing.svg()
    if one_line(text, 28):
        assert one_line(text, 28) in words(svg)
    assert "://" not in svg or "://" in text


def test_ids_are_the_figures_own_and_references_find_them() -> None:
    first, second = (bars(name, ["polyscene", "b"]) for name in ("one", "two"))
    ids = {
        name: [e.get("id") for e in Xml.fromstring(svg).iter() if e.get("id")]
        for name, svg in (("one", first), ("two", second))
    }
    assert all(str(each).startswith("one-") for each in ids["one"])
    assert not set(ids["one"]) & set(ids["two"])
    for element in Xml.fromstring(first).iter():
        href = element.get("href", "")
        clip = element.get("clip-path", "")
        assert not href or href[1:] in ids["one"]
        assert not clip or clip[5:-1] in ids["one"]


def test_colours_follow_the_theme_and_nothing_leaks_into_the_page() -> None:
    svg = bars("one", ["polyscene", "b"])
    assert "var(--accent)" in svg
    assert "var(--ink)" in svg
    assert not [colour for colour in LIGHT.values() if colour in svg]
    assert "<style" not in svg
    assert "metadata" not in svg
    assert set(LIGHT) == set(DARK)
    assert len(set(LIGHT.values())) == len(LIGHT)


def test_bars_show_every_model_its_value_and_the_system_in_bold() -> None:
    svg = bars("bars", ["polyscene", *HOSTILE])
    labels = words(svg)
    assert {"polyscene", "0.5000", "家居用品", "<script>x</script>", "$\\frac{1", "_hidden"} <= set(labels)
    bold = [e.text for e in Xml.fromstring(svg).iter("text") if "font-weight: 700" in (e.get("style") or "")]
    assert bold == ["0.5000", "polyscene"] or bold == ["polyscene", "0.5000"]


def test_of_many_models_the_best_and_the_system_are_shown() -> None:
    labels = words(bars("many", [f"m{i}" for i in range(30)] + ["polyscene"]))
    assert "polyscene" in labels
    assert "m0" in labels
    assert "m29" not in labels


def test_slices_without_choices_are_not_drawn() -> None:
    labels = words(svg_of(SLICE_COMPARISON, "slices", ScenarioReport(results(["polyscene", *HOSTILE]))))
    assert "new items (5)" in labels
    assert "all (20)" in labels
    assert not [each for each in labels if each.startswith("cold")]


def test_the_best_of_every_slice_is_in_its_picture() -> None:
    models = ["polyscene", *(f"m{number}" for number in range(8))]  # the last is the best on new items
    shown = compared_models(results(models), by_slice=True)
    assert shown == ["polyscene", "m0", "m1", "m2", "m7"]
    assert compared_models(results(models)) == ["polyscene", "m0", "m1", "m2"]
    assert "m7" in words(svg_of(SLICE_COMPARISON, "s", ScenarioReport(results(models))))


def test_many_models_are_told_apart_by_shape_and_colour() -> None:
    styles = [marker_style(place, f"m{place}") for place in range(1, 7)]
    assert len({style["marker"] for style in styles}) == len({style["color"] for style in styles}) == 6


def test_titles_of_curves_are_whole() -> None:
    title = "NDCG@10 of the content signal on held-out choices"
    svg = svg_of(LEARNING_CURVE, "c", LearningCurve("language model", (CurvePoint(1, 0.5, 0.1),), title))
    assert title in words(svg)


def test_scenarios_are_rows_whatever_they_are_called() -> None:
    scenarios = [results(["polyscene", "b"]), ScenarioResults("新闻", 1, 1, {"polyscene": {"ndcg@10": 0.0}})]
    data = ReportData("shop", tuple(map(ScenarioReport, scenarios)))
    labels = words(svg_of(SCENARIO_COMPARISON, "all", data))
    assert {"shop", "新闻", "best other model"} <= set(labels)


def test_popularity_bins_double() -> None:
    counts = np.array([0, 1, 2, 3, 4, 5, 8, 9, 1024, 1025])
    assert popularity_bins(counts).tolist() == [0, 1, 2, 3, 3, 4, 4, 5, 11, 12]
    assert bin_labels(6) == ["0", "1", "2", "3–4", "5–8", "9–16"]
    assert bin_labels(12)[-1] == "≤1k"


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30))
def test_every_item_has_a_bin_whose_name_holds_it(counts: list[int]) -> None:
    bins = popularity_bins(np.array(counts))
    labels = bin_labels(int(bins.max()) + 1)
    for count, place in zip(counts, bins, strict=True):
        ends = labels[place].split("–")
        if count < 513:
            assert int(ends[0]) <= count <= int(ends[-1])


@pytest.mark.parametrize("popularity", [[0, 0, 0], [5, 100, 100_000]])
def test_exposure_is_drawn_also_where_nothing_happened(popularity: list[int]) -> None:
    exposure = Exposure(np.array(popularity), {"polyscene": np.array([3, 0, 1]), "b": np.zeros(3, np.int64)})
    models = results(["polyscene", "absent", "b"])
    svg = svg_of(EXPOSURE, "pop", ScenarioReport(models, exposure))
    assert "polyscene" in words(svg)
    assert "absent" not in words(svg)


@pytest.mark.parametrize("n", [1, 300, 20_000])
def test_maps_stay_small_and_name_their_categories(n: int) -> None:
    dice = np.random.default_rng(0)
    names = tuple((*HOSTILE, "books", "")[i % 11] for i in range(n))
    items = ItemMap(dice.random((n, 2)).astype(np.float32), names)
    svg = svg_of(ITEM_MAP, "map", ScenarioReport(results([]), None, items))
    assert len(svg) < LIMIT
    labels = words(svg)
    assert "$\\frac{1" in labels
    assert ("other" in labels) == (n > 8)


@pytest.mark.parametrize("n", [0, 1, 20, 50_000])
def test_learning_curves_stay_small(n: int) -> None:
    points = tuple(CurvePoint(i, 1 / (1 + i), 0.5 if i % 2 else None) for i in range(n))
    svg = svg_of(LEARNING_CURVE, "curve", LearningCurve("fusion", points, "ndcg <10>"))
    assert len(svg) < LIMIT
    assert ("training loss" in words(svg)) == (n > 0)
    assert ("ndcg <10>" in words(svg)) == (n > 1)


def test_the_figures_of_the_report_are_known_by_name() -> None:
    assert list(FIGURES)[:3] == ["scenario_comparison", "transfer", "model_comparison"]
    assert {FIGURES[name].section for name in FIGURES} == {ReportData, ScenarioReport, LearningCurve}


def test_a_figure_that_is_added_stands_in_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    registry: Registry[Figure[ScenarioReport]] = Registry("polyscene.report_figures")
    monkeypatch.setattr(figures, "FIGURES", registry)

    def draw_users(name: str, scenario: ScenarioReport) -> Drawing | None:
        return Drawing(name, "users", 60, f"Users of {scenario.results.name}", "") if name else None

    registry.add("users", Figure(ScenarioReport, draw_users))
    scenario = ScenarioReport(results(["polyscene"]))
    assert [each.name for each in drawings("s0", scenario)].count("s0-users") == 1
    html = page.render(ReportData("shop", (scenario,)))
    assert html.count("<h3>Users of shop</h3>") == 1
    assert "users" not in [each.name for each in drawings("overview", ReportData("shop", ()))]
